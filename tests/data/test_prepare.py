"""Preparing: each image once, at its place, whatever the workers; interrupted is uninterrupted; the bad are counted."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gantlet.data import prepare
from gantlet.data.decode import Decoding
from gantlet.data.prepare import PrepareRecipe, prepare_images
from gantlet.data.prepared import PAGE, PreparedSet
from gantlet.data.resize import Resize
from gantlet.errors import BadData, FolderInUse, StoreError
from image_fixtures import FixtureReader, picture

SHELF = "image_fixtures:FixtureReader"


@pytest.fixture(autouse=True)
def reads() -> Iterator[list[int]]:
    """What all readers read, by place."""
    FixtureReader.reads.clear()
    yield FixtureReader.reads
    FixtureReader.reads.clear()


def recipe(path: str, **more: Any) -> PrepareRecipe:
    sizes = {"height": 6, "width": 8} | {k: more.pop(k) for k in ("height", "width") if k in more}
    return PrepareRecipe(SHELF, path, Decoding(), Resize(**sizes), **more)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def expected(places: range | list[int]) -> np.ndarray:
    return np.stack([picture(place).transpose(2, 0, 1) for place in places])


def test_every_picture_stands_at_its_place(tmp_path: Path) -> None:
    found = prepare_images(recipe("23,classes=4", per_shard=5), tmp_path / "out")
    assert [shard.count for shard in found.shards] == [5, 5, 5, 5, 3]
    np.testing.assert_array_equal(found.read(np.arange(23)), expected(range(23)))
    assert found.classes == ("class0", "class1", "class2", "class3")
    assert found.labels.tolist() == [place % 4 for place in range(23)]
    assert found.page["bad"] == 0
    assert found.verify() == []


def test_parts_of_the_source_are_kept_apart(tmp_path: Path) -> None:
    found = prepare_images(recipe("11,parts", per_shard=3), tmp_path / "out")
    for part, first in (("train", 0), ("test", 1), ("", 2)):
        np.testing.assert_array_equal(found.read(found.numbers(part)), expected(list(range(first, 11, 3))))  # type: ignore[arg-type]
    assert {shard.file.partition("-")[0] for shard in found.shards} == {"train", "test", "all"}
    assert found.classes == ()
    assert found.labels.tolist() == [-1] * 11


def test_pictures_are_framed(tmp_path: Path) -> None:
    found = prepare_images(recipe("4", height=6, width=6), tmp_path / "out")
    np.testing.assert_array_equal(found.read(np.arange(4)), expected(range(4))[..., 1:7])


@pytest.mark.parametrize("workers", [1, 3])
def test_the_files_do_not_depend_on_the_workers(workers: int, tmp_path: Path) -> None:
    prepare_images(recipe("40,classes=3,bad=7", per_shard=6), tmp_path / "a", workers=2, max_corrupt=0.1)
    prepare_images(recipe("40,classes=3,bad=7", per_shard=6), tmp_path / "b", workers=workers, max_corrupt=0.1)
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_the_bad_are_passed_over_listed_and_counted(tmp_path: Path) -> None:
    found = prepare_images(recipe("20,bad=3+8,faults=1,classes=2", per_shard=4), tmp_path / "out", max_corrupt=0.2)
    good = [place for place in range(20) if place not in (3, 8)]
    np.testing.assert_array_equal(found.read(np.arange(18)), expected(good))
    assert found.labels.tolist() == [place % 2 for place in good]
    assert [shard.count for shard in found.shards] == [3, 4, 3, 4, 4]
    assert found.page["bad"] == 3
    with (tmp_path / "out" / "bad.csv").open(encoding="utf-8") as file:
        assert list(csv.reader(file)) == [
            ["image", "reason"],
            ["loop0", "a link to itself"],
            ["3.png", "it was made to fail"],
            ["8.png", "it was made to fail"],
        ]


@pytest.mark.parametrize(
    ("path", "max_corrupt", "enough"),
    [
        pytest.param("1000,bad=77", 0.001, True, id="one in a thousand"),
        pytest.param("1000,bad=77+78", 0.001, False, id="two in a thousand"),
        pytest.param("99,bad=5,faults=1", 0.02, True, id="faults count as pictures"),
        pytest.param("10,bad=5", 0.0, False, id="none allowed"),
        pytest.param("3,bad=0+1+2", 1.0, False, id="nothing left"),
    ],
)
def test_too_many_bad_pictures_are_an_error_above_the_stated_share(
    path: str, max_corrupt: float, enough: bool, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    if enough:
        assert prepare_images(recipe(path), out, max_corrupt=max_corrupt).page["bad"] in (1, 2)
        return
    with pytest.raises(
        BadData, match=r"cannot be read.*max_corrupt=.*The first: .*\.png: it was made to fail.*bad\.csv"
    ):
        prepare_images(recipe(path), out, max_corrupt=max_corrupt)
    assert (out / "bad.csv").is_file()
    assert not (out / PAGE).exists()


def test_a_hopeless_source_is_given_up_early(tmp_path: Path, reads: list[int]) -> None:
    bad = "+".join(str(place) for place in range(40))
    with pytest.raises(BadData, match=r"after \d+ of them, more than max_corrupt=0.0001"):
        prepare_images(recipe(f"100000,bad={bad}", per_shard=2000), tmp_path / "out", workers=1, max_corrupt=0.0001)
    assert len(reads) < 10_000


def test_interrupted_is_uninterrupted_and_nothing_is_read_twice(
    tmp_path: Path, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = prepare_images(recipe("120,classes=3,bad=4", per_shard=5), tmp_path / "whole", max_corrupt=0.1)
    reads.clear()

    def interrupt(done: int, total: int) -> None:
        if done >= 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_images(
            recipe("120,classes=3,bad=4", per_shard=5), tmp_path / "out", workers=1, max_corrupt=0.1, notify=interrupt
        )
    before = list(reads)
    assert len(before) >= 10
    done = {path.name for path in (tmp_path / "out" / "progress").glob("*.npy.json")}
    assert done
    reads.clear()
    again = prepare_images(recipe("120,classes=3,bad=4", per_shard=5), tmp_path / "out", max_corrupt=0.1)
    finished = [place for place in range(120) if f"all-{place // 5:05d}.npy.json" in done]
    assert set(finished).isdisjoint(reads)
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    assert again.page == whole.page


def test_what_was_mended_after_a_refusal_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadData, match="1 of 30 images"):
        prepare_images(recipe("30,bad=7", per_shard=5), tmp_path / "out")
    monkeypatch.setattr(FixtureReader, "read", lambda self, place: picture(place))
    found = prepare_images(recipe("30,bad=7", per_shard=5), tmp_path / "out")
    np.testing.assert_array_equal(found.read(np.arange(30)), expected(range(30)))
    assert found.page["bad"] == 0


def test_a_whole_set_is_opened_without_reading(tmp_path: Path, reads: list[int]) -> None:
    prepare_images(recipe("8"), tmp_path / "out")
    reads.clear()
    assert len(prepare_images(recipe("8"), tmp_path / "out")) == 8
    assert reads == []


def test_what_was_begun_with_other_numbers_of_the_classes_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "classes_of", lambda reader: ["class1", "class0"])
    with pytest.raises(BadData, match="cannot be read"):
        prepare_images(recipe("20,bad=3,classes=2", per_shard=4), tmp_path / "out", max_corrupt=0)
    monkeypatch.undo()
    with pytest.raises(FolderInUse, match="was not begun with this source"):
        prepare_images(recipe("20,bad=3,classes=2", per_shard=4), tmp_path / "out", max_corrupt=0.1)


def test_a_folder_keeps_the_numbers_of_the_classes_that_it_was_written_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "classes_of", lambda reader: ["class1", "class0"])
    prepare_images(recipe("9,classes=2"), tmp_path / "out")
    monkeypatch.undo()
    found = prepare_images(recipe("9,classes=2"), tmp_path / "out")
    assert found.classes == ("class1", "class0")
    assert found.labels.tolist() == [1 - place % 2 for place in range(9)]


def test_other_peoples_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("everything")
    with pytest.raises(FolderInUse, match=r"is not empty.*give another folder"):
        prepare_images(recipe("8"), tmp_path / "mine")
    assert content(tmp_path / "mine") == {"thesis.tex": b"everything"}
    prepare_images(recipe("8"), tmp_path / "out")
    before = content(tmp_path / "out")
    with pytest.raises(FolderInUse, match="prepared otherwise"):
        prepare_images(recipe("8", height=3), tmp_path / "out")
    assert content(tmp_path / "out") == before


def test_a_full_disk_is_seen_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gantlet.data.prepare.shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    with pytest.raises(StoreError, match=r"The prepared images take .* GB, and .* has .* GB free"):
        prepare_images(recipe("8"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_source_without_pictures_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"holds no images. The first: loop0: a link to itself"):
        prepare_images(recipe("0,faults=2"), tmp_path / "out")


def test_a_notice_counts_every_picture(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    prepare_images(
        recipe("700,bad=3", per_shard=300), tmp_path / "out", notify=lambda done, total: seen.append((done, total))
    )
    assert seen[-1] == (700, 700)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_set_is_reopened_by_its_folder_alone(tmp_path: Path) -> None:
    prepare_images(recipe("8,classes=2"), tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "moved")
    found = PreparedSet.open(tmp_path / "moved")
    np.testing.assert_array_equal(found.read(np.array([7, 0])), expected([7, 0]))


@pytest.mark.parametrize("file", ["labels.npy", PAGE])
def test_labels_and_page_are_what_was_written(file: str, tmp_path: Path) -> None:
    folder = prepare_images(recipe("23,classes=4", per_shard=5), tmp_path / "out").folder
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content.replace(b"class2", b"class3") if file == PAGE else content[:-4] + b"\1\0\0\0")
    with pytest.raises(BadData, match=f"{file}.* damaged or changed since it was written.*prepare"):
        _ = PreparedSet.open(folder).labels


def test_sets_from_before_labels_and_page_had_hashes_are_read(tmp_path: Path) -> None:
    folder = prepare_images(recipe("23,classes=4", per_shard=5), tmp_path / "out").folder
    page = json.loads((folder / PAGE).read_bytes())
    del page["seal"], page["labels_sha256"]
    (folder / PAGE).write_text(json.dumps(page))
    assert PreparedSet.open(folder).labels.tolist() == [place % 4 for place in range(23)]


def test_small_sets_are_cut_into_work_for_several(tmp_path: Path) -> None:
    found = prepare_images(recipe("700"), tmp_path / "out")
    assert [shard.count for shard in found.shards] == [250, 250, 200]


def test_what_has_no_class_has_none_in_the_labels_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = FixtureReader.__init__

    def init(reader: FixtureReader, path: str) -> None:
        entry(reader, path)
        reader.entries = [*reader.entries[:-1], replace(reader.entries[-1], label="")]

    monkeypatch.setattr(FixtureReader, "__init__", init)
    found = prepare_images(recipe("4,classes=2"), tmp_path / "out")
    assert found.labels.tolist() == [0, 1, 0, -1]
    written = np.load(tmp_path / "out" / "labels.npy", allow_pickle=False)
    assert (written.dtype, written.tolist()) == (np.int32, [0, 1, 0, -1])


def test_a_set_is_held_to_the_share_of_bad_ones_that_is_allowed_now(tmp_path: Path) -> None:
    prepare_images(recipe("20,bad=3+8"), tmp_path / "out", max_corrupt=0.1)
    with pytest.raises(BadData, match=r"2 of 20 images .* more than max_corrupt=0\.05 allows"):
        prepare_images(recipe("20,bad=3+8"), tmp_path / "out", max_corrupt=0.05)
    assert len(prepare_images(recipe("20,bad=3+8"), tmp_path / "out", max_corrupt=0.1)) == 18


def test_a_stop_before_anything_was_written_leaves_a_free_folder(tmp_path: Path) -> None:
    (tmp_path / "out" / "progress").mkdir(parents=True)
    (tmp_path / "out" / "progress" / ".plan.json.abc").write_bytes(b"{")
    assert len(prepare_images(recipe("3"), tmp_path / "out")) == 3
