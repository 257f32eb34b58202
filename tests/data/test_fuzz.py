"""Whatever happens to a file on its way, reading it gives a valid array or BadData, never anything else."""

from __future__ import annotations

import gzip
import io
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gantlet.data.array_files import read_array
from gantlet.data.csv_files import read_csv
from gantlet.data.idx_files import read_idx
from gantlet.data.images import ImageSource
from gantlet.data.points import Points
from gantlet.errors import BadData
from thinning import covering

PIXELS = np.arange(60, dtype=np.uint8).reshape(5, 4, 3)
FUZZ = settings(max_examples=50, deadline=None, database=None, derandomize=True)


def numpy_file(save: Callable[..., None], *values: Any, **named: Any) -> bytes:
    stream = io.BytesIO()
    save(stream, *values, **named)
    return stream.getvalue()


IDX = bytes([0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 4, 0, 0, 0, 3]) + PIXELS.tobytes()
IDX_FLOAT = bytes([0, 0, 0x0D, 1, 0, 0, 0, 60]) + PIXELS.astype(">f4").tobytes()
NPY = numpy_file(np.save, PIXELS.astype("<f4"))
FILES = {
    "plain.idx": IDX,
    "floats.idx": IDX_FLOAT,
    "zipped.idx": gzip.compress(IDX, mtime=0),
    "floats.npy": NPY,
    "bytes.npy": numpy_file(np.save, PIXELS),
    "columns.npy": numpy_file(np.save, np.asfortranarray(PIXELS.astype(">f8"))),
    "stored.npz": numpy_file(np.savez, x=PIXELS),
    "deflated.npz": numpy_file(np.savez_compressed, x=PIXELS.astype("f8"), y=np.zeros(3)),
    "rows.csv": b"height,width\n1.5,2\n-3,4e2\n0,0\n",
}


@st.composite
def damaged(draw: st.DrawFn, original: bytes) -> bytes:
    """The file with a few flipped bits, a lost end, a lost middle, or something appended."""
    content = bytearray(original)
    reach = st.one_of(st.integers(0, len(original) - 1), st.integers(0, min(len(original), 24) - 1))
    for place, bit in draw(st.lists(st.tuples(reach, st.integers(0, 7)), max_size=4)):
        content[place] ^= 1 << bit
    if draw(st.booleans()):
        start, length = draw(reach), draw(st.integers(0, len(original)))
        del content[start : start + length]
    return bytes(content) + draw(st.one_of(st.just(b""), st.binary(max_size=9)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def read(path: Path) -> np.ndarray:
    if path.suffix == ".csv":
        return read_csv(path).values
    return read_idx(path) if path.suffix == ".idx" else read_array(path)


@pytest.mark.parametrize("name", FILES)
def test_the_undamaged_file_is_read(name: str, folder: Path) -> None:
    path = folder / name
    path.write_bytes(FILES[name])
    expected = [[1.5, 2], [-3, 400], [0, 0]] if name == "rows.csv" else PIXELS
    np.testing.assert_array_equal(read(path).reshape(np.shape(expected)), expected)


@pytest.mark.parametrize("name", covering(list(FILES), lambda name: name.rpartition(".")[2]))
@given(data=st.data())
@FUZZ
def test_a_damaged_file_is_an_array_or_bad_data(name: str, folder: Path, data: st.DataObject) -> None:
    path = folder / f"damaged-{name}"
    path.write_bytes(data.draw(damaged(FILES[name])))
    try:
        values = read(path)
    except BadData:
        return
    assert values.size
    assert values.dtype.isnative
    assert values.dtype.kind in "iuf"
    assert path.suffix == ".idx" or values.dtype.kind != "f" or np.isfinite(values).all()


@pytest.mark.parametrize("name", ["floats.idx", "floats.npy"])
def test_every_truncation_is_bad_data(name: str, folder: Path) -> None:
    path = folder / f"cut-{name}"
    for length in range(len(FILES[name])):
        path.write_bytes(FILES[name][:length])
        with pytest.raises(BadData, match="truncated" if length else "empty"):
            read(path)


@pytest.mark.parametrize(
    "source", [Points(), ImageSource(reader="array", size="native", colour="native")], ids=["points", "images"]
)
@given(data=st.data())
@FUZZ
def test_damaged_data_sets_are_finite_or_bad_data(source: Any, folder: Path, data: st.DataObject) -> None:
    values = np.linspace(-1, 1, 60).reshape((20, 3) if isinstance(source, Points) else (10, 1, 6)).astype("<f4")
    path = folder / "set.npy"
    path.write_bytes(data.draw(damaged(numpy_file(np.save, values))))
    try:
        loaded = replace(source, data_path=str(path)).load()
    except BadData:
        return
    assert bool(loaded.train.isfinite().all())
    assert bool(loaded.test.isfinite().all())


@given(text=st.one_of(st.text(max_size=60), st.text("0123456789.,-+e\n\r naif\"'#;\t", max_size=60)))
@FUZZ
def test_any_text_is_a_table_or_bad_data(text: str, folder: Path) -> None:
    path = folder / "any.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        values = read_csv(path).values
    except BadData:
        return
    assert values.ndim == 2
    assert np.isfinite(values).all()


@given(content=st.binary(max_size=120), name=st.sampled_from(["x.idx", "x.npy", "x.npz", "x.csv"]))
@FUZZ
def test_any_bytes_after_the_right_start_are_an_array_or_bad_data(content: bytes, name: str, folder: Path) -> None:
    start = {
        "x.idx": b"\0\0\x08\x03",
        "x.npy": b"\x93NUMPY\x01\x00\x40\x00",
        "x.npz": b"PK\x03\x04",
        "x.csv": b"x\n",
    }
    path = folder / name
    path.write_bytes(start[name] + content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            values = read(path)
        except BadData:
            return
    assert values.size
