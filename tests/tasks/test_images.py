"""Tasks of pictures, from files to a finished study: every kind of source, resumed in the middle of an epoch, streamed."""

from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py  # pyright: ignore[reportMissingTypeStubs]
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import terminal
from gantlet import catalogue
from gantlet.data.dataset_card import card
from gantlet.data.images import ImageSource
from gantlet.requests.options import Options
from gantlet.studies.executors.base import Callbacks
from gantlet.studies.launch import resume, start
from gantlet.studies.planning import plan_study
from gantlet.studies.store import Store
from gantlet.studies.study import Study
from gantlet.tasks.base import Task
from thinning import leading

TINY = ("size=16", "width=4", "batch_size=12", "steps=5", "samples=20", "evaluations=1")
COUNT = 50
TASKS: dict[str, Task] = {
    name: task
    for name in catalogue.names("task")
    if isinstance((task := catalogue.find("task", name)).source, ImageSource)
}


@pytest.fixture(autouse=True)
def desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cache and a data directory of the test's own, and its folder as the current one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GANTLET_DATA", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def picture(place: int) -> Image.Image:
    """A smooth coloured picture of a size of its own."""
    coarse = np.random.default_rng(place).integers(0, 256, (3, 3, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((18 + place % 5, 20), Image.Resampling.BICUBIC)


def encoded(place: int) -> bytes:
    stream = io.BytesIO()
    picture(place).save(stream, "JPEG" if place % 2 else "PNG")
    return stream.getvalue()


def name_of(place: int) -> str:
    return f"{'cats' if place % 3 else 'dogs'}/{place:03d}.{'jpg' if place % 2 else 'png'}"


def write_folder(root: Path) -> str:
    for place in range(COUNT):
        path = root / "pictures" / name_of(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(place))
    return "folder:pictures"


def write_zip(root: Path) -> str:
    with zipfile.ZipFile(root / "a.zip", "w") as archive:
        for place in range(COUNT):
            archive.writestr(name_of(place), encoded(place))
    return "zip:a.zip"


def write_tar(root: Path) -> str:
    with tarfile.open(root / "a.tar.gz", "w:gz") as archive:
        for place in range(COUNT):
            member = tarfile.TarInfo(name_of(place))
            member.size = len(encoded(place))
            archive.addfile(member, io.BytesIO(encoded(place)))
    return "tar:a.tar.gz"


def write_shards(root: Path) -> str:
    for shard in range(2):
        with tarfile.open(root / f"s-{shard:03d}.tar", "w") as archive:
            for place in range(shard, COUNT, 2):
                for ending, content in (("jpg" if place % 2 else "png", encoded(place)), ("cls", b"%d" % (place % 3))):
                    member = tarfile.TarInfo(f"{place:04d}.{ending}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
    return "shards:s-*.tar"


def write_parquet(root: Path) -> str:
    images = [{"bytes": encoded(place), "path": name_of(place)} for place in range(COUNT)]
    (root / "table").mkdir()
    pq.write_table(
        pa.table({"image": images, "label": [place % 3 for place in range(COUNT)]}), root / "table" / "a.parquet"
    )
    return "hf:table"


def write_hdf5(root: Path) -> str:
    pixels = np.stack([np.asarray(picture(place).resize((20, 20))) for place in range(COUNT)])
    with h5py.File(root / "a.h5", "w") as file:
        file["images"], file["labels"] = pixels, np.arange(COUNT) % 3
    return "hdf5:a.h5"


def write_cifar(root: Path) -> str:
    pixels = np.stack([np.asarray(picture(place).resize((32, 32))).transpose(2, 0, 1) for place in range(COUNT)])
    folder = root / "home" / "cifar10" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    batches = {f"data_batch_{number}": slice(8 * number - 8, 8 * number) for number in range(1, 6)}
    for name, part in (batches | {"test_batch": slice(40, COUNT)}).items():
        rows = pixels[part].reshape(len(pixels[part]), -1)
        batch = {b"data": rows, b"labels": [place % 10 for place in range(len(rows))], b"batch_label": name.encode()}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    names = [f"kind {place}".encode() for place in range(10)]
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": names}, protocol=2))
    return "cifar10"


@pytest.mark.parametrize(
    "write",
    [
        write_folder,
        write_shards,
        *(
            pytest.param(write, marks=pytest.mark.slow)
            for write in (write_hdf5, write_zip, write_tar, write_parquet, write_cifar)
        ),
    ],
)
def test_every_kind_of_source_trains_to_the_end(write: Callable[[Path], str], tmp_path: Path) -> None:
    rows = terminal.results(study(write(tmp_path), out=tmp_path / "out"))
    assert [row["status"] for row in rows.values()] == ["finished"] * 2
    assert all(0 < row["sliced_wasserstein"] < 2 for row in rows.values())


def study(task: str, *words: str, out: Path, watch: Callbacks | None = None) -> Store:
    asked = terminal.request(task, "vanilla", *TINY, *words, seeds="2")
    return Store(start(plan_study(asked, Options(out=out, workers=1)), watch).folder)


@pytest.mark.parametrize(("steps", "memory"), leading([(4, "false"), (1, "true"), (1, "false"), (4, "true")]))
def test_a_run_that_resumes_in_the_middle_of_an_epoch_sees_the_same_pictures(
    memory: str, steps: int, tmp_path: Path
) -> None:
    """40 training pictures in batches of 12: epochs of three steps, stopped after the first or fourth."""
    task, words = write_folder(tmp_path), (f"in_memory={memory}", "flips=true")
    whole = study(task, *words, out=tmp_path / "whole")
    asked = 0

    def stopping() -> bool:
        nonlocal asked
        asked += 1
        return asked > steps

    study(task, *words, out=tmp_path / "cut", watch=Callbacks(stopping=stopping))
    assert not terminal.finished(Store(tmp_path / "cut"), "0000")
    resume(tmp_path / "cut")
    assert terminal.difference(Store(tmp_path / "cut"), whole) is None


def test_streamed_and_resident_runs_end_with_the_same_bits(tmp_path: Path) -> None:
    task = write_folder(tmp_path)
    one, other = (study(task, f"in_memory={memory}", out=tmp_path / memory) for memory in ("true", "false"))
    tensors, others = terminal.checkpoint_of(one, "0000")[0], terminal.checkpoint_of(other, "0000")[0]
    assert list(tensors) == list(others)
    assert all(value.equal(others[name]) for name, value in tensors.items())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("folder:nothing", "vanilla"), "There is no folder"),
        (("folder:empty", "vanilla"), "no images"),
        (("folder:pictures", "vanilla", "size=30"), "30"),
        (("folder:pictures", "vanilla", "center_crop=64"), "smaller than the crop of 64 × 64 pixels"),
        (("zip:cut.zip", "vanilla"), "cut.zip"),
        (("cifar10", "vanilla"), "gantlet data download cifar10"),
        (("cifar10", "vanilla"), "Or give data_path=PATH to read files that are elsewhere."),
        (("folder", "vanilla"), "write folder:PATH"),
        (("folder:pictures", "vanilla", "batch_size=64"), "holds 40 samples, fewer than one batch of 64"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence_and_nothing_is_written(
    words: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    write_folder(tmp_path)
    (tmp_path / "empty").mkdir()
    write_zip(tmp_path)
    (tmp_path / "cut.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:-200])
    given = {word.partition("=")[0] for word in words}
    tiny = [word for word in TINY if word.partition("=")[0] not in given]
    done = terminal.gantlet("run", *words, *tiny, "--out", "out", "--quiet")
    assert done.status == 2
    assert len(done.lines) == 1
    assert reason in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if getattr(task.source, "card", "")])
def test_a_named_task_resizes_as_its_card_says(name: str) -> None:
    """So that ``gantlet data prepare NAME`` makes what the task trains on."""
    source = TASKS[name].source
    assert isinstance(source, ImageSource)
    known = card(source.card)
    if source.size == "native":  # in the size of its files, which is the card's
        assert (TASKS[name].shape, known.size) == ((1, known.height, known.width), "28×28 grey")
        source = ImageSource.of(source.card)
    assert (source.size, source.center_crop, source.colour) == (str(known.height), known.center_crop, known.colour)
    assert known.height == known.width


@pytest.mark.slow
def test_a_study_among_its_pictures_does_not_become_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path)
    monkeypatch.chdir(tmp_path / "pictures")
    monkeypatch.setenv("GANTLET_RECORDED", "1")
    first = study("folder:.", out=Path("runs/first"))
    assert list((first.folder / "samples").rglob("*.png"))
    (first.fleet("0000") / "results.json").unlink()
    assert Study(resume(first.folder).folder).runs["status"].tolist() == ["finished"] * 2
    again = study("folder:.", out=Path("runs/again"))
    assert terminal.results(again) == terminal.results(first)
    assert len(list((tmp_path / "cache").rglob("set.json"))) == 1


@pytest.mark.slow
def test_a_prepared_folder_has_its_own_size_and_another_is_refused(tmp_path: Path) -> None:
    task = write_folder(tmp_path)
    assert terminal.gantlet("data", "prepare", task, "--size", 16, "--out", "ready").status == 0
    for words, reason in ((("size=16",), ""), (("size=16x16",), ""), (("size=32",), "prepared at 16x16 pixels")):
        done = terminal.gantlet("run", "folder:ready", "vanilla", *words, *TINY[1:], "--dry-run")
        assert (done.status, reason in done.err) == (2 if reason else 0, True), done.err
