"""Damaged, edited and forged folders through every command: no traceback, no hang, nothing outside, nothing run, nothing
wrong that is not said. ``scripts/mutate`` does the same by the thousand."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import terminal
from gantlet.errors import UnknownName
from gantlet.files import sealed
from gantlet.requests.parts import Catalogue
from gantlet.studies.launch import resume
from gantlet.studies.store import Store
from gantlet.studies.views import runs_table
from mutants import Grounds, Mutant, mutants
from thinning import leading


@pytest.fixture(scope="module")
def grounds(tmp_path_factory: pytest.TempPathFactory, quick: None) -> Grounds:
    return Grounds(tmp_path_factory.mktemp("grounds"))


@pytest.mark.slow
@pytest.mark.parametrize("base", ["finished", "stopped", "drawn", "kept", "started", "cut"])
def test_a_folder_that_nobody_changed_has_no_fault(grounds: Grounds, base: str) -> None:
    outcome = grounds.try_out(Mutant("unchanged", base, lambda folder: None))
    assert outcome.faults == []


@pytest.mark.slow
def test_some_mutants_of_every_kind(grounds: Grounds) -> None:
    drawn = mutants(grounds, 3000, seed=1)
    assert len({mutant.name for mutant in drawn}) > 2500
    for kind in ("flipped", "a pipe", "exchanged", "a stranger's part forged", "outside forged"):
        mutant = next(mutant for mutant in drawn if kind in mutant.name)
        assert (mutant.name, grounds.try_out(mutant).faults) == (mutant.name, [])


@pytest.mark.slow
def test_many_mutants(grounds: Grounds) -> None:
    faults = {mutant.name: found for mutant in mutants(grounds, 60, 2) if (found := grounds.try_out(mutant).faults)}
    assert faults == {}


@pytest.mark.slow
def test_what_must_not_happen_is_noticed(grounds: Grounds, monkeypatch: pytest.MonkeyPatch) -> None:
    """The generator's own test: with the checks of seals gone it finds what they find."""
    chunk = next(name for name in terminal.tree(grounds.bases["finished"]) if "results.json" in name)

    def edited(folder: Path) -> None:
        content = json.loads((folder / chunk).read_text())
        content["runs"][0]["modes"] += 1
        (folder / chunk).write_text(json.dumps(content))

    assert grounds.try_out(Mutant("edited", "finished", edited), commands=("show",)).faults == []
    monkeypatch.setattr("gantlet.studies.store.check_seal", lambda content, what: None)
    assert (
        "shown with other numbers"
        in grounds.try_out(Mutant("edited", "finished", edited), commands=("show",)).faults[0]
    )


# What they found


@pytest.mark.parametrize(
    "value",
    leading([10**400, [1, "x", [[[2]]]], {"x": 1}, [{}]]),
    ids=["beyond any integer", "deep list", "object", "objects"],
)
def test_results_that_no_table_can_hold_are_refused(folder: Path, value: Any) -> None:
    store = terminal.study(folder, "vanilla", seeds="2", width=1)
    path = store.fleet("0000") / "results.json"
    content = json.loads(path.read_text())
    content["runs"][0]["modes"] = value
    path.write_text(json.dumps(sealed(content)))
    for command in ("show", "verify", "repair"):
        assert "Traceback" not in terminal.gantlet(command, folder).err


@pytest.mark.slow
@pytest.mark.parametrize("value", leading(["x", [1, 2], True]))
def test_a_column_of_several_kinds_is_one_of_words(folder: Path, value: Any) -> None:
    store = terminal.study(folder, "vanilla", seeds="2", width=1)
    rows = store.results(terminal.fleet_of(store, "0000"))
    store.write_results("0000", [{**rows[0], "modes": value}], study=store.record().seal)
    assert terminal.gantlet("repair", folder).status == 0
    assert terminal.gantlet("show", folder, "--runs").status == 0


@pytest.mark.parametrize("put", leading([os.mkfifo, lambda path: path.symlink_to("/nowhere"), Path.mkdir]))
def test_what_is_no_file_in_the_place_of_history_does_not_hang(folder: Path, put: Callable[[Path], object]) -> None:
    store = terminal.study(folder, "vanilla")
    chunk = min(store.fleet("0000").glob("history-*"))
    chunk.unlink()
    put(chunk)
    for command in ("show", "verify", "repair"):
        assert "Traceback" not in terminal.gantlet(command, folder).err
    resume(folder)
    assert len(Store(folder).history()) > 0


@pytest.mark.parametrize("value", leading([{"x": 1}, [[]], 3.5, None]))
def test_a_state_with_a_field_of_another_kind_is_one_sentence(folder: Path, value: Any) -> None:
    store = terminal.study(folder, "vanilla", seeds="1")
    path = store.checkpoint("0000") / "state.json"
    good = json.loads(path.read_text())
    for field in ("study", "fleet", "chunks", "kept", "best", "held", "exits", "step"):
        path.write_text(json.dumps(sealed(good | {field: value})))
        for command, words in (("sample", (0, "--n", 2, "--step", "last", "--out", folder / "s.npy")), ("verify", ())):
            done = terminal.gantlet(command, folder, *words)
            assert (field, done.status in (0, 1, 2), "Traceback" in done.err) == (field, True, False)


def test_a_name_that_no_file_can_have_is_one_sentence() -> None:
    for name in ("x" * 10_000, "~nobody-of-this-name/x", "x\0y"):
        with pytest.raises(UnknownName):
            Catalogue().task(name)


def test_a_setting_without_its_source_is_read(folder: Path) -> None:
    store = terminal.study(folder, "vanilla")
    record = store.record()
    setting = record.settings[0].model_copy(update={"sources": {}})
    store.update(record.model_copy(update={"settings": (setting,)}))
    assert runs_table(resume(folder))["status"].tolist() == ["finished"]


def test_a_link_in_the_place_of_the_older_checkpoint_is_not_followed(folder: Path, tmp_path: Path) -> None:
    store = terminal.study(folder, "vanilla")
    (store.fleet("0000") / "results.json").unlink()
    (tmp_path / "precious").mkdir()
    (store.fleet("0000") / "checkpoint.damaged").symlink_to(tmp_path / "precious")
    old = store.fleet("0000") / "checkpoint.old"
    for path in sorted(old.iterdir()):
        path.unlink()
    old.rmdir()
    (store.checkpoint("0000") / "state.json").write_text("[")
    old.symlink_to(tmp_path / "precious")
    assert runs_table(resume(folder))["status"].tolist() == ["failed"]
    assert "is a link" in str(store.failure("0000"))
    assert list((tmp_path / "precious").iterdir()) == []
