"""One table of formats: what begins like one is decoded as one, and what is called like one is listed as one."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gantlet.data.decode import Decoding
from gantlet.data.image_formats import NOT_READ, format_of, image_extensions
from gantlet.data.readers.archive import TarReader, ZipReader
from gantlet.data.readers.folder import FolderReader
from gantlet.data.readers.shards import ShardReader
from gantlet.errors import BadImage, MissingExtra

RANDOM = np.random.default_rng(5)
COLOUR = RANDOM.integers(0, 256, (6, 9, 3), dtype=np.uint8)
GREY = RANDOM.integers(0, 256, (6, 9), dtype=np.uint8)
DEEP = RANDOM.integers(0, 65536, (6, 9), dtype=np.uint16)


def netpbm(kind: int, values: np.ndarray, most: int) -> bytes:
    """A file of Netpbm's: kinds 1 to 3 are text, 4 to 6 binary; bits, grey, colour."""
    height, width = values.shape[:2]
    header = f"P{kind}\n# a comment\n{width} {height}\n" + ("" if kind in (1, 4) else f"{most}\n")
    if kind <= 3:
        return header.encode() + " ".join(map(str, values.ravel())).encode() + b"\n"
    packed = np.packbits(values, axis=1) if kind == 4 else values.astype(">u2" if most > 255 else "u1")
    return header.encode() + packed.tobytes()


@pytest.mark.parametrize("text", [True, False])
def test_netpbm_is_decoded_to_the_bit(text: bool) -> None:
    offset = 0 if text else 3
    np.testing.assert_array_equal(Decoding()(netpbm(3 + offset, COLOUR, 255)), COLOUR)
    np.testing.assert_array_equal(Decoding(colour="grey")(netpbm(2 + offset, GREY, 255))[..., 0], GREY)
    bits = (GREY > 127).astype(np.uint8)  # 1 is black
    np.testing.assert_array_equal(Decoding(colour="grey")(netpbm(1 + offset, bits, 1))[..., 0], (1 - bits) * 255)
    sixteen = Decoding(colour="grey")(netpbm(2 + offset, DEEP, 65535))[..., 0]
    np.testing.assert_array_equal(sixteen, np.round(DEEP / 257).astype(np.uint8))


def test_grey_of_twelve_bits_fills_its_range() -> None:
    """A Netpbm file states its largest value, so 4095 is white: nothing is guessed."""
    twelve = np.array([[0, 4095, 2048]])
    assert Decoding(colour="grey")(netpbm(5, twelve, 4095))[..., 0].tolist() == [[0, 255, 128]]


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5, 6])
def test_a_cut_netpbm_is_a_bad_image(kind: int) -> None:
    values = {1: GREY > 127, 2: GREY, 3: COLOUR}[(kind - 1) % 3 + 1].astype(np.uint8)
    whole = netpbm(kind, values, 255)
    for length in (3, 12, len(whole) - (8 if kind <= 3 else 1) - (kind == 1) * 20):
        with pytest.raises(BadImage, match="Netpbm data are"):
            Decoding()(whole[:length])


def test_a_bomb_in_the_header_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(BadImage, match=r"30000 × 30000 = 900\.0 million pixels, more than"):
        Decoding()(b"P6 30000 30000 255\n")


def avif(pixels: np.ndarray, **more: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "AVIF", quality=100, subsampling="4:4:4", **more)  # type: ignore[arg-type]
    return stream.getvalue()


def test_avif_is_read_upright_and_over_the_background() -> None:
    smooth = np.kron(np.array([[20, 90, 160], [230, 60, 120]], np.uint8), np.ones((16, 16), np.uint8))
    colour = np.stack([smooth, 255 - smooth, smooth // 2], axis=2)
    assert np.abs(Decoding()(avif(colour)).astype(int) - colour).max() <= 4
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Decoding()(avif(np.rot90(colour).copy(), exif=exif.tobytes()))
    assert turned.shape == colour.shape
    assert np.abs(turned.astype(int) - colour).max() <= 4
    clear = np.dstack([colour, np.zeros_like(smooth)])
    assert (Decoding(background=(7, 8, 9))(avif(clear)) == (7, 8, 9)).all()
    with pytest.raises(BadImage, match="AVIF data are"):
        Decoding()(avif(colour)[:200])


def test_every_ending_is_listed_by_every_reader_and_no_other(tmp_path: Path) -> None:
    import tarfile
    import zipfile

    names = [f"{number:02}{ending}" for number, ending in enumerate(sorted(image_extensions()))]
    assert {".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".jpg", ".jfif"} <= image_extensions()
    (tmp_path / "images").mkdir()
    with tarfile.open(tmp_path / "x.tar", "w") as tar, zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in [*names, "99.txt"]:
            (tmp_path / "images" / name).write_bytes(b"x")
            tar.add(tmp_path / "images" / name, arcname=name)
            archive.write(tmp_path / "images" / name, arcname=name)
    readers = (FolderReader(str(tmp_path / "images")), ZipReader(str(tmp_path / "x.zip")))
    for reader in (*readers, TarReader(str(tmp_path / "x.tar")), ShardReader(str(tmp_path / "x.tar"))):
        assert [entry.name for entry in reader.entries] == names
        reader.close()
    assert image_extensions().isdisjoint(NOT_READ.keys() - {".heic", ".heif"})


# HEIC, by a package of its own

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)
STAND_IN = """
from io import BytesIO
from PIL import Image, PngImagePlugin

def HeifImageFile(file):
    stream = BytesIO()
    Image.new("RGB", (5, 4), (1, 2, 3)).save(stream, "PNG")
    stream.seek(0)
    return PngImagePlugin.PngImageFile(stream)
"""


@pytest.fixture
def without_heif(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("pillow_heif", "pillow_heif.as_plugin"):
        monkeypatch.setitem(sys.modules, name, None)  # type: ignore[arg-type]
    image_extensions.cache_clear()
    yield
    image_extensions.cache_clear()


@pytest.fixture
def with_heif(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package that says that every HEIC file is five by four pixels of one colour."""
    (tmp_path / "site" / "pillow_heif").mkdir(parents=True)
    (tmp_path / "site" / "pillow_heif" / "__init__.py").touch()
    (tmp_path / "site" / "pillow_heif" / "as_plugin.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(tmp_path / "site")
    for name in ("pillow_heif", "pillow_heif.as_plugin"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    image_extensions.cache_clear()
    yield
    image_extensions.cache_clear()
    for name in ("pillow_heif", "pillow_heif.as_plugin"):
        sys.modules.pop(name, None)


def test_heic_is_read_where_its_package_is(with_heif: None, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "IMG_1.HEIC").write_bytes(HEIC)
    reader = FolderReader(str(tmp_path / "images"))
    assert [entry.name for entry in reader.entries] == ["IMG_1.HEIC"]
    assert Decoding()(reader.read(0)).tolist() == [[[1, 2, 3]] * 5] * 4


def test_heic_without_its_package_is_skipped_and_named(without_heif: None, tmp_path: Path) -> None:
    (tmp_path / "IMG_1.HEIC").write_bytes(HEIC)
    with pytest.raises(MissingExtra, match=r"holds 1 HEIC images; reading them needs .*pip install 'gantlet\[heic\]'"):
        FolderReader(str(tmp_path))
    (tmp_path / "1.png").write_bytes(b"x")
    assert FolderReader(str(tmp_path)).facts["skipped"] == {".heic": 1}
    with pytest.raises(BadImage, match=r"its format HEIC is not read by .*pip install 'gantlet\[heic\]'"):
        Decoding()(HEIC)


def test_a_format_is_told_by_the_first_bytes() -> None:
    assert [format_of(raw).name for raw in (HEIC, avif(COLOUR), b"P5\n", b"P6 ")] == [
        "HEIC",
        "AVIF",
        "Netpbm",
        "Netpbm",
    ]
    for raw in (b"P7\n", b"P5x", b"\0\0\0\x18ftypmp42" + bytes(20), b"\0\0\0\x18ftyp"):
        with pytest.raises(BadImage, match="not an image of a format that is read"):
            format_of(raw)
    with pytest.raises(BadImage, match="it is empty"):
        format_of(b"")
