"""Shards: ordinary tars with every picture at its place, read at random and never indexed."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import webdataset  # pyright: ignore[reportMissingTypeStubs]
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gantlet.data.shards import Layout, ShardWriter, read_pictures
from gantlet.errors import BadData


def pictures(count: int, shape: tuple[int, int, int] = (3, 5, 4)) -> NDArray[np.uint8]:
    return np.random.default_rng(count).integers(0, 256, (count, *shape), dtype=np.uint8)


def write(path: Path, x: NDArray[np.uint8], *, labelled: bool = True, first: int = 0) -> Layout:
    layout = Layout(x.shape[1:], labelled)  # type: ignore[arg-type]
    with ShardWriter(path, layout, first_key=first) as writer:
        for place, one in enumerate(x):
            writer.add(one, place % 7)
        writer.close()
    return layout


@pytest.mark.parametrize("labelled", [False, True])
def test_a_shard_is_a_tar_that_python_reads(labelled: bool, tmp_path: Path) -> None:
    x = pictures(9)
    write(tmp_path / "a.tar", x, labelled=labelled, first=40)
    with tarfile.open(tmp_path / "a.tar") as archive:  # its checksums are verified on the way
        members = {name: archive.extractfile(name).read() for name in archive.getnames()}  # type: ignore[union-attr]
    assert sorted(members)[0] == ("000000040.cls" if labelled else "000000040.npy")
    assert len(members) == (18 if labelled else 9)
    for place, one in enumerate(x):
        np.testing.assert_array_equal(np.load(io.BytesIO(members[f"{40 + place:09d}.npy"])), one)
        if labelled:
            assert int(members[f"{40 + place:09d}.cls"]) == place % 7


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # its own
def test_webdataset_reads_a_shard(tmp_path: Path) -> None:
    x = pictures(6)
    write(tmp_path / "a.tar", x)
    found = list(webdataset.WebDataset(str(tmp_path / "a.tar"), shardshuffle=False).decode().to_tuple("npy", "cls"))
    assert [label for _, label in found] == [0, 1, 2, 3, 4, 5]
    np.testing.assert_array_equal(np.stack([one for one, _ in found]), x)


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(0, 6),
    shape=st.tuples(st.sampled_from([1, 3]), st.integers(1, 40), st.integers(1, 40)),
    labelled=st.booleans(),
)
def test_the_layout_foretells_the_size(
    count: int, shape: tuple[int, int, int], labelled: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("shard") / "a.tar"
    layout = write(path, pictures(count, shape), labelled=labelled)
    size = path.stat().st_size
    assert layout.count(size) == count
    assert layout.count(size - 1) == layout.count(size + 512) == -1


def test_pictures_are_read_at_random_into_their_rows(tmp_path: Path) -> None:
    x = pictures(20)
    layout = write(tmp_path / "a.tar", x)
    places, rows = np.array([19, 0, 7, 7]), np.array([3, 1, 0, 2])
    out = np.zeros((4, *layout.shape), np.uint8)
    read_pictures(tmp_path / "a.tar", layout, places, out, rows)
    np.testing.assert_array_equal(out[rows], x[places])


def test_a_shard_that_was_cut_or_is_gone_says_so(tmp_path: Path) -> None:
    layout = write(tmp_path / "a.tar", pictures(4))
    content = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(content[: layout.first + 3 * layout.stride + 10])
    out = np.zeros((1, *layout.shape), np.uint8)
    read_pictures(tmp_path / "a.tar", layout, np.array([2]), out, np.array([0]))
    with pytest.raises(BadData, match=r"ends within its picture 3. Prepare the pictures again"):
        read_pictures(tmp_path / "a.tar", layout, np.array([3]), out, np.array([0]))
    with pytest.raises(BadData, match=r"b.tar cannot be read: No such file"):
        read_pictures(tmp_path / "b.tar", layout, np.array([0]), out, np.array([0]))


def test_pixels_of_another_shape_or_type_are_no_picture_of_the_shard(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "a.tar", Layout((3, 5, 4), labelled=False)) as writer:
        for wrong in (np.zeros((3, 4, 5), np.uint8), np.zeros((3, 5, 4), np.int16)):
            with pytest.raises(ValueError, match="was given"):
                writer.add(wrong)  # type: ignore[arg-type]
        assert writer.count == 0


def test_equal_content_gives_equal_bytes_and_their_hash(tmp_path: Path) -> None:
    hashes = set()
    for name in ("a.tar", "b.tar"):
        with ShardWriter(tmp_path / name, Layout((3, 5, 4), labelled=True)) as writer:
            for one in pictures(3):
                writer.add(one, 2)
            writer.close()
        hashes.add(writer.sha256)
    assert len(hashes) == 1
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
