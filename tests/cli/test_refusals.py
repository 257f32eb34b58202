"""Whatever is wrong with a request: one sentence, exit status 2, and nothing written."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import terminal
from gantlet.studies.store import Store
from terminal import TINY, Done, gantlet
from thinning import leading

IDX = ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte")


def refused(done: Done) -> str:
    """The one sentence of a refusal."""
    assert done.status == 2, done
    assert len(done.lines) == 1, done.err
    assert done.err.startswith("gantlet: ")
    assert done.out == ""
    return done.err


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in which nothing may appear."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("rign8 vanilla", "There is no task called 'rign8'. Did you mean 'ring8'"),
        ("ring8 vanila", "There is no method called 'vanila'. Did you mean 'vanilla'"),
        ("ring8 vanilla lr_x=1", "There is no key called 'lr_x'. Did you mean"),
        ("ring8 vanilla width=3", "The key 'width' is ambiguous: it could be d_width or g_width."),
        ("ring8 vanilla alpha=3", "belongs to none of the named methods"),
        ("ring8 vanilla lr_g=fast", "lr_g=fast is not a number."),
        ("ring8 vanilla lr_g=-1", "lr_g=-1 is out of range: expected 0 < lr_g."),
        ("ring8 vanilla lr_g=nan", "nan is never a setting"),
        ("ring8 vanilla lr_g=inf", "is not finite"),
        ("ring8 vanilla steps=2.5", "steps=2.5 is not a whole number."),
        ("ring8 vanilla reuse_fake=maybe", "is neither true nor false"),
        ("ring8 vanilla optimiser=lion", "is not one of adam, rmsprop, sgd"),
        ("ring8 vanilla lr_g=", "gives no value, so the grid is empty."),
        ("ring8 vanilla lr_g=1:2:0", "never gets from 1 to 2"),
        ("ring8 vanilla lr_g=1,1", "lists a value twice"),
        ("ring8 vanilla lr=1 lr_g=2", "sets lr_g twice"),
        ("ring8 vanilla steps=5 epochs=2", "both say how long to train"),
        ("ring8 vanilla lr_g", "'lr_g' is not KEY=VALUE"),
        ("ring8", "No method was named"),
        ("ring8 lr_g=1", "is where the methods belong"),
        ("ring8 vanilla,vanilla", "A method is named twice"),
        ("ring8 vanilla --seeds 0", "names no seed"),
        ("ring8 vanilla --seeds a", "is not a number N"),
        ("ring8 vanilla --seeds 3,3", "one seed twice"),
        ("ring8 vanilla --preset sede", "Did you mean 'seed'"),
        ("ring8 vanilla --route fast", "--route fast is not loop, stacked, static or captured."),
        ("ring8 vanilla --device tpu", "--device tpu is not auto, cpu, cuda, cuda:i or mps."),
        ("ring8 vanilla --device cuda:99", "Use --device cpu."),
        ("ring8 vanilla batch_size=50001", "fewer than one batch of 50001"),
        ("ring8 wgan-gp n_critic=2 reuse_fake=true", "needs exactly one discriminator update per step"),
        ("ring8 vanilla generator=nowhere:G", "cannot be imported"),
        ("ring8 vanilla generator=torch.nn:Identity latent_dim=5", "expected samples, a tensor of shape"),
        ("ring8 vanilla network=mpl", "There is no network called 'mpl'. Did you mean 'mlp'"),
        ("digits wgan-gp network=dcgan28", "a per-sample gradient has no meaning"),
        ("ring8:x.npy vanilla", "brings its own data"),
        ("absent.toml", "cannot be read as TOML"),
    ],
)
@pytest.mark.parametrize("dry", [False, True], ids=["run", "dry"])
def test_a_wrong_request_is_refused(workplace: Path, words: str, reason: str, dry: bool) -> None:
    done = gantlet("run", *words.split(), *(["--dry-run"] if dry else []))
    assert reason in refused(done)
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("vanilla ring8", "The task comes first: gantlet run ring8 vanilla."),
        (
            "ring8 digits vanilla",
            "'digits' is a task, and a study has one: gantlet run ring8 vanilla, or gantlet run digits vanilla.",
        ),
        ("ring8 vanilla wgan-gp", "Several methods are one word, with commas: gantlet run ring8 vanilla,wgan-gp."),
        ("ring8 vanilla steps=2 alpha", "with commas: gantlet run ring8 vanilla,alpha."),
        ("ring8 vanilla steps 20", "A setting is one word: write steps=20."),
        ("ring8 vanilla steps = 20", "write steps=20."),
        ("ring8 vanilla steps= 20", "write steps=20."),
        ("ring8 vanilla steps =20", "write steps=20."),
        ("ring8 vanilla batch_size=8 steps:20", "'steps:20' has no =. Write steps=20."),
        ("ring8 vanilla seeds=3", "'seeds' is an option, no setting: write --seeds 3."),
        ("ring8 vanilla out=runs/x", "write --out runs/x."),
        ("ring8 vanilla lr_g=", "no value"),
    ],
)
def test_words_in_another_order_or_apart_are_told_what_was_meant(workplace: Path, words: str, reason: str) -> None:
    assert reason in refused(gantlet("run", *words.split()))
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("--steps=3", "There is no option --steps. A setting is written without dashes: write steps=3."),
        ("--batch-size 3", "write batch_size=…"),
        ("--g-width 3", "write g_width=…"),
        ("--lr_g=1 --note --x", "write lr_g=1"),
        ("--seed 3", "No such option: --seed … --seeds"),
        ("--dry_run", "No such option: --dry_run … --dry-run"),
    ],
)
def test_a_setting_with_dashes_is_told_from_a_misspelt_option(workplace: Path, words: str, reason: str) -> None:
    done = gantlet("run", "ring8", "vanilla", *words.split())
    assert done.status == 2
    said = " ".join(done.err.replace("│", " ").split())
    assert all(part in said for part in reason.split(" … "))
    assert list(workplace.iterdir()) == []


def test_an_option_of_another_command_is_no_setting(tmp_path: Path) -> None:
    said = refused(gantlet("extend", tmp_path, "--executor", "inline"))
    assert "gantlet extend has no option --executor, which gantlet run has." in said
    assert "executor=" not in said


def test_what_follows_an_option_is_its_value(workplace: Path) -> None:
    done = gantlet("run", "ring8", "vanilla", "--note", "--x=3", "--dry-run", *TINY)
    assert (done.status, done.err) == (0, "")


@pytest.mark.parametrize("task", ["points", "images", "folder", "zip", "tar", "shards", "hf", "hdf5", "tfrecord"])
def test_training_needs_the_path_of_the_data(workplace: Path, task: str) -> None:
    error = refused(gantlet("run", task, "vanilla"))
    assert f"The task '{task}' reads " in error
    assert f" of your own: write {task}:" in error
    assert "array" not in error
    assert list(workplace.iterdir()) == []


# Data files


def save(path: Path, **changes: Any) -> Path:
    np.save(path, np.random.default_rng(1).normal(size=changes.pop("size", (200, 2))), **changes)
    return path


def npy_truncated(folder: Path) -> str:
    path = save(folder / "x.npy")
    path.write_bytes(path.read_bytes()[:-100])
    return f"points:{path}"


def npy_corrupt(folder: Path) -> str:
    path = save(folder / "x.npy")
    path.write_bytes(b"garbage" + path.read_bytes())
    return f"points:{path}"


def npy_nan(folder: Path) -> str:
    values = np.zeros((200, 2))
    values[7, 1] = np.nan
    np.save(folder / "x.npy", values)
    return f"points:{folder}/x.npy"


def csv_words(folder: Path) -> str:
    (folder / "x.csv").write_text("1,2\n3,four\n")
    return f"points:{folder}/x.csv"


def idx(folder: Path, *, images: int = 100, labels: int = 100, size: int = 28) -> None:
    """The four files, with random pixels."""
    pixels = np.random.default_rng(1).integers(0, 256, size=(images, size, size), dtype=np.uint8)
    for name in IDX:
        if "images" in name:
            content = struct.pack(">HBB3I", 0, 8, 3, images, size, size) + pixels.tobytes()
        else:
            content = struct.pack(">HBBI", 0, 8, 1, labels) + bytes(place % 10 for place in range(labels))
        (folder / name).write_bytes(content)


def idx_missing(folder: Path) -> str:
    idx(folder)
    (folder / IDX[1]).unlink()
    return f"mnist:{folder}"


def idx_truncated(folder: Path) -> str:
    idx(folder)
    (folder / IDX[0]).write_bytes((folder / IDX[0]).read_bytes()[:-5])
    return f"mnist:{folder}"


def idx_corrupt(folder: Path) -> str:
    idx(folder)
    (folder / IDX[0]).write_bytes(b"\x01\x02\x03\x04" * 100)
    return f"mnist:{folder}"


def idx_disagreeing(folder: Path) -> str:
    idx(folder, labels=99)
    return f"mnist:{folder}"


CASES: dict[str, tuple[Callable[[Path], str], str]] = {
    "npy missing": (lambda folder: f"points:{folder}/absent.npy", "absent.npy"),
    "npy truncated": (npy_truncated, "is truncated"),
    "npy corrupt": (npy_corrupt, "is not a .npy array"),
    "npy with nan": (npy_nan, "1 values that are not finite; the first is nan at [7, 1]"),
    "npy too few to split": (lambda folder: f"points:{save(folder / 'x.npy', size=(2, 2))}", "x.npy"),
    "npy of images as points": (lambda folder: f"points:{save(folder / 'x.npy', size=(20, 8, 8))}", "use the task"),
    "npy of points as images": (lambda folder: f"images:{save(folder / 'x.npy')}", "For points use the task 'points'"),
    "an ending of its own": (lambda folder: f"points:{save(folder / 'x.npy').rename(folder / 'x.bin')}", "'.bin'"),
    "csv with words": (csv_words, "line 2, column 2: 'four' is not a number"),
    "idx missing": (idx_missing, IDX[1]),
    "idx truncated": (idx_truncated, "truncated"),
    "idx corrupt": (idx_corrupt, IDX[0]),
    "idx labels disagree": (idx_disagreeing, "99"),
    "idx without a folder": (lambda folder: f"mnist:{folder}/absent", "does not exist"),
}


@pytest.mark.parametrize("case", CASES)
def test_wrong_data_are_refused(workplace: Path, tmp_path: Path, case: str) -> None:
    make, reason = CASES[case]
    (tmp_path / "data").mkdir()
    done = gantlet("run", make(tmp_path / "data"), "vanilla")
    assert reason in refused(done)
    assert list(workplace.iterdir()) == []


def test_a_missing_package_is_named_with_its_extra(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("gantlet.data.readers.digits.resources.files", absent)
    assert "pip install 'gantlet[digits]'" in refused(gantlet("run", "digits", "vanilla"))
    assert list(workplace.iterdir()) == []


def test_endless_sampling_of_a_file_is_refused(workplace: Path, tmp_path: Path) -> None:
    path = save(tmp_path / "x.npy")
    assert "pool=endless needs a data set" in refused(gantlet("run", f"points:{path}", "vanilla", "pool=endless"))
    assert list(workplace.iterdir()) == []


# Folders


@pytest.mark.parametrize("content", ["study", "other"])
def test_a_used_folder_is_refused_and_left_alone(finished: Store, tmp_path: Path, content: str) -> None:
    folder = tmp_path / "used"
    if content == "study":
        shutil.copytree(finished.folder, folder)
    else:
        folder.mkdir()
        (folder / "mine.txt").write_text("mine")
    before = terminal.tree(folder)
    sentence = refused(gantlet("run", "ring8", "vanilla", *TINY, "--out", folder))
    hint = f"Continue it with: gantlet resume {folder}" if content == "study" else "Choose another --out."
    assert sentence.endswith(f"nothing was written. {hint}\n")
    assert terminal.tree(folder) == before


@pytest.mark.parametrize("command", ["resume", "extend", "replay", "show", "report", "sample"])
@pytest.mark.usefixtures("real_report")
def test_a_folder_without_a_study_is_an_error(tmp_path: Path, command: str) -> None:
    words = [command, tmp_path, *(["0"] if command in ("replay", "sample") else [])]
    assert str(tmp_path) in refused(gantlet(*words))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["resume", "extend", "replay", "show", "report", "sample"])
@pytest.mark.parametrize("content", ["{", "[]", '{"format": 1}', '{"format": 7}'])
@pytest.mark.usefixtures("real_report")
def test_a_damaged_study_is_an_error(tmp_path: Path, command: str, content: str) -> None:
    (tmp_path / "study.json").write_text(content)
    words = [command, tmp_path, *(["0"] if command in ("replay", "sample") else [])]
    assert "study.json" in refused(gantlet(*words))
    assert [path.name for path in tmp_path.iterdir()] == ["study.json"]


def test_a_command_that_is_named_can_be_copied(workplace: Path, finished: Store) -> None:
    copied = shutil.copytree(finished.folder, workplace / "my runs; é")
    said = refused(gantlet("run", "ring8", "vanilla", "--out", copied.name))
    words = shlex.split(said.partition("Continue it with: ")[2])
    assert words == ["gantlet", "resume", copied.name]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    done = gantlet("run", "ring8", "vanilla", *TINY, "--workers", "1", "--out", tmp_path / "file" / "out", "-q")
    assert f"{tmp_path / 'file'} is a file; --out wants a folder." in refused(done)


def test_a_message_of_several_lines_becomes_one(workplace: Path, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("raise ImportError('one\\ntwo')\n")
    assert "one two" in refused(gantlet("run", "ring8", f"{tmp_path}/own.py:Own"))


# A full disk


def fill(monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    """The disk is full once ``after`` checkpoints were written."""
    import safetensors.torch

    save_file = safetensors.torch.save_file
    written = 0

    def save(tensors: Any, path: Path) -> None:
        nonlocal written
        written += 1
        if written > after:
            path.write_bytes(b"half of it")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save_file(tensors, path)

    monkeypatch.setattr("safetensors.torch.save_file", save)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 9. TiB for an array"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried ..."),
    ],
)
def test_memory_that_runs_out_before_or_after_training_is_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def none(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr("gantlet.studies.cache.Cache.load", none)
    done = gantlet("run", "ring8", "vanilla", *TINY, "--out", folder)
    assert "does not have the memory for this" in refused(done)
    assert str(error)[:30] in done.err


def test_a_fault_of_the_program_is_still_a_traceback(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: Any, **__: Any) -> Any:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr("gantlet.studies.cache.Cache.load", wrong)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        gantlet("run", "ring8", "vanilla", *TINY, "--out", folder)


@pytest.mark.parametrize("after", leading((1, 0)))
def test_a_full_disk_keeps_the_last_good_checkpoint_and_resume_goes_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    words = ("run", "ring8", "vanilla,alpha", *TINY, "--workers", "1", "--seeds", "2", "--quiet")
    with monkeypatch.context() as patch:
        fill(patch, after=after)
        done = gantlet(*words, "--out", folder)
    assert done.status == 3
    assert len(done.lines) == 1
    assert done.err.startswith("gantlet: 4 of 4 members failed; run 0: The checkpoint could not be written to ")
    assert "No space left on device" in done.err
    store = Store(folder)
    assert not list((folder / "fleets").rglob("checkpoint.new"))
    if after:
        assert terminal.checkpoint_of(store, "0000")[1]["step"] == 3
    assert gantlet("resume", folder, "--quiet").status == 0
    assert gantlet(*words, "--out", tmp_path / "whole").status == 0
    assert terminal.difference(store, Store(tmp_path / "whole")) is None


def test_a_disk_that_is_full_for_everything_ends_the_study_in_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        fill(patch, after=1)
        patch.setattr("pandas.DataFrame.to_parquet", full)
        done = gantlet("run", "ring8", "vanilla", *TINY, "--workers", "1", "--quiet", "--out", folder)
    assert "No space left on device" in refused(done)
    assert gantlet("resume", folder, "--quiet").status == 0
    assert pd.read_parquet(folder / "runs.parquet")["status"].tolist() == ["finished"]


LONG = "d" * 300


@pytest.mark.parametrize(
    "words",
    [
        ("show", LONG),
        ("sample", LONG, 0),
        ("verify", LONG),
        ("import", LONG),
        ("run", f"points:{LONG}.csv", "vanilla", "--out", "o"),
        ("run", f"folder:{LONG}", "vanilla", "--out", "o"),
        ("run", LONG, "--out", "o"),
        ("data", "inspect", f"folder:{LONG}"),
        ("compare", LONG, LONG),
    ],
    ids=lambda words: str(words[0]),
)
def test_a_name_that_is_too_long_is_one_sentence(workplace: Path, words: tuple[Any, ...]) -> None:
    refused(gantlet(*words))
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ("sample", "{study}", 0, "--out", f"{LONG}.npy"),
        ("interpolate", "{study}", 0, "--out", f"{LONG}.npy"),
        ("export", "{study}", 0, "--format", "torch", "--out", f"{LONG}.pt2"),
        ("export", "{study}", 0, "--format", "hub", "--out", LONG),
        ("report", "{study}", "--out", f"{LONG}.html"),
        ("figure", "{study}", "curves", "--out", f"{LONG}.png"),
    ],
    ids=lambda words: f"{words[0]} {words[3] if len(words) > 5 else ''}",
)
def test_a_name_to_write_to_that_is_too_long_is_one_sentence(
    workplace: Path, finished: Store, words: tuple[Any, ...]
) -> None:
    said = refused(gantlet(*(str(word).replace("{study}", str(finished.folder)) for word in words)))
    assert "File name too long" in said
    assert list(workplace.iterdir()) == []


def test_a_page_of_ones_own_in_a_study_stays_and_the_report_is_written_beside_it(
    tmp_path: Path, finished: Store, real_report: None, no_charts: None
) -> None:
    folder = shutil.copytree(finished.folder, tmp_path / "copy")
    (folder / "report.html").write_text("<html>mine</html>")
    for _ in range(2):
        assert gantlet("report", folder).out.split() == [str(folder / "report-2.html")]
    assert (folder / "report.html").read_text() == "<html>mine</html>"
    (folder / "report.html").unlink()
    (folder / "report.html").symlink_to(folder / "study.json")  # is not followed
    assert gantlet("report", folder).out.split() == [str(folder / "report.html")]
    assert gantlet("verify", folder).status == 0


def test_a_report_replaces_a_report_and_nothing_else(
    workplace: Path, finished: Store, real_report: None, no_charts: None
) -> None:
    (workplace / "index.html").write_text("<html>mine</html>")
    assert "is no report of gantlet's; nothing was written" in refused(
        gantlet("report", finished.folder, "--out", "index.html")
    )
    assert (workplace / "index.html").read_text() == "<html>mine</html>"
    for _ in range(2):
        assert gantlet("report", finished.folder, "--out", "report.html").status == 0


@pytest.mark.parametrize(
    ("format", "out", "wanted"),
    [
        ("onnx", "e.pt", "give FILE.onnx, or another --format"),
        ("onnx", "e.PT2", "give FILE.onnx"),
        ("torch", "e.onnx", "give FILE.pt2"),
        ("hub", "model.zip", "give a folder"),
    ],
)
def test_an_export_is_not_named_like_another_format(
    workplace: Path, finished: Store, format: str, out: str, wanted: str
) -> None:
    assert wanted in refused(gantlet("export", finished.folder, 0, "--format", format, "--out", out))
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    ["run ring8 vanilla steps=1 --out=", "run ring8 vanilla steps=1 --out ' '", "data inspect x.npy --sheet ''"],
)
def test_a_place_of_no_name_is_refused(workplace: Path, words: str) -> None:
    assert "is given an empty name." in refused(gantlet(*shlex.split(words)))
    assert list(workplace.iterdir()) == []


def test_a_working_folder_that_was_deleted_is_named(workplace: Path) -> None:
    workplace.rmdir()
    assert "The working folder was deleted." in refused(gantlet("list", "tasks"))


def test_a_folder_of_another_kind_is_told_what_takes_it(workplace: Path, finished: Store) -> None:
    folder = shutil.copytree(finished.folder, workplace / "study")
    assert "is not a model folder: it has no config.json. It is a study:" in (
        said := refused(gantlet("import", folder))
    )
    assert f"gantlet export {folder} RUN --format hub" in said
    assert f"It holds studies, such as {folder}." in refused(gantlet("show", workplace))
    assert f"It is in the study {folder}." in refused(gantlet("resume", folder / "fleets" / "0000"))
