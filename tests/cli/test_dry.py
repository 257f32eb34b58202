"""``gantlet run --dry-run``: what would run, where each value comes from, and nothing written."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from gantlet.requests.grid import parse_axis
from gantlet.training.fleet import Fleet
from terminal import TINY, gantlet, resolve
from thinning import leading


def dry(*words: str) -> Any:
    done = gantlet("run", "ring8", *words, "--workers", "1", "--dry-run")
    assert (done.status, done.err) == (0, "")
    return done.out


def test_values_are_printed_with_their_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    out = dry("vanilla,alpha", *TINY, "lr_g=0.5", "--seeds", "3", "--preset", "", "--all")
    assert out.startswith("6 members: 2 settings × 3 seeds, in 2 fleets, 1 at a time with 1 threads each on cpu\n")
    rows = [line.split(maxsplit=2) for line in out.splitlines()]
    assert ["lr_g", "0.5", "user"] in [[word.strip() for word in row] for row in rows]
    assert ["beta1", "0.9", "task × method"] in [[word.strip() for word in row] for row in rows]
    assert ["latent_dim", "2", "task"] in [[word.strip() for word in row] for row in rows]
    assert ["alpha_d", "0.5", "default"] in [[word.strip() for word in row] for row in rows]
    assert "minutes of training in all, without evaluations" in out
    assert list(tmp_path.iterdir()) == []


def test_json_holds_the_whole_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("vanilla,wgan-gp", *TINY, "lr=0.1,0.2", "--seeds", "5")
    plan = json.loads(dry(*words, "--width", "3", "--json"))
    asked = resolve("ring8", "vanilla,wgan-gp", *(w for w in words[1:-2] if parse_axis(w)))
    assert [setting["values"] for setting in plan["settings"]] == [resolved.values for resolved in asked]
    assert (plan["members"], plan["workers"], plan["threads"], plan["device"]) == (20, 1, 1, "cpu")
    assert [(len(fleet["slots"]), fleet["pads"], fleet["route"]) for fleet in plan["fleets"]] == [
        (3, 0, "stacked"),
        (3, 0, "stacked"),
        (3, 0, "stacked"),
        (3, 2, "stacked"),
    ] * 2
    assert {fleet["steps"] for fleet in plan["fleets"]} == {6}
    assert {fleet["discriminator_steps"] for fleet in plan["fleets"]} == {6, 30}
    assert all(fleet["mebibytes"] > 0 < fleet["seconds"] for fleet in plan["fleets"])
    assert plan["seconds"] == pytest.approx(sum(fleet["seconds"] for fleet in plan["fleets"]))
    assert list(tmp_path.iterdir()) == []


def test_each_kind_of_fleet_is_timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    build = Fleet.__init__

    def note(fleet: Fleet, sheet: Any, dataset: Any) -> None:
        made.append(len(sheet.seeds))
        build(fleet, sheet, dataset)

    monkeypatch.setattr(Fleet, "__init__", note)
    dry("vanilla", *TINY, "--seeds", "9", "--width", "3")
    assert made == [3]


@pytest.mark.parametrize(("method", "steps"), [("vanilla", 7), ("wgan-gp", 2), ("wgan", 2)])
def test_a_few_updates_are_timed_however_many_a_step_has(
    monkeypatch: pytest.MonkeyPatch, method: str, steps: int
) -> None:
    advance, done = Fleet.advance, 0

    def count(fleet: Fleet) -> None:
        nonlocal done
        done += 1
        advance(fleet)

    monkeypatch.setattr(Fleet, "advance", count)
    dry(method, *TINY)
    assert done == steps  # 2 + 5 updates, in whole steps: WGAN's first steps have 100 each


@pytest.mark.parametrize("threads", [1, 2])
def test_the_time_is_a_range_and_a_busy_machine_is_said(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    advance, slept = Fleet.advance, iter([0.0, 0.0, 0.02, 0.02, 0.02, 0.02, 0.02])

    def slow(fleet: Fleet) -> None:
        time.sleep(next(slept))
        advance(fleet)

    monkeypatch.setattr(Fleet, "advance", slow)
    monkeypatch.setattr("gantlet.cli.dry.busy", lambda: 0.87)
    monkeypatch.setattr("gantlet.studies.planning.cores", lambda: threads)
    monkeypatch.setattr("gantlet.studies.planning.threads_allowed", lambda: threads)
    monkeypatch.setenv("COLUMNS", "200")
    out = dry("vanilla", *(word for word in TINY if not word.startswith("steps")), "steps=60000")
    low, high = map(float, re.findall(r"about ([\d.]+) to ([\d.]+) minutes", out)[0])
    assert low < high
    assert high > 60_000 * 0.02 / 60 == 20
    assert low > 20 / 1.3
    assert "The machine was busy when it was measured (87% of its cores): on a quiet one it takes less." in out
    assert ("OMP_NUM_THREADS=1 keeps threads from waiting" in out) == (threads > 1)


def test_notes_of_the_plan_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gantlet.studies.plan.available_memory", lambda device: 1)
    monkeypatch.setenv("COLUMNS", "200")
    assert "note: width 1 instead of 2: a member takes about" in dry("vanilla", *TINY, "--seeds", "2")


def test_an_infinite_value_is_still_json(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = json.loads(dry("alpha", *TINY, "alpha_d=inf", "--json"))
    assert plan["settings"][0]["values"]["alpha_d"] == float("inf")


def test_a_command_can_be_looked_at_without_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every value with its source; what only the data say is a question mark, and why it is one stands above."""
    monkeypatch.setenv("GANTLET_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    words = ("celeba64", "dcgan", "--preset", "seed", "width=2", "batch_size=4", "epochs=20", "--workers", "1")
    done = gantlet("run", *words, "--dry-run", "--all")
    assert done.status == 0, done.err
    assert (
        "The data are not on this machine; what depends on them is shown as '?': The data set 'celeba' is not in"
        in done.out
    )
    rows = [[word.strip() for word in line.split(maxsplit=2)] for line in done.out.splitlines()]
    for row in (["width", "2", "user"], ["epochs", "20.0", "user"], ["first_norm", "False", "preset seed"]):
        assert row in rows
    (fleet,) = [line.split() for line in done.out.splitlines() if line.startswith("0000")]
    assert fleet[-3] == fleet[-1] == "?"  # steps and minutes
    plan = json.loads(gantlet("run", *words, "--dry-run", "--json").out)
    (asked,) = resolve("celeba64", "dcgan", "width=2", "batch_size=4", "epochs=20", preset="seed")
    assert [setting["values"] for setting in plan["settings"]] == [asked.values]
    assert plan["missing"].startswith("The data set 'celeba' is not in")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", leading(["nosuch.onnx", "inception-2015"]))
def test_an_extractor_that_is_not_here_is_said(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run itself refuses it; a dry run, which makes no metrics, had nothing to say."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "400")
    words = (
        "digits",
        "vanilla",
        f"metrics=features:{name}",
        "batch_size=8",
        "train_size=64",
        "test_size=64",
        "steps=2",
    )
    done = gantlet("run", *words, "--workers", "1", "--dry-run")
    assert (done.status, done.err) == (0, "")
    (line,) = [line for line in done.out.splitlines() if line.startswith("The metrics cannot be computed")]
    assert name in line
    plan = json.loads(gantlet("run", *words, "--workers", "1", "--dry-run", "--json").out)
    assert name in plan["missing_metrics"]
    known = json.loads(gantlet("run", *words[:2], "metrics=features:lenet", *words[3:], "--dry-run", "--json").out)
    assert known["missing_metrics"] == ""


@pytest.mark.parametrize(
    ("task", "content", "words"),
    [
        ("points:{}/x.csv", b"a,b\n1,NA\n", "'NA' is a missing value"),
        ("points:{}/x.xlsx", b"PK", "has the ending '.xlsx'"),
        ("images:{}/x.npy", b"no array", "is not a .npy array"),
        ("zip:{}/x.zip", b"no archive", "is not a zip archive"),
        ("shards:{}/x-{{0..1}}.tar", b"no archive", "1 of 2 shards are missing"),
    ],
)
def test_data_that_are_here_and_wrong_are_refused_as_a_run_refuses_them(
    task: str, content: bytes, words: str, tmp_path: Path
) -> None:
    named = task.format(tmp_path)
    Path(named.partition(":")[2].replace("{0..1}", "0")).write_bytes(content)
    asked = ("run", named, "vanilla", "steps=2", "--out", str(tmp_path / "out"))
    done, ran = gantlet(*asked, "--dry-run"), gantlet(*asked)
    assert (done.status, ran.status) == (2, 2)
    assert done.err == ran.err
    assert words in done.err


def test_a_set_that_is_made_of_another_is_looked_at_without_its_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANTLET_DATA", str(tmp_path / "data"))
    plan = json.loads(gantlet("run", "stacked-mnist", "vanilla", "steps=2", "batch_size=4", "--dry-run", "--json").out)
    assert plan["missing"].startswith("The data set 'mnist' is not in")
