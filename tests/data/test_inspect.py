"""What is said of a source is what was put into it; the tiles of a contact sheet are its images, pixel by pixel."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gantlet.data.contact_sheet import contact_sheet, write_sheet
from gantlet.data.decode import Decoding
from gantlet.data.inspect import inspect, look, spread_evenly
from gantlet.data.prepare import PrepareRecipe, prepare_images
from gantlet.data.readers.base import Entry, Fault, Part, Raw
from gantlet.data.resize import Resize
from gantlet.errors import BadData, BadImage, FolderInUse


class Shelf:
    """A reader of what it is given: (name, label, part, raw)."""

    def __init__(self, *rows: tuple[str, str, Part, Raw], faults: Sequence[Fault] = ()) -> None:
        self.entries: Sequence[Entry] = [Entry(name, label, part) for name, label, part, _ in rows]
        self.faults: Sequence[Fault] = faults
        self.facts: Mapping[str, Any] = {"format": "shelf"}
        self._raws = [raw for *_, raw in rows]

    def read(self, place: int) -> Raw:
        raw = self._raws[place]
        if isinstance(raw, bytes) and raw == b"gone":
            raise BadImage("it is gone")
        return raw

    def close(self) -> None:
        pass


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(pixels: np.ndarray, format: str = "PNG", mode: str = "") -> bytes:
    image = Image.fromarray(pixels)
    stream = io.BytesIO()
    (image.convert(mode) if mode else image).save(stream, format=format)
    return stream.getvalue()


RGB, GREY, SMALL = noise(1, 8, 6, 3), noise(2, 8, 6), noise(3, 5, 9, 3)
SHELF = Shelf(
    ("a", "cat", "train", encoded(RGB)),
    ("b", "cat", "train", encoded(GREY)),
    ("c", "dog", "train", encoded(RGB, "BMP")),  # the same pixels in another file
    ("d", "dog", "train", encoded(SMALL, "TIFF")),
    ("e", "dog", "test", encoded(np.dstack([RGB, np.full((8, 6), 255, np.uint8)]))),  # and once more, opaque
    ("f", "cat", "test", encoded(GREY)[:40]),
    ("g", "cat", "test", b"gone"),
    ("h", "cat", "test", encoded(np.repeat(GREY[:, :, None], 3, axis=2))),  # grey as three equal channels
    ("i", "", "", encoded(noise(4, 8, 6, 3), mode="P")),
    ("j", "", "", noise(5, 7, 7)),
    faults=[Fault("link", "it leads outside")],
)


def test_everything_is_counted_as_it_was_put_there() -> None:
    seen = inspect(SHELF)
    assert (seen.pictures, seen.looked, seen.unreadable) == (8, 10, 2)
    assert seen.parts == {"train": 4, "test": 2, "": 2}, "what cannot be decoded is in none"
    assert seen.labels == {"cat": 3, "dog": 3}
    assert seen.modes == {"RGB": 4, "L": 2, "RGBA": 1, "P": 1}
    assert seen.formats == {"PNG": 5, "BMP": 1, "TIFF": 1, "pixels": 1}
    assert seen.sizes == {(8, 6): 6, (5, 9): 1, (7, 7): 1}
    assert next(iter(seen.sizes)) == (8, 6), "the most frequent first"
    assert (seen.side(0), seen.side(1)) == ((5, 8.0, 8), (6, 6.0, 9))
    assert [fault.name for fault in seen.faults] == ["link", "f", "g"]
    assert seen.faults[2].reason == "it is gone"


def test_duplicates_are_those_with_the_same_pixels() -> None:
    seen = inspect(SHELF)
    assert seen.duplicates == [("a", "c", "e"), ("b", "h")]
    assert seen.copies == 3
    assert seen.shared == 2, "e and h are training pictures"


def test_one_pixel_and_another_shape_make_a_difference() -> None:
    changed = RGB.copy()
    changed[0, 0, 0] ^= 1
    flat = np.zeros((4, 9, 3), np.uint8)
    shelf = Shelf(("a", "", "", RGB), ("b", "", "", changed), ("c", "", "", flat), ("d", "", "", flat.reshape(9, 4, 3)))
    assert inspect(shelf).duplicates == []
    assert look(RGB).hash != look(changed).hash


@pytest.mark.parametrize("workers", [1, 4])
def test_a_large_source_is_looked_at_in_order_and_progress_is_told(workers: int) -> None:
    rows: list[tuple[str, str, Part, Raw]] = [(str(k), "", "", np.full((2, 2), k % 250, np.uint8)) for k in range(5000)]
    heard: list[tuple[int, int]] = []
    seen = inspect(Shelf(*rows), workers=workers, progress=lambda done, total: heard.append((done, total)))
    assert heard == [(2048, 5000), (4096, 5000), (5000, 5000)]
    assert len(seen.duplicates) == 250
    assert seen.duplicates[7] == tuple(str(k) for k in range(7, 5000, 250))
    assert seen.copies == 4750
    assert seen.labels == {}


def test_a_part_is_spread_over_the_whole() -> None:
    rows: list[tuple[str, str, Part, Raw]] = [(str(k), "", "", np.full((k + 1, 1), 0, np.uint8)) for k in range(100)]
    seen = inspect(Shelf(*rows), most=4)
    assert (seen.pictures, seen.looked) == (100, 4)
    assert sorted(seen.sizes) == [(1, 1), (26, 1), (51, 1), (76, 1)]
    assert spread_evenly(7, 7) == list(range(7))
    assert spread_evenly(0, 3) == []


def test_a_record_is_json_and_says_the_same() -> None:
    record = json.loads(json.dumps(inspect(SHELF).record()))
    assert record["sizes"][0] == {"height": 8, "width": 6, "images": 6}
    assert record["height"] == {"min": 5, "median": 8.0, "max": 8}
    assert record["duplicates"] == [["a", "c", "e"], ["b", "h"]]
    assert (record["copies"], record["test_in_train"]) == (3, 2)
    assert record["faults"][0] == {"name": "link", "reason": "it leads outside"}
    assert record["facts"] == {"format": "shelf"}


def test_an_empty_source_is_described_too() -> None:
    seen = inspect(Shelf())
    assert (seen.pictures, seen.copies, seen.side(0)) == (0, 0, (0, 0.0, 0))


# The contact sheet


def tiles(sheet: Image.Image, margin: int, height: int, width: int) -> list[list[np.ndarray]]:
    """The tiles of a sheet, cut out where its description says that they lie."""
    pixels = np.asarray(sheet)
    rows, columns = (pixels.shape[0] - 2) // (height + 2), (pixels.shape[1] - margin - 2) // (width + 2)
    return [
        [
            pixels[2 + r * (height + 2) :, margin + 2 + c * (width + 2) :][:height, :width]
            for c in range(columns)
        ]
        for r in range(rows)
    ]  # fmt: skip


def test_tiles_are_the_pictures_pixel_by_pixel() -> None:
    pictures = [noise(k, 6, 4, 3) for k in range(10)]
    rows: list[tuple[str, str, Part, Raw]] = [(str(k), "", "", picture) for k, picture in enumerate(pictures)]
    sheet = contact_sheet(Shelf(*rows), columns=4, rows=4)
    assert sheet.size == (4 * 6 + 2, 3 * 8 + 2)
    found = [tile for line in tiles(sheet, 0, 6, 4) for tile in line]
    for picture, tile in zip(pictures, found[:10], strict=True):
        np.testing.assert_array_equal(tile, picture)
    assert (np.asarray(found[10]) == 128).all(), "no image, no tile"


def test_classes_have_rows_of_their_own() -> None:
    rows: list[tuple[str, str, Part, Raw]] = [
        (str(k), "even" if k % 2 == 0 else "odd", "", np.full((12, 12), 20 * k, np.uint8)) for k in range(10)
    ]
    sheet = contact_sheet(Shelf(*rows), columns=5)
    margin = sheet.width - 5 * 14 - 2
    even, odd = tiles(sheet, margin, 12, 12)
    assert [int(tile[0, 0, 0]) for tile in even] == [0, 40, 80, 120, 160]
    assert [int(tile[0, 0, 0]) for tile in odd] == [20, 60, 100, 140, 180]
    words = np.asarray(sheet)[:, :margin]
    assert (words > 200).any(), "the names stand beside"
    assert len({tuple(map(int, pixel)) for pixel in words[:, 0]}) == 1, "and do not touch the edge"


def test_small_pictures_are_centred_large_ones_reduced_and_bad_ones_left_out() -> None:
    large = np.kron(noise(1, 4, 2, 3), np.ones((64, 64, 1), np.uint8))  # 256×128
    small = noise(2, 10, 8, 3)
    rows: list[tuple[str, str, Part, Raw]] = [("a", "", "", large), ("b", "", "", small), ("c", "", "", b"no picture")]
    sheet = contact_sheet(Shelf(*rows), columns=3, largest=128)
    ((first, second, third),) = tiles(sheet, 0, 128, 64)
    assert np.abs(first[16:24, 16:24].astype(int) - large[40, 40]).max() <= 1, "inside of a square, away from edges"
    np.testing.assert_array_equal(second[59:69, 28:36], small)
    assert (second[:59] == 128).all()
    assert (third == 128).all()
    with pytest.raises(BadData, match="None of the images for the contact sheet can be decoded"):
        contact_sheet(Shelf(rows[2]))


def test_a_sheet_is_written_once_as_png(tmp_path: Path) -> None:
    sheet = contact_sheet(Shelf(("a", "", "", RGB)))
    write_sheet(sheet, tmp_path / "deep" / "sheet.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "deep" / "sheet.png")), np.asarray(sheet))
    with pytest.raises(FolderInUse, match=r"sheet.png exists already; nothing was written. Choose another --sheet"):
        write_sheet(sheet, tmp_path / "deep" / "sheet.png")
    with pytest.raises(BadData, match=r"sheet.jpg does not end in .png"):
        write_sheet(sheet, tmp_path / "sheet.jpg")


def shades(*values: np.ndarray) -> Shelf:
    return Shelf(*[(str(place), "", "", encoded(value)) for place, value in enumerate(values)])


def sixteen(high: int) -> np.ndarray:
    values = np.random.default_rng(high).integers(0, high, (9, 9)).astype(np.uint16)
    values[0, 0] = high
    return values


@pytest.mark.parametrize(
    ("shelf", "words"),
    [
        (
            shades(sixteen(4095), sixteen(900)),
            ["values only up to 4,095 of 65,535: as 8-bit they reach 16 of 255 and will look black"],
        ),
        (shades(sixteen(40)), ["values only up to 40 of 65,535: as 8-bit they reach 0 of 255"]),
        (shades(sixteen(65535), sixteen(65000)), []),
        (shades(GREY % 50), ["The brightest pixel of all is 49 of 255: the images will look black"]),
        (shades(150 + GREY % 40), ["All pixels are between 150 and 189 of 255: the images will look washed out"]),
        (shades(GREY, GREY // 64), ["1 of 2 images are black (no pixel above 7 of 255)"]),
        (shades(GREY, np.full_like(GREY, 200)), ["1 of 2 images are of one single value"]),
        (shades(GREY, RGB), []),
        (
            Shelf(("a", "", "", GREY), ("f", "", "", encoded(GREY.astype(np.float32), "TIFF"))),
            ["1 images hold floating-point values"],
        ),
    ],
)
def test_what_will_look_wrong_is_said_before_training(shelf: Shelf, words: list[str]) -> None:
    seen = inspect(shelf)
    assert len(seen.advice) == len(words)
    for said, expected in zip(seen.advice, words, strict=True):
        assert expected in said
    assert seen.record()["advice"] == list(seen.advice)


def test_the_values_are_those_of_the_decoded_pixels() -> None:
    assert inspect(shades(GREY, GREY // 2)).values == (int((GREY // 2).min()), int(GREY.max()))
    assert inspect(Shelf()).values == (0, 0)
    assert inspect(Shelf()).advice == []


def test_formats_that_were_skipped_are_named_with_what_to_do() -> None:
    shelf = shades(GREY)
    shelf.facts = {"skipped": {".heic": 12, ".nef": 1, ".txt": 3}}
    seen = inspect(shelf)
    assert seen.skipped == {".heic": 12, ".nef": 1, ".txt": 3}
    assert "12 files .heic are skipped (HEIC, as phones write it: pip install 'gantlet[heic]')" in seen.advice[0]
    assert "1 files .nef are skipped (raw files of cameras" in seen.advice[1]
    assert len(seen.advice) == 2


@pytest.mark.parametrize(("good", "bad", "outside"), [(97, 2, 1), (6, 1, 0), (2, 1, 3), (9, 0, 0), (0, 1, 0)])
def test_the_share_that_is_said_is_the_one_that_passes(
    good: int, bad: int, outside: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[tuple[str, str, Part, Raw]] = [(f"{k}", "", "", noise(k, 4, 4, 3)) for k in range(good)]
    rows += [(f"bad{k}", "", "", b"gone") for k in range(bad)]
    shelf = Shelf(*rows, faults=[Fault(f"out{k}", "it is a link") for k in range(outside)])
    seen = inspect(shelf)
    assert seen.fault_share == pytest.approx((bad + outside) / (good + bad + outside))
    monkeypatch.setattr("gantlet.data.prepare.open_reader", lambda kind, path: shelf)
    recipe = PrepareRecipe("shelf", "x", Decoding(), Resize(4, 4))
    if not good:
        assert seen.max_corrupt == 1
        return
    assert len(prepare_images(recipe, tmp_path / "a", max_corrupt=seen.max_corrupt)) == good
    if seen.faults:
        with pytest.raises(BadData, match="more than max_corrupt="):
            prepare_images(recipe, tmp_path / "b", max_corrupt=seen.max_corrupt - 0.0001)


def test_the_share_of_a_sample_is_an_estimate_for_the_whole() -> None:
    rows: list[tuple[str, str, Part, Raw]] = [(f"{k}", "", "", b"gone" if k % 7 == 0 else GREY) for k in range(1000)]
    seen = inspect(Shelf(*rows, faults=[Fault("link", "it is a link")] * 1000), most=100)
    assert (seen.looked, seen.unreadable, seen.pictures) == (100, 15, 985)
    assert seen.fault_share == pytest.approx((1000 + 150) / 2000), "all links, and 15 of 100 images"
