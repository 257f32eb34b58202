"""The study folder: files appear whole or not at all, chunks belong to checkpoints, readers merge."""

from __future__ import annotations

import errno
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import terminal
from gantlet.errors import Damaged, FolderInUse, StoreError
from gantlet.files import file_digest, locked
from gantlet.studies.launch import resume
from gantlet.studies.record import FleetPlan, Member, PlanRecord
from gantlet.studies.store import Store
from gantlet.studies.study import Study
from gantlet.studies.verify import verify_study
from gantlet.studies.views import LiveViews, read_runs, runs_table, write_views
from gantlet.training.history import Rows
from thinning import leading


@pytest.fixture
def store(folder: Path) -> Store:
    """An empty study."""
    made = Store(folder)
    made.create(terminal.study_record(note="hello"))
    return made


def rows(*entries: tuple[int, int, str, float]) -> Rows:
    return Rows(*(list(column) for column in zip(*entries, strict=True)))  # pyright: ignore[reportArgumentType]


# Making and reading


def test_a_study_is_made_and_read(store: Store) -> None:
    assert store.record() == terminal.study_record(note="hello")
    assert [path.name for path in store.folder.iterdir()] == ["study.json"]


def test_an_empty_folder_may_be_given(tmp_path: Path) -> None:
    Store(tmp_path).create(terminal.study_record())
    assert Store(tmp_path).record().format == 2


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("study.json", "already holds a study; nothing was written. Continue it with: gantlet resume"),
        ("a.txt", "other files"),
    ],
)
def test_a_folder_with_content_is_refused(folder: Path, name: str, words: str) -> None:
    folder.mkdir()
    (folder / name).write_text("mine")
    with pytest.raises(FolderInUse, match=words):
        Store(folder).create(terminal.study_record())
    assert {path.name: path.read_text() for path in folder.iterdir()} == {name: "mine"}


def test_of_two_who_make_a_study_in_one_folder_at_once_one_is_refused(folder: Path) -> None:
    """Both found it free: the second comes while the first copies what its members start from, or after that."""
    store, other = Store(folder), Store(folder)

    def meanwhile() -> None:
        with pytest.raises(FolderInUse, match=f"is in use by process {os.getpid()}.*nothing was written"):
            other.create(terminal.study_record(note="second"))

    store.create(terminal.study_record(note="first"), meanwhile)
    with pytest.raises(FolderInUse, match="already holds a study"):
        other.create(terminal.study_record(note="second"))
    assert store.record().note == "first"
    assert [path.name for path in folder.iterdir()] == ["study.json"]


def test_a_process_that_was_killed_while_it_made_a_study_leaves_a_free_folder(folder: Path) -> None:
    folder.mkdir()
    (folder / "study.lock").write_text("")
    Store(folder).create(terminal.study_record())
    assert [path.name for path in folder.iterdir()] == ["study.json"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FolderInUse, match="file is a file; --out wants a folder"):
        Store(tmp_path / "file").create(terminal.study_record())
    with pytest.raises(FolderInUse, match="file is a file; --out wants a folder"):
        Store(tmp_path / "file" / "study").create(terminal.study_record())
    assert (tmp_path / "file").read_text() == "mine"


def test_a_link_to_nothing_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    """It was called a file that exists, with the advice to make room and resume."""
    (tmp_path / "link").symlink_to("nowhere")
    for folder in (tmp_path / "link", tmp_path / "link" / "study"):
        with pytest.raises(FolderInUse, match="link is a link to nothing; --out wants a folder"):
            Store(folder).create(terminal.study_record())
    assert [path.name for path in tmp_path.iterdir()] == ["link"]
    (tmp_path / "nowhere").mkdir()
    Store(tmp_path / "link" / "study").create(terminal.study_record())
    assert (tmp_path / "nowhere" / "study" / "study.json").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is not a study folder: it has no study.json"),
        ("", "cannot be read"),
        ('{"format": 1', "cannot be read"),
        ('{"format": 99}', "has format 99; this gantlet reads formats 1 to 2"),
        ("[1]", "is not what a study writes"),
        ('{"format": 1}', "is not what a study of an earlier version writes: KeyError"),
        ('{"format": 2}', "is not what a study writes: gantlet: Field required"),
        ("\udcff", "cannot be read"),
    ],
)
def test_a_damaged_study_says_so(folder: Path, content: str | None, words: str) -> None:
    folder.mkdir()
    if content is not None:
        (folder / "study.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(StoreError, match=words):
        Store(folder).record()


def test_a_damaged_result_says_so(store: Store) -> None:
    store.write_results("0000", [])
    (store.fleet("0000") / "results.json").write_text('{"runs": [')
    with pytest.raises(StoreError, match=r"results.json cannot be read"):
        store.results(terminal.fleet_of(store, "0000"))


# Whole or not at all


def fail_at(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(where, full)


@pytest.mark.parametrize("where", ["pathlib.Path.write_text", "os.fsync", "pathlib.Path.replace"])
def test_a_write_that_fails_leaves_what_was_there(store: Store, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    store.write_json("a.json", {"value": 1})
    before = terminal.tree(store.folder)
    with monkeypatch.context() as patch:
        fail_at(patch, where)
        with pytest.raises(StoreError, match=r"a.json cannot be written: No space left on device.*gantlet resume"):
            store.write_json("a.json", {"value": 2})
    assert terminal.tree(store.folder) == before


def test_a_table_that_cannot_be_written_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        fail_at(patch, "pandas.DataFrame.to_parquet")
        with pytest.raises(StoreError, match="No space left"):
            store.write_frame("runs.parquet", pd.DataFrame({"run": [1]}))
    assert [path.name for path in store.folder.iterdir()] == ["study.json"]


def test_a_full_device_is_a_store_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    full, write = Path("/dev/full"), Path.write_text
    if not full.exists():
        fail_at(monkeypatch, "pathlib.Path.write_text")
    else:
        monkeypatch.setattr(Path, "write_text", lambda _, text, **how: write(full, text, **how))
    with pytest.raises(StoreError, match="No space left on device"):
        store.write_json("a.json", {"value": 2})


def test_readers_never_meet_half_a_file(store: Store) -> None:
    content = {"values": list(range(20_000))}
    store.write_json("a.json", content)

    def read(_: int) -> bool:
        return json.loads((store.folder / "a.json").read_text())["values"][-1] == 19_999

    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(read, range(40))
        for _ in range(20):
            store.write_json("a.json", content)
        assert all(answers)
    assert sorted(path.name for path in store.folder.iterdir()) == ["a.json", "study.json"]


# Fleets


def test_a_restarted_fleet_forgets_everything(store: Store) -> None:
    store.chunks("0000").add({}, 0, 10, rows((0, 10, "a", 1.0)), {0: 0})
    store.write_results("0000", [{"run": 0}])
    note = store.fleet("0000") / "checkpoint of mine.txt"
    note.write_bytes(b"not a fleet's")
    store.restart_fleet("0000")
    assert list(store.fleet("0000").iterdir()) == [note]
    assert not terminal.finished(store, "0000")
    assert len(store.history()) == 0


def test_failures_and_splits_are_kept(store: Store) -> None:
    whole = FleetPlan(id="0000", slots=(1, 2, 4))
    assert (store.failure("0000"), store.split(whole), store.leaves(whole)) == (None, None, [whole])
    store.write_failure("0000", "it broke")
    parts = [FleetPlan(id="0000a", slots=(1, 2), notes=("note",)), FleetPlan(id="0000b", slots=(4,), route="loop")]
    store.write_split("0000", parts, "out of memory")
    assert store.failure("0000") == "it broke"
    assert store.split(whole) == store.leaves(whole) == parts


@pytest.mark.parametrize(
    "into",
    [
        [{"id": "0000", "slots": [1, 2]}],
        [{"id": "0000a", "slots": [1]}],
        [{"id": "0000a", "slots": [1]}, {"id": "0001b", "slots": [2]}],
        "0000a",
        None,
    ],
    ids=["itself", "a member lost", "another fleet", "a word", "not JSON"],
)
def test_a_damaged_split_counts_as_none(store: Store, into: Any, caplog: pytest.LogCaptureFixture) -> None:
    whole = FleetPlan(id="0000", slots=(1, 2))
    store.fleet("0000").mkdir(parents=True)
    (store.fleet("0000") / "split.json").write_text("{" if into is None else json.dumps({"into": into}))
    with pytest.raises(Damaged):
        store.split(whole)
    assert store.leaves(whole) == [whole]
    assert "Fleet 0000 counts as one that was not cut." in caplog.text


def test_results_of_another_study_or_of_other_runs_are_none(store: Store) -> None:
    fleet = FleetPlan(id="0000", slots=(1, 2))
    store.write_results("0000", [{"run": 1}, {"run": 2}], study="a")
    assert (store.finished(fleet, {"a"}), store.finished(fleet, {"b"})) == (True, False)
    assert not store.finished(FleetPlan(id="0000", slots=(1, 3)), {"a"})
    with pytest.raises(Damaged, match="is that of another study"):
        store.results(fleet, {"b"})


def test_a_lock_file_that_is_a_link_is_not_followed(store: Store, tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    (store.folder / "fleets").mkdir(exist_ok=True)
    (store.folder / "fleets" / "0000.lock").symlink_to(precious)
    with pytest.raises(StoreError, match="is a link"):
        store.lock("0000")
    with pytest.raises(StoreError), locked(store.folder / "fleets" / "0000.lock"):
        pass
    assert precious.read_text() == "mine"


# Views


def test_the_views_are_the_merged_fleets(finished: Store) -> None:
    runs = pd.read_parquet(finished.folder / "runs.parquet")
    assert runs["run"].tolist() == list(range(8))
    assert runs["status"].unique().tolist() == ["finished"]
    assert runs["setting"].tolist() == [
        f"{method} lr={lr}" for method in ("vanilla", "alpha") for lr in ("0.001", "0.002") for _ in range(2)
    ]
    assert runs["seed"].tolist() == [1, 2] * 4
    history = pd.read_parquet(finished.folder / "history.parquet")
    assert history.equals(finished.history())
    assert set(history["run"]) == set(range(8))
    assert {"loss_d", "loss_g", "gradient_d", "gradient_g", "modes", "kl"} <= set(history["name"])
    losses = history[(history["run"] == 5) & (history["name"] == "loss_g")]
    assert losses["step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert history[(history["run"] == 5) & (history["name"] == "modes")]["step"].tolist() == [3, 6]


def test_the_table_of_runs_has_every_column(finished: Store) -> None:
    runs = pd.read_parquet(finished.folder / "runs.parquet")
    first = ["run", "task", "method", "setting", "seed", "status", "diverged_step", "cause", "route", "width"]
    first += ["seconds", "generator_steps", "discriminator_steps", "images_seen", "weights"]
    assert list(runs.columns[: len(first)]) == first
    record = finished.record()
    keys = {name for setting in record.settings for name in setting.values}
    assert keys <= set(runs.columns)
    of_teams = {"modes_by_generator", "best_generator_modes", "team_balance", "team_overlap"}
    assert set(record.metrics.keys()) - of_teams <= set(runs.columns)
    row = runs.iloc[5]
    expected = {"method": "alpha", "seed": 2, "route": "stacked", "width": 4, "weights": "last", "lr_g": 0.001}
    assert {name: row[name] for name in expected} == expected
    assert (row["generator_steps"], row["discriminator_steps"], row["images_seen"]) == (6, 6, 6 * 32)
    assert row["seconds"] > 0
    assert pd.isna(runs.iloc[0]["alpha_d"])
    assert row["alpha_d"] == 0.5


def test_unfinished_members_have_rows_too(folder: Path) -> None:
    store = terminal.study(folder, "vanilla,alpha", seeds="2")
    (store.fleet("0001") / "results.json").unlink()
    table = runs_table(store)
    assert table["status"].tolist() == ["finished", "finished", "stopped", "stopped"]
    store.write_failure("0001", "Traceback\n  line\nValueError: it broke\n")
    table = runs_table(store)
    assert table["status"].tolist()[2:] == ["failed", "failed"]
    assert table["cause"].tolist()[2:] == ["ValueError: it broke"] * 2
    assert table["setting"].tolist()[2:] == ["alpha", "alpha"]


def test_views_are_rewritten_whole(folder: Path) -> None:
    store = terminal.study(folder, "vanilla", seeds="2")
    before = {name: (folder / name).read_bytes() for name in ("runs.parquet", "history.parquet")}
    for name in before:
        (folder / name).unlink()
    write_views(store)
    assert {name: (folder / name).read_bytes() for name in before} == before


@pytest.fixture
def many(folder: Path) -> Store:
    """A study of so many members that its table stands for its results."""
    store, fleets = (
        Store(folder),
        [FleetPlan(id=f"{place:04d}", slots=tuple(range(64 * place, 64 * place + 64))) for place in range(32)],
    )
    members = tuple(Member(run, 0, run) for run in range(2048))
    store.create(terminal.study_record(members=2048, plan=PlanRecord(members=members, fleets=tuple(fleets))))
    for fleet in fleets[:-1]:
        store.write_results(
            fleet.id,
            [
                {"run": run, "status": "finished", "modes": run % 9, "kl": run / 7, "success": run % 9 > 7}
                for run in fleet.slots
            ],
        )
    store.write_failure(fleets[-1].id, "it broke")
    return store


def test_the_table_of_a_large_study_stands_for_its_results_while_they_are_as_they_were(many: Store) -> None:
    exact = runs_table(many)
    write_views(many)
    pd.testing.assert_frame_equal(read_runs(many), exact)
    marked = exact.assign(cause="from the table")
    many.write_frame("runs.parquet", marked)
    assert read_runs(many)["cause"].isna().sum() == 31 * 64  # not as it was written
    made = many.read_json("views.json")
    many.write_json("views.json", {**made, "runs": file_digest(many.folder / "runs.parquet")})
    assert (read_runs(many)["cause"] == "from the table").all()
    (many.fleet("0031") / "failure.json").unlink()
    assert read_runs(many)["status"].tolist()[-64:] == ["stopped"] * 64


@pytest.mark.parametrize("how", leading(["rewritten", "missing", "edited"]))
def test_a_large_studys_table_is_not_believed_when_a_result_has_changed(many: Store, how: str) -> None:
    write_views(many)
    path = many.fleet("0002") / "results.json"
    if how == "rewritten":
        path.write_bytes(path.read_bytes().replace(b'"modes": 3', b'"modes": 4', 1))
    elif how == "missing":
        path.unlink()
    else:
        record = many.record()
        many.update(record.model_copy(update={"note": "another", "digest": ""}))
    expected = {"rewritten": "failed", "missing": "stopped", "edited": "finished"}[how]
    assert read_runs(many)["status"].tolist()[2 * 64] == expected
    pd.testing.assert_frame_equal(read_runs(many), runs_table(many))


def test_a_table_that_another_process_wrote_of_fewer_fleets_is_not_believed(
    many: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that resume one study write its tables at once: the older table comes last, just before the newer's digest."""
    older, write = runs_table(many).assign(status="stopped"), Store.write_frame

    def overtaken(store: Store, name: str, frame: pd.DataFrame) -> str:
        written = write(store, name, frame)
        if name == "runs.parquet":
            write(store, name, older)
        return written

    monkeypatch.setattr(Store, "write_frame", overtaken)
    write_views(many)
    pd.testing.assert_frame_equal(read_runs(many), runs_table(many))


def test_fleets_that_cannot_be_listed_are_one_sentence_and_a_strange_name_among_them_is_passed_by(
    many: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    strange = many.folder / "fleets" / os.fsdecode(b"\xff")
    strange.mkdir()
    (strange / "results.json").touch()
    write_views(many)
    pd.testing.assert_frame_equal(read_runs(many), runs_table(many))
    assert "views.json is not a study's own" not in " ".join(verify_study(many.folder).notes)
    fail_at(monkeypatch, "os.listdir")
    with pytest.raises(StoreError, match="fleets cannot be read: No space left"):
        write_views(many)


def test_tables_that_take_long_are_not_written_at_every_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that takes 2 s is written again after 40 s; one that takes 0.1 s, each time."""
    now, written = [0.0], list[float]()
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def write(cost: float) -> Any:
        def body(_store: Store) -> None:
            written.append(now[0])
            now[0] += cost

        return body

    for cost, expected in ((2.0, [0.0, 45.0]), (0.1, [float(second) for second in range(0, 60, 5)])):
        now[0], views = 0.0, LiveViews(store)
        written.clear()
        monkeypatch.setattr("gantlet.studies.views.write_views", write(cost))
        for second in range(0, 60, 5):
            now[0] = max(now[0], float(second))
            views.refresh()
        assert written == expected


def test_at_the_end_the_tables_are_written_again_only_if_something_changed(finished: Store, folder: Path) -> None:
    shutil.copytree(finished.folder, folder)
    views, tables = LiveViews(Store(folder)), (folder / "runs.parquet", folder / "history.parquet")

    def anew() -> bool:
        before = [path.stat().st_ino if path.exists() else 0 for path in tables]
        views.finish()
        after = [path.stat().st_ino for path in tables]
        return all(one != other for one, other in zip(before, after, strict=True))

    assert anew()  # nobody knows of what the tables were made that were there
    assert not anew()
    tables[1].unlink()
    assert anew()
    (folder / "fleets" / "0001" / "results.json").unlink()
    assert anew()
    assert pd.read_parquet(tables[0])["status"].value_counts()["stopped"] == 4
    views.refresh()
    assert not anew()


# Several at once


def test_two_resumes_of_disjoint_fleets_make_one_study(folder: Path, tmp_path: Path) -> None:
    """Each fleet writes its own folder: fleets trained elsewhere and brought together are a study."""
    whole = terminal.study(folder, "vanilla,alpha", seeds="2")
    other = Store(tmp_path / "other")
    other.create(whole.record())
    (other.folder / "fleets").mkdir()
    (whole.fleet("0001")).rename(other.fleet("0001"))
    assert runs_table(whole)["status"].tolist() == ["finished"] * 2 + ["stopped"] * 2
    (other.fleet("0001")).rename(whole.fleet("0001"))
    assert Study(resume(folder).folder).runs["status"].tolist() == ["finished"] * 4
    assert repr(Study(folder)) == f"Study({str(folder)!r}, 4 finished)"


def test_a_key_that_is_a_number_for_one_method_and_a_word_for_another_makes_a_column_of_words(folder: Path) -> None:
    """``kernel`` is the side of a convolution for dcgan, and a kind of kernel for mmd."""
    rows: list[dict[str, Any]] = [{"run": 0, "kernel": 5}, {"run": 1, "kernel": "rational-quadratic"}, {"run": 2}]
    members, fleet = tuple(Member(run, 0, run) for run in range(3)), FleetPlan(id="0000", slots=(0, 1, 2))
    store = Store(folder)
    store.create(terminal.study_record(members=3, plan=PlanRecord(members=members, fleets=(fleet,))))
    store.write_results("0000", rows)
    write_views(store)
    read = pd.read_parquet(store.folder / "runs.parquet")
    assert read["kernel"].iloc[:2].tolist() == ["5", "rational-quadratic"]
    assert pd.isna(read["kernel"].iloc[2])
    assert read["run"].tolist() == [0, 1, 2]
