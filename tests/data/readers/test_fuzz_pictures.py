"""Whatever happens to an image, a folder or an archive: pixels, a bad image, a fault or bad data, and nothing else.

The quick test takes 150 cases, the slow one 2,600 others; ``pytest -s -m slow`` prints how they ended.
"""

from __future__ import annotations

import bz2
import faulthandler
import gzip
import io
import lzma
import os
import tarfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from gantlet.data.decode import Decoding
from gantlet.data.readers.archive import TarReader, ZipReader
from gantlet.data.readers.base import Raw, Reader
from gantlet.data.readers.folder import FolderReader
from gantlet.data.resize import Resize
from gantlet.errors import BadData, BadImage

DECODING = Decoding(most_pixels=2_000_000)
FRAMING = Resize(16, 16)
SLOWEST = 5.0  # seconds of this process; a case takes a millisecond


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def pictures() -> dict[str, bytes]:
    """One small image for each way in which a format stores them."""
    colour = Image.new("RGB", (37, 29), (200, 30, 60))
    ImageDraw.Draw(colour).ellipse((5, 4, 30, 22), fill=(10, 220, 90))
    clear = colour.copy()
    clear.putalpha(colour.getchannel("G"))
    deep = Image.fromarray(np.asarray(colour.convert("L")).astype(np.uint16) * 200)
    frames: dict[str, Any] = {"save_all": True, "append_images": [colour.rotate(90), colour.rotate(180)]}
    turned = Image.Exif()
    turned[0x0112] = 6
    made = {
        "rgb.png": encoded(colour, "PNG", exif=turned),
        "clear.png": encoded(clear, "PNG"),
        "palette.png": encoded(colour.quantize(7), "PNG", transparency=2),
        "deep.png": encoded(deep, "PNG"),
        "bits.png": encoded(colour.convert("1"), "PNG"),
        "moving.png": encoded(colour, "PNG", **frames),
        "plain.jpg": encoded(colour, "JPEG", exif=turned),
        "progressive.jpg": encoded(colour, "JPEG", progressive=True, optimize=True),
        "grey.jpg": encoded(colour.convert("L"), "JPEG"),
        "print.jpg": encoded(colour.convert("CMYK"), "JPEG"),
        "lossy.webp": encoded(colour, "WEBP", exif=turned),
        "lossless.webp": encoded(clear, "WEBP", lossless=True),
        "moving.webp": encoded(colour, "WEBP", **frames),
        "still.gif": encoded(colour, "GIF"),
        "moving.gif": encoded(colour, "GIF", **frames),
        "rgb.bmp": encoded(colour, "BMP"),
        "palette.bmp": encoded(colour.quantize(16), "BMP"),
        "bits.bmp": encoded(colour.convert("1"), "BMP"),
        "colour.ppm": encoded(colour, "PPM"),
        "deep.pgm": encoded(deep, "PPM"),
        "bits.pbm": encoded(colour.convert("1"), "PPM"),
        "clear.avif": encoded(clear, "AVIF", exif=turned),
        "deep.tif": encoded(deep, "TIFF"),
        "print.tif": encoded(colour.convert("CMYK"), "TIFF"),
    }
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        made[f"{compression}.tif"] = encoded(colour, "TIFF", compression=compression, tiffinfo={0x0112: 6})
    return made | {"fax.tif": encoded(colour.convert("1"), "TIFF", compression="group4")}


def zipped(files: dict[str, bytes], method: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(files: dict[str, bytes], kind: int = tarfile.USTAR_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=kind) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"train/{'n' * 101 if kind != tarfile.USTAR_FORMAT else 'cat'}/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def archives(files: dict[str, bytes]) -> dict[str, bytes]:
    plain = tarred(files)
    return {
        "stored.zip": zipped(files, zipfile.ZIP_STORED),
        "deflated.zip": zipped(files, zipfile.ZIP_DEFLATED),
        "bzip2.zip": zipped(files, zipfile.ZIP_BZIP2),
        "plain.tar": plain,
        "gnu.tar": tarred(files, tarfile.GNU_FORMAT),
        "pax.tar": tarred(files, tarfile.PAX_FORMAT),
        "packed.tgz": gzip.compress(plain, mtime=0),
        "packed.tbz": bz2.compress(plain),
        "packed.txz": lzma.compress(plain),
    }


PICTURES = pictures()
ARCHIVES = archives({name: PICTURES[name] for name in ("plain.jpg", "clear.png", "still.gif")})


def damaged(original: bytes, rng: np.random.Generator) -> bytes:
    """The file with an end or a middle lost, bits flipped (half of them near the start or the end), or bytes replaced."""
    content = bytearray(original)

    def place() -> int:
        near = min(len(content), 64)
        return int(rng.choice([rng.integers(len(content)), rng.integers(near), len(content) - 1 - rng.integers(near)]))

    how = rng.integers(5)
    if how == 0:
        del content[place() :]
    elif how == 1:
        start = place()
        del content[start : start + int(rng.integers(1, 99))]
    elif how == 2:
        start = place()
        content[start : start + 8] = rng.bytes(8)
    if how > 2 or not content:
        for _ in range(int(rng.integers(1, 9)) if content else 0):
            content[place()] ^= 1 << int(rng.integers(8))
    return bytes(content)


def one_line(error: BadData, name: str) -> str:
    assert "\n" not in str(error)
    return name


def ended(raw: Raw) -> str:
    try:
        pixels = FRAMING(DECODING(raw))
    except BadImage as error:
        return one_line(error, "bad picture")
    assert pixels.shape == (3, 16, 16)
    assert pixels.dtype == np.uint8
    return "pixels"


def read_all(make: Callable[[str], Reader], path: Path) -> Iterator[str]:
    """How opening a source and reading all of it ended."""
    try:
        reader = make(str(path))
    except BadData as error:
        yield one_line(error, "bad data")
        return
    yield from ["fault"] * len(reader.faults)
    assert all(entry.name.isprintable() for entry in reader.entries)
    for place in range(len(reader.entries)):
        try:
            raw = reader.read(place)
        except BadImage:
            yield "unreadable picture"
        else:
            yield ended(raw)
    reader.close()


def fill(folder: Path, rng: np.random.Generator) -> None:
    """Damaged images under damaged names, and links to somewhere."""
    folder.mkdir(parents=True)
    for name in rng.choice(list(PICTURES), 4, replace=False):
        stem = bytes(byte for byte in damaged(name.encode(), rng) if byte not in b"\0/")[:200]
        target = os.path.join(os.fsencode(folder), stem or b"x")
        if not os.path.lexists(target) and stem not in (b".", b".."):
            with open(target, "wb") as file:
                file.write(damaged(PICTURES[name], rng) if rng.integers(2) else PICTURES[name])
    (folder / "link.png").symlink_to(str(rng.choice(["link.png", ".", "..", "nowhere", "/dev/null"])))


def outcomes(cases: int, seed: int, scratch: Path) -> Counter[str]:
    """How so many damaged sources ended: half of them images, the others archives and folders."""
    counts: Counter[str] = Counter()
    faulthandler.dump_traceback_later(120, exit=True)  # against a hang inside a decoder
    try:
        for case in range(cases):
            rng = np.random.default_rng((seed, case))
            start = time.process_time()
            if case % 2 == 0:
                name = str(rng.choice(list(PICTURES)))
                counts[f"picture: {ended(damaged(PICTURES[name], rng))}"] += 1
            elif case % 10 == 1:
                path = scratch / str(case) / "folder"  # a link to .. finds this folder and no other
                fill(path, rng)
                counts.update(f"folder: {outcome}" for outcome in read_all(FolderReader, path))
            else:
                name = str(rng.choice(list(ARCHIVES)))
                path = scratch / name
                path.write_bytes(damaged(ARCHIVES[name], rng))
                kind, make = ("zip", ZipReader) if name.endswith(".zip") else ("tar", TarReader)
                counts.update(f"{kind}: {outcome}" for outcome in read_all(make, path))
            assert time.process_time() - start < SLOWEST, (case, name)
            faulthandler.dump_traceback_later(120, exit=True)
    finally:
        faulthandler.cancel_dump_traceback_later()
    return counts


def python_is_silent(capfd: pytest.CaptureFixture[str]) -> bool:
    """No warning, log or traceback; libtiff itself writes a line on damaged TIFFs, which Pillow does not keep from it."""
    out, err = capfd.readouterr()
    return not out and not any(word in err for word in ("Warning", "Traceback", "Error:", "Exception", "PIL", ".py"))


EXPECTED = {
    *("picture: pixels", "picture: bad picture", "folder: pixels", "folder: bad picture", "folder: fault"),
    *("zip: pixels", "zip: unreadable picture", "zip: bad data", "tar: pixels", "tar: bad picture", "tar: bad data"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_the_undamaged_picture_is_read(name: str) -> None:
    assert ended(PICTURES[name]) == "pixels"


@pytest.mark.parametrize("name", ARCHIVES)
def test_the_undamaged_archive_is_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(ARCHIVES[name])
    assert list(read_all(ZipReader if name.endswith(".zip") else TarReader, tmp_path / name)) == ["pixels"] * 3


def test_150_damaged_sources(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    counts = outcomes(150, 1, tmp_path)
    assert set(counts) >= EXPECTED
    assert python_is_silent(capfd)


@pytest.mark.slow
def test_2600_damaged_sources(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    counts = outcomes(2600, 2, tmp_path)
    assert set(counts) >= EXPECTED
    assert python_is_silent(capfd)
    with capfd.disabled():
        print("", *(f"{outcome}: {count}" for outcome, count in sorted(counts.items())), sep="\n")
