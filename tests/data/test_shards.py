"""Shards: ordinary arrays of NumPy's with every image at its place, read at random and never indexed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gantlet.data.shards import images_in, read_images, shard_digest, write_shard
from gantlet.errors import BadData

SHAPE = (3, 5, 4)


def images(count: int, shape: tuple[int, int, int] = SHAPE) -> NDArray[np.uint8]:
    return np.random.default_rng(count).integers(0, 256, (count, *shape), dtype=np.uint8)


@pytest.mark.parametrize("count", [0, 1, 9, 1001])
def test_a_shard_is_what_numpy_saves(count: int, tmp_path: Path) -> None:
    x = images(count)
    assert write_shard(tmp_path / "a.npy", SHAPE, iter(x))[0] == count
    np.save(tmp_path / "theirs.npy", x)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), x)


@settings(max_examples=30, deadline=None)
@given(count=st.integers(0, 6), shape=st.tuples(st.sampled_from([1, 3]), st.integers(1, 40), st.integers(1, 40)))
def test_the_size_and_the_header_tell_the_count(
    count: int, shape: tuple[int, int, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("shard") / "a.npy"
    write_shard(path, shape, images(count, shape))
    assert images_in(path, shape) == count
    whole = path.read_bytes()
    for changed in (
        whole[:-1],
        whole + b"x",
        whole + bytes(shape[0] * shape[1] * shape[2]),
        whole[:50],
        b"",
        b"x" + whole[1:],
    ):
        path.write_bytes(changed)
        assert images_in(path, shape) == -1
    assert images_in(path.with_name("b.npy"), shape) == -1


def test_images_are_read_at_random_into_their_rows(tmp_path: Path) -> None:
    x = images(20)
    write_shard(tmp_path / "a.npy", SHAPE, x)
    places, rows = np.array([19, 0, 7, 7]), np.array([3, 1, 0, 2])
    out = np.zeros((4, *SHAPE), np.uint8)
    read_images(tmp_path / "a.npy", SHAPE, places, out, rows)
    np.testing.assert_array_equal(out[rows], x[places])


def test_a_shard_that_was_cut_or_is_gone_says_so(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.npy", SHAPE, images(5))
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(whole[: len(whole) - 2 * 60 + 30])
    out = np.zeros((1, *SHAPE), np.uint8)
    read_images(tmp_path / "a.npy", SHAPE, np.array([2]), out, np.array([0]))
    with pytest.raises(BadData, match=r"ends within its image 3. Prepare the images again"):
        read_images(tmp_path / "a.npy", SHAPE, np.array([3]), out, np.array([0]))
    with pytest.raises(BadData, match=r"b.npy cannot be read: No such file"):
        read_images(tmp_path / "b.npy", SHAPE, np.array([0]), out, np.array([0]))


@pytest.mark.parametrize("wrong", [np.zeros((3, 4, 5), np.uint8), np.zeros((3, 5, 4), np.int16)])
def test_pixels_of_another_shape_or_type_are_not_of_the_shard(wrong: NDArray[np.uint8], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="was given"):
        write_shard(tmp_path / "a.npy", SHAPE, [wrong])


def test_the_hash_is_of_the_pixels(tmp_path: Path) -> None:
    x = images(3)
    hashes = {write_shard(tmp_path / name, SHAPE, x)[1] for name in ("a.npy", "b.npy")}
    assert hashes == {shard_digest(tmp_path / "a.npy", SHAPE)}
    with (tmp_path / "a.npy").open("r+b") as file:
        file.seek(-1, 2)
        file.write(bytes([int(x[-1, -1, -1, -1]) ^ 1]))
    assert shard_digest(tmp_path / "a.npy", SHAPE) not in hashes
