"""Whatever a file holds becomes the 8-bit pixels that the rules give; what cannot be decoded has a reason."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from gantlet.data.decode import Decoding
from gantlet.errors import BadImage, BadValue

LOSSLESS = ["PNG", "BMP", "TIFF", "WEBP"]
PIXELS = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)


def encoded(image: Image.Image | np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    stream = io.BytesIO()
    image.save(stream, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}), **options)
    return stream.getvalue()


def png(rows: np.ndarray, *, depth: int, colour: int, **chunks: bytes) -> bytes:
    """A PNG written from the format's definition: rows of whole bytes, each after a filter byte of 0."""
    height, width = rows.shape[:2]
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    parts = {
        "IHDR": struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0),
        **chunks,
        "IDAT": data,
        "IEND": b"",
    }
    body = b"".join(
        struct.pack(">I", len(part)) + name.encode() + part + struct.pack(">I", zlib.crc32(name.encode() + part))
        for name, part in parts.items()
    )
    return b"\x89PNG\r\n\x1a\n" + body


def exif(orientation: int, order: str = "<") -> bytes:
    """An EXIF block with an orientation after one other tag, in either byte order."""
    start = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", 8)
    software = struct.pack(f"{order}HHI4s", 0x0131, 2, 2, b"x\0\0\0")
    turned = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0" + start + struct.pack(f"{order}H", 2) + software + turned + bytes(4)


def rgb(raw: Any, **options: Any) -> list[Any]:
    return Decoding(**options)(raw).tolist()


# Formats


@pytest.mark.parametrize("kind", LOSSLESS)
def test_colour_and_grey_come_out_as_they_went_in(kind: str) -> None:
    np.testing.assert_array_equal(Decoding()(encoded(PIXELS, kind)), PIXELS)
    grey = PIXELS[:, :, 0]
    if kind != "WEBP":  # which has no grey
        np.testing.assert_array_equal(Decoding(colour="grey")(encoded(grey, kind)), grey[:, :, None])
    np.testing.assert_array_equal(Decoding()(encoded(grey, kind)), np.repeat(grey[:, :, None], 3, axis=2))


@pytest.mark.parametrize("options", [{"quality": 95}, {"quality": 30, "progressive": True}, {"subsampling": 2}])
def test_a_jpeg_is_what_pillow_decodes_at_full_quality(options: dict[str, Any]) -> None:
    smooth = np.add.outer(np.arange(40), np.arange(0, 120, 2))[:, :, None].astype(np.uint8) + np.array(
        [0, 30, 60], np.uint8
    )
    raw = encoded(smooth, "JPEG", **options)
    found = Decoding()(raw)
    np.testing.assert_array_equal(found, np.asarray(Image.open(io.BytesIO(raw))))
    assert np.abs(found.astype(int) - smooth).mean() < 4


def test_the_first_frame_of_an_animation_is_taken() -> None:
    frames = [Image.new("RGB", (3, 2), colour) for colour in ((10, 20, 30), (200, 0, 0))]
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        raw = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert rgb(raw) == [[[10, 20, 30]] * 3] * 2, kind


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_one_bit_is_black_and_white(kind: str) -> None:
    bits = np.array([[True, False, True], [False, False, True]])
    assert rgb(encoded(Image.fromarray(bits), kind), colour="grey") == (bits[:, :, None] * 255).tolist()


# Transparency


def test_half_a_red_over_white_over_black_and_over_green() -> None:
    raw = encoded(np.array([[[255, 0, 0, 128]]], dtype=np.uint8))
    assert rgb(raw) == [[[255, 127, 127]]]  # 127 * 255 / 255
    assert rgb(raw, background=(0, 0, 0)) == [[[128, 0, 0]]]
    assert rgb(raw, background=(0, 255, 0)) == [[[128, 127, 0]]]


@pytest.mark.parametrize("background", [(255, 255, 255), (0, 0, 0), (3, 128, 251)])
def test_every_pair_of_value_and_alpha_is_blended_exactly(background: tuple[int, int, int]) -> None:
    value, alpha = np.mgrid[:256, :256]
    picture = np.stack([value, value, value, alpha], axis=-1).astype(np.uint8)
    expected = np.stack([np.rint((alpha * value + (255 - alpha) * part) / 255) for part in background], axis=-1)
    for raw in (encoded(picture), encoded(picture, "WEBP"), encoded(picture, "TIFF"), picture):
        np.testing.assert_array_equal(Decoding(background=background)(raw), expected)


def test_grey_with_alpha_is_blended_before_it_is_grey() -> None:
    raw = encoded(Image.fromarray(np.array([[[0, 0], [0, 51], [77, 255]]], dtype=np.uint8), "LA"))
    assert rgb(raw, background=(255, 0, 0)) == [[[255, 0, 0], [204, 0, 0], [77, 77, 77]]]
    assert rgb(raw, background=(255, 0, 0), colour="grey") == [[[76], [61], [77]]]


def palette(**options: Any) -> tuple[Image.Image, dict[str, Any]]:
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2])
    return image, options


@pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF", "BMP"])
def test_a_palette_is_looked_up(kind: str) -> None:
    image, _ = palette()
    assert rgb(encoded(image, kind)) == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]
    assert rgb(encoded(image, kind), colour="grey") == [[[76], [150], [29]]]


def test_a_palette_may_be_transparent_in_places() -> None:
    image, _ = palette()
    for kind in ("PNG", "GIF"):
        assert rgb(encoded(image, kind, transparency=1)) == [[[255, 0, 0], [255, 255, 255], [0, 0, 255]]]
    steps = encoded(image, "PNG", transparency=bytes([255, 0, 128]))
    assert rgb(steps, background=(0, 0, 0)) == [[[255, 0, 0], [0, 0, 0], [0, 0, 128]]]


def test_one_colour_may_stand_for_transparency() -> None:
    grey = np.array([[9, 10, 11]], dtype=np.uint8)
    raw = png(grey, depth=8, colour=0, tRNS=struct.pack(">H", 10))
    assert rgb(raw, background=(1, 2, 3)) == [[[9, 9, 9], [1, 2, 3], [11, 11, 11]]]
    colour = np.array([[[1, 2, 3], [1, 2, 4]]], dtype=np.uint8)
    assert rgb(png(colour, depth=8, colour=2, tRNS=struct.pack(">3H", 1, 2, 3))) == [[[255, 255, 255], [1, 2, 4]]]


# More than 8 bits, print and video


def test_16_bit_grey_is_divided_by_257_and_rounded() -> None:
    values = np.array([[0, 128, 129, 0x7FFF, 0xABCD, 0xFF7F, 0xFFFF]], dtype=np.uint16)
    expected = np.rint(values / 257)[:, :, None].tolist()
    assert expected == [[[0], [0], [1], [127], [171], [255], [255]]]
    big = Image.fromarray(values.astype(">u2"))
    assert big.mode == "I;16B"
    wide = Image.fromarray(values.astype(np.int32))
    assert wide.mode == "I"
    hand = png(values.astype(">u2"), depth=16, colour=0)
    for raw in (hand, encoded(values), encoded(values, "TIFF"), encoded(big, "TIFF"), encoded(wide, "TIFF")):
        assert rgb(raw, colour="grey") == expected


def test_grey_beyond_16_bits_is_refused_not_clipped() -> None:
    for values, reach in (([[5, 65536]], "5 to 65536"), ([[-1, 7]], "-1 to 7")):
        with pytest.raises(BadImage, match=f"its grey values reach from {reach}; 16 bits hold 0 to 65535"):
            Decoding()(encoded(Image.fromarray(np.array(values, dtype=np.int32)), "TIFF"))


def test_16_bit_colour_keeps_the_upper_byte() -> None:
    values = np.array([[[0xABCD, 0x00FF, 0xFFFF], [0x0102, 0x0304, 0x0506]]], dtype=">u2")
    assert rgb(png(values, depth=16, colour=2)) == [[[0xAB, 0, 255], [1, 3, 5]]]
    alpha = np.concatenate([values, [[[0xFFFF], [0]]]], axis=2).astype(">u2")
    assert rgb(png(alpha, depth=16, colour=6)) == [[[0xAB, 0, 255], [255, 255, 255]]]


def test_16_bit_pictures_may_have_a_transparent_colour() -> None:
    grey = np.array([[0x1234, 0x1235]], dtype=">u2")
    assert rgb(png(grey, depth=16, colour=0, tRNS=b"\x12\x35"), colour="grey") == [[[18], [255]]]
    colour = np.array([[[0x0102, 0x0304, 0x0506], [0x0702, 0x0304, 0x0506]]], dtype=">u2")
    assert rgb(png(colour, depth=16, colour=2, tRNS=colour[0, 0].tobytes())) == [[[255, 255, 255], [7, 3, 5]]]


def test_floating_point_is_refused() -> None:
    with pytest.raises(BadImage, match="its pixels are floating point, whose range is not known"):
        Decoding()(encoded(Image.fromarray(np.ones((2, 2), dtype=np.float32)), "TIFF"))


def test_print_colours_are_multiplied_out() -> None:
    inks = np.random.default_rng(1).integers(0, 256, (6, 6, 4), dtype=np.uint8)
    inks[0, :3] = [[255, 0, 0, 0], [0, 255, 255, 0], [0, 0, 0, 255]]  # cyan, red, black
    raw = encoded(Image.fromarray(inks, "CMYK"), "TIFF")
    assert rgb(raw)[0][:3] == [[0, 255, 255], [255, 0, 0], [0, 0, 0]]
    left = 255 - inks.astype(float)
    np.testing.assert_allclose(Decoding()(raw), left[:, :, :3] * left[:, :, 3:] / 255, atol=0.51)


def test_a_print_jpeg_is_not_a_negative() -> None:
    inks = Image.new("CMYK", (16, 16), (255, 0, 0, 51))
    found = Decoding()(encoded(inks, "JPEG", quality=100))
    np.testing.assert_allclose(found, np.broadcast_to([0, 204, 204], found.shape), atol=1)


def test_a_print_jpeg_may_hold_luminance_and_chrominance() -> None:
    raw = encoded(Image.new("CMYK", (16, 16), (127, 127, 127, 127)), "JPEG", quality=100)
    marker = raw.index(b"Adobe") + len(b"Adobe") + 6
    assert raw[marker] == 0
    # All four stored planes are 128. With transform 2 they read Y, Cb, Cr, K: a neutral grey of 127 under 128 of black.
    found = Decoding()(raw[:marker] + b"\x02" + raw[marker + 1 :])
    np.testing.assert_allclose(found, np.full(found.shape, 127 * 128 / 255), atol=1)


def test_luminance_and_chrominance_become_colour() -> None:
    pixels = np.full((8, 8, 3), (76, 85, 255), dtype=np.uint8)  # red
    found = Decoding()(encoded(Image.fromarray(pixels, "YCbCr"), "TIFF"))
    np.testing.assert_allclose(found, np.broadcast_to([254, 0, 0], found.shape), atol=1)


def test_grey_is_the_luma_of_colour() -> None:
    weights = np.array([19595, 38470, 7471])
    expected = (PIXELS.astype(int) @ weights + 32768) >> 16
    for raw in (encoded(PIXELS), PIXELS):
        np.testing.assert_array_equal(Decoding(colour="grey")(raw)[:, :, 0], expected)


# Orientation

UPRIGHT = [[1, 2, 3], [4, 5, 6]]
STORED = {  # what lies in the file so that it is UPRIGHT after turning: the 0th row and column by the standard's table
    1: [[1, 2, 3], [4, 5, 6]],  # top, left
    2: [[3, 2, 1], [6, 5, 4]],  # top, right
    3: [[6, 5, 4], [3, 2, 1]],  # bottom, right
    4: [[4, 5, 6], [1, 2, 3]],  # bottom, left
    5: [[1, 4], [2, 5], [3, 6]],  # left, top
    6: [[3, 6], [2, 5], [1, 4]],  # right, top
    7: [[6, 3], [5, 2], [4, 1]],  # right, bottom
    8: [[4, 1], [5, 2], [6, 3]],  # left, bottom
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("order", ["<", ">"])
def test_pictures_are_turned_upright(orientation: int, order: str) -> None:
    stored = np.array(STORED[orientation], dtype=np.uint8)
    for kind in ("PNG", "WEBP"):
        raw = encoded(stored, kind, exif=exif(orientation, order))
        assert Decoding()(raw)[:, :, 0].tolist() == UPRIGHT, kind
    assert Decoding(colour="grey")(encoded(stored, "TIFF", tiffinfo={0x0112: orientation}))[:, :, 0].tolist() == UPRIGHT
    blocks = np.kron(stored * 40, np.ones((8, 8), dtype=np.uint8)).astype(np.uint8)
    turned = Decoding(colour="grey")(encoded(blocks, "JPEG", exif=exif(orientation, order), quality=100))
    np.testing.assert_allclose(turned[::8, ::8, 0] / 40, UPRIGHT, atol=0.05)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(orientation: int) -> None:
    raw = encoded(np.array(UPRIGHT, dtype=np.uint8), exif=exif(orientation))
    assert Decoding()(raw)[:, :, 0].tolist() == UPRIGHT


def test_a_cut_or_damaged_exif_block_turns_nothing_and_harms_nothing() -> None:
    whole = exif(6)
    blocks = [whole[:length] for length in range(6, len(whole) - 8)]
    blocks += [whole[:10] + struct.pack("<I", start) + whole[14:] for start in (60, 2**31, 2**32 - 1)]
    for block in blocks:
        raw = encoded(np.array(UPRIGHT, dtype=np.uint8), "WEBP", exif=block)
        assert Decoding()(raw)[:, :, 0].tolist() == UPRIGHT


# Refusals


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_the_limit_on_pixels_is_checked_before_decoding(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = encoded(Image.new("RGB", (300, 200)), kind)
    assert Decoding(most_pixels=60_000)(raw).shape == (200, 300, 3)

    def no_decoding(_: object) -> None:
        raise AssertionError("was decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", no_decoding)
    with pytest.raises(BadImage, match=r"it has 300 × 200 = 0\.1 million pixels, more than .* make it smaller"):
        Decoding(most_pixels=59_999)(raw)


def test_a_bomb_is_refused_by_its_header() -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    raw = png(np.zeros((1, 1), dtype=np.uint8), depth=8, colour=0)
    bomb = raw[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + raw[33:]
    with pytest.raises(BadImage, match=r"60000 × 60000 = 3600\.0 million pixels, more than the 100 million"):
        Decoding()(bomb)


def test_the_limit_is_gantlets_own_and_pillows_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = {
        kind: encoded(Image.new("RGB", (30, 20)), kind) for kind in ("PNG", "GIF", "JPEG", "BMP", "WEBP", "TIFF")
    }
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)
    for kind in ("PNG", "GIF", "JPEG", "BMP"):
        assert Decoding()(pictures[kind]).shape == (20, 30, 3)
    for kind in ("WEBP", "TIFF"):  # whose limit Pillow checks in a place of its own
        with pytest.raises(BadImage, match=r"it is beyond Pillow's own limit, which holds for (WebP|TIFF) whatever"):
            Decoding(most_pixels=1000)(pictures[kind])
    assert Image.MAX_IMAGE_PIXELS == 4


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_cut_file_is_refused(kind: str) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    raw = encoded(noise, kind)
    for share in (0.3, 0.6, 0.9):
        with pytest.raises(BadImage, match=r"^its (PNG|JPEG|WebP|GIF|BMP|TIFF) data are (truncated|damaged)"):
            Decoding()(raw[: int(share * len(raw))])
    for length in range(20):
        with pytest.raises(BadImage):
            Decoding()(raw[:length])


def test_other_formats_are_not_tried() -> None:
    others = [encoded(PIXELS, kind) for kind in ("ICO", "TGA", "PCX", "EPS", "JPEG2000")]
    for raw in (*others, b"RIFF\0\0\0\0WAVEfmt ", b"<svg/>", b"\0"):
        with pytest.raises(
            BadImage, match=r"it is not an image of a format that is read \(JPEG, .*\): it starts with [0-9a-f]{2}"
        ):
            Decoding()(raw)
    with pytest.raises(BadImage, match=r"it is empty \(0 bytes\)"):
        Decoding()(b"")


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError("odd\n end."), KeyError(3), EOFError(), struct.error("short")]
)
def test_whatever_pillow_raises_becomes_one_sentence(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    with pytest.raises(BadImage, match=r"^its (JPEG) data (are|ask) [^\n]*[^.]$") as caught:
        Decoding()(encoded(PIXELS, "JPEG"))
    assert caught.value.__cause__ is error


def test_an_interrupt_is_no_bad_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ImageFile.ImageFile, "load", stop)
    with pytest.raises(KeyboardInterrupt):
        Decoding()(encoded(PIXELS))


def test_warnings_of_pillow_stay_inside_and_filters_as_they_were() -> None:
    doubtful = png(PIXELS[:, :, 0], depth=8, colour=0, acTL=struct.pack(">II", 0, 0))  # an animation of no frames
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        inside = list(warnings.filters)
        Image.open(io.BytesIO(doubtful)).load()
        assert len(caught) == 1  # it is one that warns
        assert Decoding(colour="grey")(doubtful)[:, :, 0].tolist() == PIXELS[:, :, 0].tolist()
        assert len(caught) == 1
        assert warnings.filters == inside
        warnings.warn("others are still heard", stacklevel=1)
        assert len(caught) == 2
    assert warnings.filters == before


def test_threads_see_the_same_pixels_and_leave_no_filter_behind() -> None:
    pictures = [
        encoded(np.full((9, 8, 3), shade, dtype=np.uint8), kind) for shade in range(0, 250, 10) for kind in LOSSLESS
    ]
    expected = [Decoding()(raw).tobytes() for raw in pictures]
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda raw: Decoding()(raw).tobytes(), pictures * 4))
    assert found == expected * 4
    assert warnings.filters == before


# Pixels in the place of files


def test_pixels_take_the_same_path_as_files() -> None:
    grey, clear = PIXELS[:, :, 0], np.concatenate([PIXELS, PIXELS[:, :, :1]], axis=2)
    for pixels in (grey, PIXELS, clear, PIXELS[::-1, ::2], np.asfortranarray(PIXELS)):
        for colour in ("rgb", "grey"):
            decoding = Decoding(colour=colour)  # type: ignore[arg-type]
            np.testing.assert_array_equal(decoding(pixels), decoding(encoded(np.ascontiguousarray(pixels))))
    np.testing.assert_array_equal(Decoding()(grey[:, :, None]), Decoding()(grey))


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.zeros((2, 2), dtype=np.float32), "its pixels are float32; expected uint8"),
        (np.zeros((2, 2), dtype=bool), "its pixels are bool; expected uint8"),
        (np.zeros((2, 2, 2), dtype=np.uint8), "its shape is 2×2×2; expected height × width"),
        (np.zeros((3, 4, 5, 3), dtype=np.uint8), "its shape is 3×4×5×3"),
        (np.zeros((0, 4, 3), dtype=np.uint8), "its shape is 0×4×3"),
        (np.zeros(4, dtype=np.uint8), "its shape is 4;"),
    ],
)
def test_pixels_of_another_kind_are_refused(pixels: np.ndarray, reason: str) -> None:
    with pytest.raises(BadImage, match=reason):
        Decoding()(pixels)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"colour": "cmyk"}, "colour is 'rgb' or 'grey', not 'cmyk'"),
        ({"background": (0, 0, 256)}, "background is three numbers from 0 to 255"),
        ({"background": (0, 0)}, "background is three numbers from 0 to 255"),
        ({"most_pixels": 0}, "most_pixels is at least 1, not 0"),
    ],
)
def test_values_out_of_range_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadValue, match=reason):
        Decoding(**options)


def test_a_worker_needs_no_torch() -> None:
    code = "import gantlet.data.decode, gantlet.data.resize, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
