"""Streams: the images that were asked for, whoever reads them and whenever; nothing else stays in memory."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantlet.data import whole_shards
from gantlet.data.base import Dataset, Pool
from gantlet.data.prepared import FORMAT, PAGE, PreparedSet, ShardRecord
from gantlet.data.readers.base import Part
from gantlet.data.shards import shard_digest, write_shard
from gantlet.data.stream import Stream
from gantlet.errors import BadData
from gantlet.training.batch_loader import BatchLoader
from gantlet.training.randomness import KeyedRandom

SHAPE = (3, 4, 5)


def prepared(folder: Path, counts: Sequence[tuple[Part, int]]) -> tuple[PreparedSet, NDArray[np.uint8]]:
    """A set written by hand, shard by shard, and all of its images in order."""
    x = np.random.default_rng(1).integers(0, 256, (sum(n for _, n in counts), *SHAPE), dtype=np.uint8)
    shards, start = [], 0
    for place, (part, count) in enumerate(counts):
        _, sha256 = write_shard(folder / f"{place}.npy", SHAPE, x[start : start + count])
        shards.append(ShardRecord(f"{place}.npy", part, count, sha256))
        start += count
    np.save(folder / "labels.npy", np.full(len(x), -1, np.int32))
    said = {"recipe": {"reader": "folder", "path": "x"}, "source": {}, "bad": 0, "classes": []}
    page = {"format": FORMAT, "shape": SHAPE, **said, "shards": [asdict(shard) for shard in shards]}
    (folder / PAGE).write_text(json.dumps(page), encoding="utf-8")
    return PreparedSet.open(folder), x


@pytest.fixture
def whole(tmp_path: Path) -> tuple[PreparedSet, NDArray[np.uint8]]:
    return prepared(tmp_path, [("train", 7), ("train", 0), ("train", 5), ("test", 3), ("", 2)])


def test_pictures_are_numbered_through_all_shards(whole: tuple[PreparedSet, NDArray[np.uint8]]) -> None:
    found, x = whole
    assert len(found) == 17
    assert found.bytes == 17 * 60
    np.testing.assert_array_equal(found.numbers("train"), np.arange(12))
    np.testing.assert_array_equal(found.numbers("test"), [12, 13, 14])
    np.testing.assert_array_equal(found.numbers(""), [15, 16])
    order = np.random.default_rng(2).permutation(17)
    np.testing.assert_array_equal(found.read(order), x[order])
    np.testing.assert_array_equal(found.read(np.array([6, 6, 7])), x[[6, 6, 7]])
    assert found.read(np.zeros(0, np.int64)).shape == (0, *SHAPE)
    assert found.verify() == []


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        pytest.param(lambda folder: (folder / "2.npy").unlink(), "2.npy is missing", id="missing"),
        pytest.param(lambda folder: (folder / "2.npy").write_bytes(b"x" * 99), "2.npy was cut or changed", id="cut"),
        pytest.param(lambda folder: (folder / PAGE).write_text("{"), "holds no prepared set", id="page"),
        pytest.param(lambda folder: (folder / PAGE).unlink(), "gantlet data prepare SOURCE --out", id="no page"),
        pytest.param(
            lambda folder: (folder / PAGE).write_text(
                (folder / PAGE).read_text().replace('"format": 2', '"format": 9')
            ),
            "prepared by another version of gantlet .format 9, expected 2..*gantlet data prepare SOURCE",
            id="format",
        ),
    ],
)
def test_a_set_that_is_not_whole_is_refused(
    harm: object, words: str, whole: tuple[PreparedSet, NDArray[np.uint8]]
) -> None:
    folder = whole[0].folder
    harm(folder)  # type: ignore[operator]
    with pytest.raises(BadData, match=words):
        PreparedSet.open(folder)


def test_a_shard_that_may_not_be_opened_is_one_sentence(
    whole: tuple[PreparedSet, NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.open

    def refuse(path: Path, *given: Any, **more: Any) -> IO[Any]:
        if path.name == "2.npy":
            raise PermissionError(13, "Permission denied")
        return real(path, *given, **more)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BadData, match=r"^The shard .*2\.npy cannot be read: Permission denied\.$"):
        PreparedSet.open(whole[0].folder)


def test_verify_finds_one_flipped_bit(whole: tuple[PreparedSet, NDArray[np.uint8]]) -> None:
    path = whole[0].folder / "2.npy"
    content = bytearray(path.read_bytes())
    content[150] ^= 1
    path.write_bytes(content)
    assert PreparedSet.open(whole[0].folder).verify() == ["2.npy"]


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_an_altered_shard_is_named_when_it_is_read_and_goes_on_once_it_is_mended(
    whole: tuple[PreparedSet, NDArray[np.uint8]],
) -> None:
    found, x = whole
    np.testing.assert_array_equal(found.read(np.arange(17)), x)  # in the middle of a training, so to speak
    flip(found.folder / "2.npy", 150)
    for opened in (found, PreparedSet.open(found.folder)):
        with pytest.raises(BadData, match=r"^The shard \S*2\.npy is not what was written.*prepare the images again\.$"):
            opened.read(np.array([0, 8]))
        np.testing.assert_array_equal(opened.read(np.arange(7)), x[:7])  # another shard
    flip(found.folder / "2.npy", 150)
    np.testing.assert_array_equal(found.read(np.arange(17)), x)
    (found.folder / "2.npy").unlink()
    with pytest.raises(BadData, match=r"^The shard \S*2\.npy cannot be read: .*Put it back, or prepare"):
        found.read(np.array([8]))


def test_shards_that_changed_places_are_noticed(tmp_path: Path) -> None:
    found, _ = prepared(tmp_path, [("train", 6), ("test", 6)])
    (tmp_path / "0.npy").rename(tmp_path / "x")
    (tmp_path / "1.npy").rename(tmp_path / "0.npy")
    (tmp_path / "x").rename(tmp_path / "1.npy")
    with pytest.raises(BadData, match=r"0\.npy is not what was written"):
        found.read(np.array([0]))


def test_a_shard_is_hashed_once_on_a_machine_and_again_when_it_changed(
    whole: tuple[PreparedSet, NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, hashed = whole[0], list[str]()

    def count(path: Path, shape: tuple[int, int, int]) -> str:
        hashed.append(path.name)
        return shard_digest(path, shape)

    monkeypatch.setattr(whole_shards, "shard_digest", count)
    monkeypatch.setattr(whole_shards, "_TICK", 0.0)  # the shards of this test are young
    for _ in range(3):
        found.read(np.arange(17))
        monkeypatch.setattr(whole_shards, "_whole", {})  # as another process has it
    assert sorted(hashed) == ["0.npy", "2.npy", "3.npy", "4.npy"]  # 1.npy is empty
    (found.folder / "3.npy").write_bytes((found.folder / "3.npy").read_bytes())
    found.read(np.arange(17))
    found.read(np.arange(17))
    assert hashed[4:] == ["3.npy"]
    assert found.verify() == []
    assert len(hashed) == 4 + 1 + 5


def test_a_young_shard_is_hashed_again_since_another_change_may_have_the_same_time(
    whole: tuple[PreparedSet, NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, (first, *_) = whole[0], whole[1]
    found.read(np.array([0]))
    monkeypatch.setattr(whole_shards, "_mark", lambda path, digest: [digest])
    np.testing.assert_array_equal(found.read(np.array([0]))[0], first)
    flip(found.folder / "0.npy", 150)
    with pytest.raises(BadData, match=r"0\.npy is not what was written"):
        found.read(np.array([0]))


def test_labels_that_do_not_belong_are_refused(whole: tuple[PreparedSet, NDArray[np.uint8]]) -> None:
    np.save(whole[0].folder / "labels.npy", np.zeros(4, np.int32))
    with pytest.raises(BadData, match="4 labels for 17 images"):
        _ = whole[0].labels


def test_a_stream_gives_its_own_part_in_any_shape(whole: tuple[PreparedSet, NDArray[np.uint8]]) -> None:
    found, x = whole
    stream = Stream(found, np.array([12, 3, 9, 0]))
    assert isinstance(stream, Pool)
    assert (len(stream), stream.shape) == (4, SHAPE)
    index = torch.tensor([[3, 1], [0, 0]])
    expected = torch.from_numpy(x[[[0, 3], [12, 12]]])
    assert stream.take(index).equal(expected)
    stream.prefetch(index)
    assert stream.take(index).equal(expected)
    assert stream.waited > 0


def test_what_is_fetched_ahead_is_read_by_another_thread_and_only_once(
    whole: tuple[PreparedSet, NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, x = whole
    readers: list[str] = []
    read = PreparedSet.read

    def spy(self: PreparedSet, numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        readers.append(threading.current_thread().name)
        return read(self, numbers)

    monkeypatch.setattr(PreparedSet, "read", spy)
    stream = Stream(found, found.numbers("train"))
    for index in torch.arange(12).split(3):
        stream.prefetch(index)
        stream.prefetch(index)
    for index in torch.arange(12).split(3):
        assert stream.take(index).equal(torch.from_numpy(x[index]))
    assert len(readers) == 4
    assert all(name.startswith("stream") for name in readers)
    assert not stream._pending  # pyright: ignore[reportPrivateUsage]


def test_what_nobody_takes_is_forgotten(whole: tuple[PreparedSet, NDArray[np.uint8]]) -> None:
    stream = Stream(whole[0], whole[0].numbers("train"))
    for place in range(100):
        stream.prefetch(torch.tensor([place % 12, place // 12]))
    assert len(stream._pending) <= 16  # pyright: ignore[reportPrivateUsage]


def batches(dataset: Dataset, updates: Sequence[int]) -> list[Tensor]:
    loader = BatchLoader(
        dataset, KeyedRandom((5, 6), device=torch.device("cpu"), dtype=torch.float32), batch=4, kind="fixed"
    )
    return [loader.real(update) for update in updates]


def test_streamed_and_resident_pools_give_the_same_batches_from_any_step(
    whole: tuple[PreparedSet, NDArray[np.uint8]],
) -> None:
    found, x = whole
    numbers = found.numbers("train")
    test = torch.zeros(2, *SHAPE)
    resident = Dataset(torch.from_numpy(x[:12]), test, flips=True)
    once = batches(resident, range(9))
    for begin in (0, 4, 7):  # as a run that resumes in the middle of an epoch would
        streamed = Dataset(torch.from_numpy(x[:2]), test, streamed=Stream(found, numbers), flips=True)
        for update, batch in zip(range(begin, 9), batches(streamed, range(begin, 9)), strict=True):
            assert batch.equal(once[update])


def test_a_set_of_the_earlier_format_is_refused_in_one_sentence(tmp_path: Path) -> None:
    """Tar files with an image every so many bytes."""
    shard = {"file": "all-00000.tar", "part": "", "count": 2, "sha256": "00"}
    page = {"format": 1, "shape": [3, 4, 5], "classes": ["a"], "shards": [shard]}
    (tmp_path / PAGE).write_text(json.dumps(page), encoding="utf-8")
    (tmp_path / "all-00000.tar").write_bytes(bytes(2 * 2048 + 1024))
    with pytest.raises(BadData, match=r"format 1, expected 2\)\. Delete it, and prepare the images again"):
        PreparedSet.open(tmp_path)
