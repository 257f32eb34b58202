"""Arrays come back as they were saved; each way in which a file can be wrong has a sentence of its own."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gantlet.data.array_files import read_array
from gantlet.errors import BadData


def npy_bytes(values: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, **options)
    return stream.getvalue()


def npz_bytes(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def refusal(path: Path, content: bytes) -> str:
    """The sentence with which a file of this content is refused."""
    path.write_bytes(content)
    with pytest.raises(BadData) as caught:
        read_array(path)
    assert path.name in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["u1", "i2", "<i4", ">i8", "<f2", ">f4", "f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_type_and_order_is_read(kind: str, order: Any, tmp_path: Path) -> None:
    values = np.asarray(np.arange(24).reshape(2, 3, 4), dtype=kind, order=order)
    np.save(tmp_path / "x.npy", values)
    found = read_array(tmp_path / "x.npy")
    assert found.dtype.isnative
    assert found.dtype.itemsize == np.dtype(kind).itemsize
    np.testing.assert_array_equal(found, values)
    found[0] = 0  # the array is the caller's own


def test_the_second_version_of_the_format_is_read(tmp_path: Path) -> None:
    with (tmp_path / "x.npy").open("wb") as stream:
        np.lib.format.write_array(stream, np.arange(5.0), version=(2, 0))
    assert read_array(str(tmp_path / "x.npy")).tolist() == [0, 1, 2, 3, 4]


def test_a_header_from_python_2_is_read_without_a_warning(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(GOOD.replace(b"(2, 3), }  ", b"(2L, 3L), }"))
    assert read_array(tmp_path / "x.npy").tolist() == [[0, 1, 2], [3, 4, 5]]


GOOD = npy_bytes(np.arange(6, dtype="<f4").reshape(2, 3))  # 128 bytes of header, 24 of values
PRICKLY: list[Any] = [{"a": 1}, None]
WRONG_NPY = {
    "empty": (b"", r"is empty \(0 bytes\)"),
    "other": (b"PK\x03\x04 and so on", "is not a .npy array; write it with numpy.save"),
    "a pickle": (pickle.dumps([1, 2]), "is not a .npy array .it looks like a pickle, which is never loaded"),
    "objects": (npy_bytes(np.array(PRICKLY, dtype=object)), "holds pickled Python objects, which are never"),
    "in the magic": (GOOD[:4], "is truncated within its header"),
    "in the header": (GOOD[:100], "is truncated within its header"),
    "header": (GOOD[:20] + b"((((" + GOOD[24:], "is corrupt in its header"),
    "type": (GOOD.replace(b"<f4", b"<q9"), "is corrupt in its header"),
    "version": (GOOD[:6] + b"\x09\x00" + GOOD[8:], "has the .npy version 9.0; expected 1.0 or 2.0"),
    "truncated": (GOOD[:-3], r"is truncated: \[2, 3\] of float32 is 24 bytes, 21 came"),
    "too long": (GOOD + b"\0", r"is too long: \[2, 3\] of float32 is 24 bytes, 25 came"),
    "negative": (GOOD.replace(b"(2, 3)", b"(-2,3)"), r"has the shape \[-2, 3\]"),
    "scalar": (npy_bytes(np.float32(3)), r"has the shape \[\]; expected 1 to 16 sizes"),
    "no values": (npy_bytes(np.zeros((0, 3))), r"holds no values: its shape is \[0, 3\]"),
    "text": (npy_bytes(np.array(["a", "b"])), "holds values of the type <U1; expected integers or"),
    "complex": (npy_bytes(np.array([1j])), "holds values of the type complex128"),
    "truth values": (npy_bytes(np.array([True])), "holds values of the type bool"),
    "records": (npy_bytes(np.zeros(2, dtype=[("a", "f4")])), "expected integers or floating point"),
}


@pytest.mark.parametrize("case", WRONG_NPY)
def test_each_wrong_npy_file_has_its_own_sentence(case: str, tmp_path: Path) -> None:
    content, words = WRONG_NPY[case]
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    with pytest.raises(BadData, match=words):
        read_array(path)


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    refusal(tmp_path / "x.npy", npy_bytes(np.array([Trap()], dtype=object)))
    refusal(tmp_path / "y.npy", pickle.dumps(Trap()))
    refusal(tmp_path / "z.npz", npz_bytes(x=np.array([Trap()], dtype=object)))
    assert not (tmp_path / "sprung").exists()


def test_an_absurd_size_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    content = GOOD.replace(b"(2, 3), }          ", b"(99999999999,), }  ")
    assert "is truncated: [99999999999] of float32" in refusal(tmp_path / "x.npy", content)
    content = GOOD.replace(b"(2, 3), }" + b" " * 40, b"(" + b"9" * 45 + b",)}")
    assert "expected 1 to 16 sizes" in refusal(tmp_path / "x.npy", content)


@pytest.mark.parametrize(
    ("value", "count", "words"),
    [(np.nan, 1, "the first is nan at [1, 0]"), (-np.inf, 2, "the first is -inf at [1, 0]")],
)
def test_values_that_are_not_finite_are_counted_and_located(
    value: float, count: int, words: str, tmp_path: Path
) -> None:
    values = np.zeros((3, 2))
    values.flat[2 : 2 + count] = value
    said = refusal(tmp_path / "x.npy", npy_bytes(values))
    assert f"holds {count} values that are not finite" in said
    assert words in said


def test_an_npz_file_holds_one_array_or_one_of_the_usual_name(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    for arrays in ({"anything": np.arange(3)}, {"images": np.arange(3), "labels": np.zeros(2)}):
        path.write_bytes(npz_bytes(**arrays))
        assert read_array(path).tolist() == [0, 1, 2]
    assert "it holds: a, b" in refusal(path, npz_bytes(a=np.zeros(2), b=np.zeros(2)))
    assert "it holds: x, data" in refusal(path, npz_bytes(x=np.zeros(2), data=np.zeros(2)))


def test_each_wrong_npz_file_has_its_own_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    good = npz_bytes(x=np.arange(1000.0))
    assert "is truncated, corrupt, or no .npz file" in refusal(path, good[:-30])
    assert "is truncated, corrupt, or no .npz file" in refusal(path, GOOD)
    damaged = bytearray(good)
    damaged[len(good) // 2] ^= 0xFF
    assert "corrupt" in refusal(path, bytes(damaged))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    assert "it holds: none" in refusal(path, stream.getvalue())
    with zipfile.ZipFile(stream := io.BytesIO(), "w") as archive:
        archive.writestr("x.npy", b"")
    assert "x.npz: the array 'x' is empty (0 bytes)" in refusal(path, stream.getvalue())
    with zipfile.ZipFile(stream := io.BytesIO(), "w") as archive:
        archive.writestr("x.npy", GOOD[:-3])
    assert "x.npz: the array 'x' is truncated: [2, 3] of float32" in refusal(path, stream.getvalue())


def test_missing_files_folders_and_other_endings_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"There is no file .*nothing.npy"):
        read_array(tmp_path / "nothing.npy")
    with pytest.raises(BadData, match="is a folder; give the path of a file in it"):
        read_array(tmp_path)
    with pytest.raises(BadData, match="There is no file"):
        read_array("a\0b.npy")
    with pytest.raises(BadData, match="There is no file"):
        read_array("x" * 5000 + ".npy")
    said = refusal(tmp_path / "x.png", b"\x89PNG")
    assert "has the ending '.png'; expected one of .npy, .npz" in said
