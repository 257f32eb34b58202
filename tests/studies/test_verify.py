"""``verify`` says of every damage what it is, writes nothing and runs nothing; ``repair`` mends it without inventing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from PIL import Image

import gantlet
import terminal
from damaging import edit, flip
from gantlet.errors import Damaged, StoreError
from gantlet.files import locked, sealed
from gantlet.studies.executors.base import Callbacks
from gantlet.studies.launch import resume, start
from gantlet.studies.record_parts import InitialRecord
from gantlet.studies.repair import repair_study
from gantlet.studies.store import Store
from gantlet.studies.verify import verify_study
from gantlet.training import checkpoint
from thinning import leading

WORDS = ("steps=12", "evaluations=4")


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory, quick: None) -> Store:
    """A finished study of two fleets; to be read, not changed."""
    return terminal.study(tmp_path_factory.mktemp("sound") / "study", "wgan-gp,vanilla", *WORDS, seeds="2")


@pytest.fixture(scope="session")
def halted(tmp_path_factory: pytest.TempPathFactory, quick: None) -> Store:
    """The same study, stopped after its third evaluation; to be read, not changed."""
    folder, heard = tmp_path_factory.mktemp("halted") / "study", list[int]()

    def stopping() -> bool:
        heard.append(1)
        return len(heard) > 9

    start(terminal.planned(folder, "wgan-gp,vanilla", *WORDS, seeds="2"), Callbacks(stopping=stopping))
    return Store(folder)


def copied(store: Store, folder: Path) -> Store:
    shutil.copytree(store.folder, folder)
    return Store(folder)


def shuffled(path: Path) -> None:
    pd.read_parquet(path).iloc[::-1].to_parquet(path, index=False)


def exchanged(folder: Path, *names: str) -> None:
    one, other = (folder / name for name in names)
    one.rename(folder / "between")
    other.rename(one)
    (folder / "between").rename(other)


def unlink_all(folder: Path, pattern: str) -> None:
    for path in folder.glob(pattern):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


DAMAGES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a flipped bit": (
        "halted",
        lambda f: flip(f / "fleets/0000/checkpoint/tensors.safetensors"),
        "its tensors do not have their checksum. Fleet 0000 goes on from step 6.",
    ),
    "both flipped": (
        "halted",
        lambda f: [flip(path) for path in f.glob("fleets/0000/checkpoint*/tensors.safetensors")],
        "Fleet 0000 begins again at step 0, without a good checkpoint.",
    ),
    "the older flipped": (
        "halted",
        lambda f: flip(f / "fleets/0000/checkpoint.old/tensors.safetensors"),
        "Fleet 0000 goes on from step 9.",
    ),
    "no state": ("halted", lambda f: (f / "fleets/0000/checkpoint/state.json").unlink(), "it is missing"),
    "not a folder": (
        "halted",
        lambda f: [shutil.rmtree(f / "fleets/0000/checkpoint"), (f / "fleets/0000/checkpoint").touch()],
        "is not a folder",
    ),
    "history gone": ("halted", lambda f: min(f.glob("fleets/0000/history*")).unlink(), "is missing"),
    "a finished one's flipped": (
        "sound",
        lambda f: flip(f / "fleets/0000/checkpoint/tensors.safetensors"),
        "are good, but its weights at the end are lost: its last good checkpoint is of step 9.",
    ),
    "a finished one's gone": (
        "sound",
        lambda f: shutil.rmtree(f / "fleets/0000/checkpoint"),
        "has results, but its last checkpoint is missing",
    ),
    "a finished one's both gone": (
        "sound",
        lambda f: unlink_all(f, "fleets/0000/checkpoint*"),
        "has results, but its last checkpoint is missing",
    ),
    "a finished one's history cut": (
        "sound",
        lambda f: min(f.glob("fleets/0000/history*")).write_bytes(b"PAR1"),
        "is damaged. The results and weights of fleet 0000 are good, and part of its history is lost.",
    ),
    "a finished one's history gone": ("sound", lambda f: min(f.glob("fleets/0000/history*")).unlink(), "is missing"),
    "a finished one's older flipped": (
        "sound",
        lambda f: flip(f / "fleets/0000/checkpoint.old/tensors.safetensors"),
        "The results and the last checkpoint of fleet 0000 are good.",
    ),
    "results gone": (
        "sound",
        lambda f: (f / "fleets/0000/results.json").unlink(),
        "results.json is missing, and runs.parquet says that fleet 0000 was finished. Fleet 0000 goes on from step 12.",
    ),
    "a finished fleet gone": (
        "sound",
        lambda f: shutil.rmtree(f / "fleets/0001"),
        "fleets/0001 is missing, and runs.parquet says that fleet 0001 was finished.",
    ),
    "a stopped fleet gone": (
        "halted",
        lambda f: shutil.rmtree(f / "fleets/0000"),
        "fleets/0000 is missing, and history.parquet says that fleet 0000 was trained to step 9.",
    ),
    "fleets exchanged": ("sound", lambda f: exchanged(f / "fleets", "0000", "0001"), "is that of fleet 0001"),
    "results edited": (
        "sound",
        lambda f: edit(f / "fleets/0000/results.json", lambda found: found["runs"][0].update(modes=8)),
        "was damaged or changed since it was written",
    ),
    "a table edited": ("sound", lambda f: shuffled(f / "runs.parquet"), "runs.parquet"),
    "a table gone": ("sound", lambda f: (f / "history.parquet").unlink(), "is missing"),
}


@pytest.mark.parametrize("damage", leading(list(DAMAGES)))
def test_damage_is_told_mended_and_trained_away(folder: Path, sound: Store, halted: Store, damage: str) -> None:
    kind, hurt, expected = DAMAGES[damage]
    store = copied({"sound": sound, "halted": halted}[kind], folder)
    assert not verify_study(folder).wrong
    hurt(folder)
    before = terminal.tree(folder)
    found = verify_study(folder)
    assert any(expected in sentence for sentence in found.wrong), found
    assert terminal.tree(folder) == before
    assert repair_study(folder)
    assert not verify_study(folder).wrong
    assert repair_study(folder) == []
    resume(folder)
    assert not verify_study(folder).wrong
    assert all(fleet.state == "finished" for fleet in verify_study(folder).fleets)
    assert terminal.results(store) == terminal.results(sound)
    lost = "history" in damage and kind == "sound"
    assert terminal.difference(store, sound) in ((None, "history") if lost else (None,))


def test_a_whole_study_is_whole_and_its_repair_does_nothing(sound: Store, halted: Store) -> None:
    for store, states in ((sound, ["finished"] * 2), (halted, ["stopped at step 9", "not begun"])):
        before = terminal.tree(store.folder)
        found = gantlet.Study(store.folder).verify()
        assert (found.wrong, found.notes) == ((), ())
        assert [fleet.state for fleet in found.fleets] == states
        assert repair_study(store.folder) == []
        assert terminal.tree(store.folder) == before


@pytest.mark.slow
@pytest.mark.parametrize("damage", leading(["results gone", "a finished fleet gone"]))
def test_what_was_finished_and_is_lost_is_trained_again_and_said(folder: Path, sound: Store, damage: str) -> None:
    store = copied(sound, folder)
    DAMAGES[damage][1](folder)
    done = terminal.gantlet("resume", folder, "-q")
    went = "goes on from its last good checkpoint" if damage == "results gone" else "is trained again from the start"
    assert (done.status, len(done.lines)) == (1, 1)
    assert done.err.endswith(f"was finished. It {went}.\n")
    assert terminal.difference(store, sound) is None
    assert terminal.gantlet("resume", folder, "-q").status == 0


def test_tables_are_not_called_wrong_while_a_run_is_ending(folder: Path, sound: Store) -> None:
    store = copied(sound, folder)
    (folder / "history.parquet").unlink()
    shuffled(folder / "runs.parquet")
    with locked(store.study_lock, shared=True):
        found = verify_study(folder)
    assert found.wrong == ()
    assert f"in use by process {os.getpid()} on" in found.notes[-1]
    assert len(found.notes) == 3
    assert len(verify_study(folder).wrong) == 2


@pytest.mark.parametrize("state", leading(["newer", "older", "unfinished"]))
def test_a_checkpoint_whose_writer_died_takes_its_place_if_it_is_good_and_newer(
    folder: Path, halted: Store, sound: Store, state: str
) -> None:
    store = copied(halted, folder)
    place = store.checkpoint("0000")
    fresh, old = (place.with_name(place.name + end) for end in (".new", ".old"))
    if state == "newer":  # killed between the two renames
        place.rename(fresh)
    else:
        shutil.copytree(old, fresh)
    if state == "unfinished":
        (fresh / "state.json").unlink()
    before = checkpoint.read(place)[1]["step"]
    did = repair_study(folder)
    assert checkpoint.read(place)[1]["step"] == 9
    assert before == (6 if state == "newer" else 9)
    assert (len(did), fresh.exists(), old.exists()) == (1, False, True)
    sentence = {
        "newer": "whole and of step 9, was put in its place",
        "older": "older than the last good one, was deleted",
        "unfinished": "which was never finished, was deleted",
    }[state]
    assert sentence in did[0]
    assert (verify_study(folder).wrong, repair_study(folder)) == ((), [])
    resume(folder)
    assert terminal.difference(store, sound) is None


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [flip, _emptied])
def test_an_image_of_samples_that_is_damaged_is_named_and_one_of_ones_own_is_not_looked_at(
    folder: Path, sound: Store, damage: Callable[[Path], object]
) -> None:
    copied(sound, folder)
    place = folder / "samples" / "0"
    place.mkdir(parents=True, exist_ok=True)
    for name in ("000000003.png", "final.png"):
        Image.effect_noise((16, 16), 9.0).save(place / name)
    (place / "holiday.png").write_bytes(b"mine")
    assert verify_study(folder).wrong == ()
    damage(place / "000000003.png")
    (sentence,) = verify_study(folder).wrong
    assert sentence.startswith(f"{place}/000000003.png is damaged: it is no whole PNG image.")


@pytest.mark.slow
def test_repair_is_offered_only_for_what_it_mends(folder: Path, sound: Store, tmp_path: Path) -> None:
    copied(sound, folder)
    (folder / "samples" / "0").parent.mkdir(exist_ok=True)
    (folder / "samples" / "0").symlink_to(tmp_path)
    assert "Links, special files and damaged images are for you to remove" in terminal.gantlet("verify", folder).out
    done = terminal.gantlet("repair", folder)
    assert (done.status, done.out.splitlines()[-1]) == (1, "1 thing is wrong that repair does not mend.")
    edit(folder / "study.json", lambda record: record.update(note="better"))
    done = terminal.gantlet("verify", folder)
    assert done.out.splitlines()[-1] == f"1 thing is wrong. Put a good copy of {folder}/study.json in its place."
    assert terminal.gantlet("repair", folder).status == 2


GARBLED: dict[str, Any] = {
    "not JSON": "[",
    "empty": "",
    "a list": "[]",
    "no parts": {"into": []},
    "a number": {"into": 5},
    "of another fleet": {"into": [{"id": "0001a", "slots": [0, 1]}]},
    "one half": {"into": [{"id": "0000a", "slots": [0, 1]}]},
    "a stranger among the slots": {
        "into": [{"id": "0000a", "slots": [0, 99], "pads": 1}, {"id": "0000b", "slots": [1]}]
    },
    "a path": {"into": [{"id": "../../victim", "slots": [0]}, {"id": "0000b", "slots": [1]}]},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("garbled", "cut"), leading([(garbled, place % 2 == 0) for place, garbled in enumerate(GARBLED)])
)
def test_a_garbled_note_of_a_cut_is_told_and_passed_by(folder: Path, sound: Store, garbled: str, cut: bool) -> None:
    content = GARBLED[garbled]
    store = copied(sound, folder)
    planned = terminal.fleet_of(store, "0000")
    if cut:
        rows = store.results(planned)
        for half in planned.halves:
            shutil.copytree(store.checkpoint("0000"), store.checkpoint(half.id))
            store.write_results(half.id, [row for row in rows if row["run"] in half.runs], study=store.record().seal)
        shutil.rmtree(store.fleet("0000"))
        store.fleet("0000").mkdir()
    path = store.fleet("0000") / "split.json"
    path.write_text(content if isinstance(content, str) else json.dumps(sealed(content)))
    before = terminal.results(sound)
    assert any(str(path) in sentence for sentence in verify_study(folder).wrong)
    for command in ("show", "resume"):
        done = terminal.gantlet(command, folder, *(["-q"] if command == "resume" else ["--runs", "--format", "csv"]))
        assert (done.status, "Traceback" in done.err) == (0, False)
    assert terminal.results(store) == before
    did = repair_study(folder)
    assert any(str(path) in sentence for sentence in did)
    assert store.split(planned) == (list(planned.halves) if cut else None)
    assert not any("split.json" in sentence for sentence in verify_study(folder).wrong)


def test_an_edited_record_is_told_and_not_mended(folder: Path, sound: Store) -> None:
    copied(sound, folder)
    edit(folder / "study.json", lambda record: record.update(note="better"))
    assert "does not have its checksum" in verify_study(folder).wrong[0]
    with pytest.raises(Damaged, match="does not have its checksum"):
        repair_study(folder)


def test_links_and_pipes_are_wrong_and_files_of_others_are_noted(folder: Path, sound: Store, tmp_path: Path) -> None:
    copied(sound, folder)
    (folder / "mine.txt").touch()
    (folder / "fleets" / "0099").mkdir()
    assert not verify_study(folder).wrong
    assert all(note.endswith("is not a study's own; it is left alone.") for note in verify_study(folder).notes)
    assert len(verify_study(folder).notes) == 2
    (folder / "samples").mkdir(exist_ok=True)
    (folder / "samples" / "0").symlink_to(tmp_path)
    os.mkfifo(folder / "fleets" / "pipe")
    wrong = verify_study(folder).wrong
    assert len(wrong) == 2
    assert any("is a link" in sentence for sentence in wrong)
    assert any("is not a plain file" in sentence for sentence in wrong)


def test_a_fleet_that_is_being_trained_is_not_looked_at_and_not_repaired(folder: Path, halted: Store) -> None:
    store = copied(halted, folder)
    flip(folder / "fleets/0000/checkpoint/tensors.safetensors")
    with locked(store.lock("0000")):
        assert "being trained by process" in verify_study(folder).fleets[0].state
        before = terminal.tree(store.fleet("0000"))
        assert any("was left alone" in sentence for sentence in repair_study(folder))
        assert terminal.tree(store.fleet("0000")) == before
    assert verify_study(folder).wrong


@pytest.mark.slow
def test_where_a_fleet_was_cut_is_written_again(folder: Path, sound: Store) -> None:
    store = copied(sound, folder)
    planned = terminal.fleet_of(store, "0000")
    rows = store.results(planned)
    for half in planned.halves:
        store.write_results(half.id, [row for row in rows if row["run"] in half.runs], study=store.record().seal)
    shutil.rmtree(store.fleet("0000"))
    for content in (None, "["):
        if content is not None:
            (store.fleet("0000") / "split.json").write_text(content)
        assert any("split.json" in sentence for sentence in verify_study(folder).wrong)
        assert [leaf.id for leaf in store.leaves(planned)] == ["0000a", "0000b"]
        assert any("was written again" in sentence for sentence in repair_study(folder))
        assert store.split(planned) == list(planned.halves)
        (store.fleet("0000") / "split.json").unlink()


def test_what_was_trained_is_not_taken_from_another_fleet_or_step(folder: Path, sound: Store) -> None:
    copied(sound, folder)
    shutil.rmtree(folder / "fleets/0000/checkpoint")
    with pytest.raises(Damaged, match=r"is of step 9, before the end of the training\. .* gantlet repair"):
        gantlet.load(folder, run=0)
    shutil.copytree(folder / "fleets/0001/checkpoint", folder / "fleets/0000/checkpoint")
    with pytest.raises(Damaged, match="is that of fleet 0001"):
        gantlet.load(folder, run=0)


def test_tables_that_were_edited_are_not_shown(folder: Path, sound: Store) -> None:
    store = copied(sound, folder)
    other = terminal.gantlet("show", folder, "--runs", "--format", "csv")
    runs = gantlet.Study(folder).runs.assign(modes=99)
    store.write_frame("runs.parquet", runs)
    assert terminal.gantlet("show", folder, "--runs", "--format", "csv") == other


def test_the_same_table_by_another_version_of_pandas_is_whole_and_another_value_is_told(
    folder: Path, sound: Store
) -> None:
    """An older pandas writes texts as another type of Arrow; what they say is the same."""
    copied(sound, folder)
    path = folder / "runs.parquet"
    older = pq.read_table(path)
    fields = [field.with_type(pa.string()) if pa.types.is_large_string(field.type) else field for field in older.schema]
    older = older.cast(pa.schema(fields, older.schema.metadata))
    assert "string" in map(str, older.schema.types)
    pq.write_table(older, path)
    assert not verify_study(folder).wrong
    place = older.schema.get_field_index("seed")
    pq.write_table(older.set_column(place, "seed", pc.add(older.column("seed"), 1)), path)
    assert any("runs.parquet" in sentence for sentence in verify_study(folder).wrong)


# The commands


def test_verify_says_it_in_lines_and_in_json(folder: Path, halted: Store) -> None:
    copied(halted, folder)
    done = terminal.gantlet("verify", folder)
    assert done.status == 0
    assert done.out.endswith(f"{folder} is whole; 2 of 2 fleets are not finished: gantlet resume {folder}\n")
    flip(folder / "fleets/0000/checkpoint/tensors.safetensors")
    done = terminal.gantlet("verify", folder)
    assert done.status == 1
    assert "fleet 0000: stopped at step 6\n  wrong: The checkpoint in" in done.out
    assert f"1 thing is wrong. What can be done does: gantlet repair {folder}" in done.out
    done = terminal.gantlet("verify", folder, "--format", "json")
    content = json.loads(done.out)
    assert (done.status, content["whole"], len(content["fleets"][0]["damage"])) == (1, False, 1)
    done = terminal.gantlet("repair", folder)
    assert (done.status, "The checkpoint was set aside." in done.out) == (0, True)
    assert terminal.gantlet("repair", folder).out == "There was nothing to do.\n"
    assert terminal.gantlet("verify", folder, "--format", "xml").status == 2


@pytest.mark.parametrize("command", ["verify", "repair"])
def test_what_is_no_study_is_one_sentence(tmp_path: Path, command: str) -> None:
    done = terminal.gantlet(command, tmp_path)
    assert (done.status, done.lines) == (2, [f"gantlet: {tmp_path} is not a study folder: it has no study.json."])


def test_a_folder_that_cannot_be_written_is_one_sentence(
    folder: Path, halted: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(halted, folder)
    flip(folder / "fleets/0000/checkpoint/tensors.safetensors")

    def refused(*words: Any, **more: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refused)
    assert any("cannot be moved" in sentence for sentence in repair_study(folder))
    monkeypatch.undo()
    with pytest.raises(StoreError, match="is not a study folder"):
        repair_study(folder / "fleets")


def test_what_is_set_aside_is_kept_and_weights_are_used_without_their_history(folder: Path, halted: Store) -> None:
    """A chunk of history is bad, so that both checkpoints are: each is kept under a name of its own."""
    store = copied(halted, folder)
    fleet = next(path for path in sorted((folder / "fleets").iterdir()) if (path / "checkpoint.old").is_dir())
    first = min(fleet.glob("history-*.parquet"))
    held = {(path / "state.json").read_bytes() for path in (fleet / "checkpoint", fleet / "checkpoint.old")}
    flip(first)
    run = next(each.runs[0] for each in store.record().plan.fleets if each.id == fleet.name)
    assert gantlet.load(folder, run=run) is not None
    repair_study(folder)
    aside = [fleet / "checkpoint.damaged", fleet / "checkpoint.damaged.2"]
    assert {(path / "state.json").read_bytes() for path in aside} == held


def test_a_lock_that_a_process_left_behind_does_not_hide_damage(folder: Path, halted: Store) -> None:
    store = copied(halted, folder)
    flip(folder / "fleets/0000/checkpoint/tensors.safetensors")
    store.lock("0000").write_text(json.dumps({"pid": 1, "host": "elsewhere", "since": "2020-01-01T00:00:00"}))
    assert any("0000/checkpoint is damaged" in sentence for sentence in verify_study(folder).wrong)


@pytest.mark.parametrize(("name", "value"), [("study", []), ("chunks", []), ("chunks", None), ("last", 3)])
def test_a_state_of_odd_types_is_damage(folder: Path, halted: Store, name: str, value: object) -> None:
    copied(halted, folder)
    path = folder / "fleets/0000/checkpoint/state.json"
    path.write_text(json.dumps(sealed(json.loads(path.read_text()) | {name: value})))
    assert any(f"is not what a fleet writes: {name}" in sentence for sentence in verify_study(folder).wrong)
    repair_study(folder)
    assert verify_study(folder).wrong == ()


def test_repair_renames_nothing_outside_of_the_folder(folder: Path, tmp_path: Path) -> None:
    store = terminal.study(folder, "vanilla")
    victim, path = tmp_path / "victim", store.checkpoint("0000") / "state.json"
    victim.write_text("mine")
    state = json.loads(path.read_text())
    state["chunks"]["../../../victim"] = "0" * 64
    path.write_text(json.dumps(sealed({name: value for name, value in state.items() if name != "seal"})))
    repair_study(folder)
    assert victim.read_text() == "mine"
    assert {each.name for each in tmp_path.iterdir()} <= {"victim", folder.name}


def test_repair_of_a_study_that_starts_from_nothing_named_says_so(folder: Path) -> None:
    store = terminal.study(folder, "vanilla")
    source = InitialRecord(study="", run=0, step=0, sha256="0" * 64)
    store.update(store.record().model_copy(update={"initial": {"": source}}))
    assert any("does not have them any more" in sentence for sentence in repair_study(folder))


def test_what_goes_while_it_is_looked_at_is_not_wrong(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that a worker renames between the listing of its folder and the look at it."""
    terminal.study(folder, "vanilla")
    walk = os.walk
    monkeypatch.setattr(os, "walk", lambda top: ((root, dirs, [*files, "gone"]) for root, dirs, files in walk(top)))
    assert not verify_study(folder).wrong
