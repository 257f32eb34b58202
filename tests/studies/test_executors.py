"""Who trains: this process or workers, with the same numbers; and what happens when a fleet breaks."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
import torch

import terminal
from gantlet import catalogue
from gantlet.errors import StoreError
from gantlet.objectives.vanilla import Vanilla
from gantlet.studies.cache import Cache
from gantlet.studies.executors import local
from gantlet.studies.executors.base import Callbacks, FleetResult
from gantlet.studies.executors.fake import FakeExecutor
from gantlet.studies.executors.orphans import die_with_parent
from gantlet.studies.launch import resume, start
from gantlet.studies.runner import Progress
from gantlet.studies.store import Store
from gantlet.studies.study import Study
from slurm_cluster import wait_for
from thinning import leading

BREAKS = """
import torch
from gantlet.objectives.vanilla import Vanilla

class Breaks(Vanilla):
    calls = 0
    def generator(self, *, real=None, fake):
        Breaks.calls += 1
        if Breaks.calls == 4:
            raise ValueError("no fourth step")
        return super().generator(fake=fake)
"""
TRIPS = """
import torch
from gantlet.objectives.vanilla import Vanilla

class Trips(Vanilla):
    calls = 0
    def generator(self, *, real=None, fake):
        Trips.calls += 1
        loss = super().generator(fake=fake)
        slot = torch.arange(len(loss)).reshape(-1, 1)
        return loss + torch.where((slot == 1) & (Trips.calls == 5), torch.inf, 0.0)  # the first is a trial
"""


def own(folder: Path, content: str) -> str:
    """A file with one class; its path for the command line."""
    name = content.partition("class ")[2].partition("(")[0]
    path = folder / f"{name.lower()}_{folder.name.replace('-', '_')}.py"
    path.write_text(content)
    return f"{path}:{name}"


# Here


def test_a_fleet_that_breaks_fails_alone_and_resume_trains_it(folder: Path, tmp_path: Path) -> None:
    ended: list[FleetResult] = []
    planned = terminal.planned(folder, f"{own(tmp_path, BREAKS)},vanilla", seeds="2")
    start(planned, Callbacks(ended=ended.append))
    assert [(result.fleet, result.kind) for result in ended] == [("0000", "failed"), ("0001", "finished")]
    runs = Study(folder).runs
    assert runs["status"].tolist() == ["failed", "failed", "finished", "finished"]
    assert runs["cause"].tolist()[:2] == ["ValueError: no fourth step"] * 2
    assert "Traceback" in (Store(folder).failure("0000") or "")
    resume(folder)  # the class counts on: its fourth call is over
    assert Study(folder).runs["status"].tolist() == ["finished"] * 4
    assert Store(folder).failure("0000") is None


def test_a_member_that_diverges_leaves_alone(folder: Path, tmp_path: Path) -> None:
    store = terminal.study(folder, own(tmp_path, TRIPS), seeds="3")
    rows = terminal.results(store)
    assert [row["status"] for row in rows.values()] == ["finished", "diverged", "finished"]
    assert (rows[1]["diverged_step"], rows[1]["generator_steps"]) == (3, 3)
    assert rows[1]["cause"] == "the generator's loss was not finite"
    assert (rows[0]["diverged_step"], rows[0]["cause"], rows[0]["generator_steps"]) == (None, None, 6)
    runs = pd.read_parquet(folder / "runs.parquet")
    assert runs["diverged_step"].tolist() == [pd.NA, 3, pd.NA]
    measured = store.history().query("run == 1 and name == 'modes'")
    assert measured["step"].tolist() == [3]


def test_a_rate_beyond_all_measure_makes_every_member_diverge_and_the_study_ends(folder: Path) -> None:
    store = terminal.study(folder, "vanilla", "lr=1e30", "optimiser=sgd", seeds="2")
    rows = terminal.results(store)
    assert {row["status"] for row in rows.values()} == {"diverged"}
    assert all(row["diverged_step"] < 6 and "was not finite" in row["cause"] for row in rows.values())
    assert all(row["modes"] is not None for row in rows.values())  # judged by the last good state


def test_an_error_of_gantlets_own_is_recorded_as_its_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise StoreError("The disk is full.")

    monkeypatch.setattr("gantlet.training.checkpoint.write", refuse)
    store = terminal.study(folder, "vanilla")
    assert store.failure("0000") == "The disk is full."


# Executors of third parties

ELSEWHERE = """
from gantlet.studies.executors.inline import InlineExecutor

class Here(InlineExecutor):
    asked = []

    def run(self, store, fleets, callbacks, *, workers, cache):
        self.asked.append((tuple(fleets), workers))
        super().run(store, fleets, callbacks, workers=workers, cache=cache)

class Silent:
    def run(self, store, fleets, callbacks, *, workers, cache):
        raise AssertionError("not started here")
"""


@pytest.mark.parametrize("by", leading(["path", "entry point"]))
def test_an_executor_of_a_third_party_that_trains_here_trains_what_only_this_process_has(
    by: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    request: pytest.FixtureRequest,
) -> None:
    module = f"third_party_{by.replace(' ', '_')}"
    (tmp_path / f"{module}.py").write_text(ELSEWHERE)
    monkeypatch.syspath_prepend(str(tmp_path))
    request.addfinalizer(catalogue._tables.cache_clear)  # pyright: ignore[reportPrivateUsage]
    executor = f"{module}:Here"
    if by == "entry point":
        points = tmp_path / "third_party-1.0.dist-info"
        points.mkdir()
        (points / "METADATA").write_text("Name: third-party\nVersion: 1.0\n")
        (points / "entry_points.txt").write_text(f"[gantlet.executors]\nhere = {executor}\n")
        catalogue._tables.cache_clear()  # pyright: ignore[reportPrivateUsage]
        executor = "here"

    class OnlyHere(Vanilla):
        """Defined within a function: no other process can import it."""

    planned = terminal.planned(folder, catalogue.remember(OnlyHere), seeds="3", executor=executor, workers=2, width=1)
    assert (planned.executor, planned.workers) == (executor, 1)
    assert "no worker process can import it" not in caplog.text
    start(planned)
    assert Study(folder).runs["status"].tolist() == ["finished"] * 3
    assert sys.modules[module].Here.asked == [(("0000", "0001", "0002"), 1)]


def test_an_executor_that_does_not_say_where_it_trains_counts_as_one_with_other_processes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "third_party_silent.py").write_text(ELSEWHERE)
    monkeypatch.syspath_prepend(str(tmp_path))
    silent = "third_party_silent:Silent"
    planned = terminal.planned(folder, "vanilla", seeds="2", executor=silent, workers=2, width=1)
    assert (planned.executor, planned.workers) == (silent, 2)

    class OnlyHere(Vanilla):
        """Defined within a function: no other process can import it."""

    planned = terminal.planned(folder, catalogue.remember(OnlyHere), seeds="2", executor=silent, workers=2, width=1)
    assert (planned.executor, planned.workers) == ("inline", 1)
    assert "no worker process can import it" in caplog.text


# Workers


@pytest.mark.slow
def test_workers_train_the_same_numbers_as_this_process(folder: Path, tmp_path: Path) -> None:
    heard: list[Progress] = []
    ended: list[FleetResult] = []
    planned = terminal.planned(folder, "vanilla,alpha", seeds="4", workers=2, width=2)
    assert (planned.workers, len(planned.plan.fleets)) == (2, 4)
    start(planned, Callbacks(progress=heard.append, ended=ended.append))
    alone = terminal.study(tmp_path / "alone", "vanilla,alpha", seeds="4", width=2)
    assert terminal.difference(Store(folder), alone) is None
    assert {result.kind for result in ended} == {"finished"}
    assert {progress.fleet for progress in heard} == {"0000", "0001", "0002", "0003"}
    assert all(progress.best is None or isinstance(progress.best, tuple) for progress in heard)
    assert [path.name for path in folder.glob(".*")] == []  # no worker's log stays


def deadly(folder: Path, *, call: int) -> str:
    """An objective that ends its process at a call, counted in each process anew."""
    content = BREAKS.replace("== 4", f"== {call}").replace(
        'raise ValueError("no fourth step")', "import os; os._exit(7)"
    )
    return own(folder, content)


@pytest.mark.slow
def test_a_fleet_whose_workers_all_died_is_said_and_resume_trains_it(folder: Path, tmp_path: Path) -> None:
    dies = deadly(tmp_path, call=2)  # the first is the trial, in this process
    words = ("ring8", f"{dies},vanilla", *terminal.TINY, "--seeds", 1, "--workers", 2, "--out", folder, "--quiet")
    done = terminal.gantlet("run", *words)
    assert done.status == 3
    assert "1 of 2 members failed; run 0: the worker process ended with status 7" in done.err
    runs = Study(folder).runs
    assert runs["status"].tolist() == ["failed", "finished"]
    assert "the worker process ended with status 7" in runs["cause"][0]
    path = Path(dies.rpartition(":")[0])
    path.write_text(path.read_text().replace("== 2", "== 0"))
    assert (
        terminal.gantlet("resume", folder, "--quiet").status == 2
    )  # the file has changed: that is for the user to say
    assert terminal.gantlet("resume", folder, "--quiet", "--trust").status == 0
    assert Study(folder).runs["status"].tolist() == ["finished"] * 2


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced_and_its_fleet_goes_on_to_the_same_numbers(folder: Path, tmp_path: Path) -> None:
    start(terminal.planned(folder, f"{deadly(tmp_path, call=4)},alpha", seeds="2", workers=2))
    alone, lives = tmp_path / "alone", tmp_path / "lives"
    lives.mkdir()
    start(terminal.planned(alone, f"{deadly(lives, call=10**9)},alpha", seeds="2"))
    found, expected = Study(folder).runs, Study(alone).runs
    assert found["status"].tolist() == ["finished"] * 4
    for column in ("modes", "high_quality", "generator_steps"):
        assert found[column].tolist() == expected[column].tolist()
    for fleet in ("0000", "0001"):
        ours, theirs = (terminal.checkpoint_of(Store(place), fleet)[0] for place in (folder, alone))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.slow
def test_a_stop_reaches_the_workers_and_resume_ends_the_study(folder: Path, tmp_path: Path) -> None:
    heard: list[Progress] = []
    callbacks = Callbacks(progress=heard.append, stopping=lambda: bool(heard))
    start(terminal.planned(folder, "vanilla,alpha", "steps=400", seeds="2", workers=2), callbacks)
    store = Store(folder)
    assert not (terminal.finished(store, "0000") and terminal.finished(store, "0001"))
    resume(folder, executor="inline")
    alone = terminal.study(tmp_path / "alone", "vanilla,alpha", "steps=400", seeds="2")
    assert terminal.difference(store, alone) is None


class Stillborn:
    """A worker whose process a signal ended before it could listen."""

    def __init__(self, status: int) -> None:
        self.busy = "0000"
        self.process = subprocess.Popen([sys.executable, "-c", f"import os; os.kill(os.getpid(), {-status})"])

    def last_words(self) -> str:
        return "it said nothing"


@pytest.mark.parametrize(("asked", "kind"), [(True, "stopped"), (False, "failed")])
def test_a_worker_that_a_stop_ended_early_is_no_failure(folder: Path, asked: bool, kind: str) -> None:
    store = Store(folder)
    worker: Any = Stillborn(-signal.SIGTERM)
    ended: list[FleetResult] = []
    result = local._died(worker, asked=asked)  # pyright: ignore[reportPrivateUsage]
    local._end(result, store, Callbacks(ended=ended.append))  # pyright: ignore[reportPrivateUsage]
    assert [result.kind for result in ended] == [kind]
    assert (store.failure("0000") is None) == asked
    assert worker.busy == ""


def test_progress_of_workers_arrive_whole(folder: Path) -> None:
    heard: list[Progress] = []
    sent = {"fleet": "0000", "step": 3, "steps": 6, "members": 2, "rate": 1.5, "out": 0, "best": [8, 1], "worst": None}
    worker: Any = Stillborn(-signal.SIGKILL)
    message = json.loads(json.dumps({"progress": sent}))
    local._handle(worker, message, Callbacks(progress=heard.append))  # pyright: ignore[reportPrivateUsage]
    assert heard == [Progress("0000", 3, 6, 2, 1.5, 0, (8, 1), None)]
    worker.process.wait()


# The end of a parent

PARENT = """
import os, sys
from gantlet.studies.executors import local
from gantlet.studies.store import Store
from pathlib import Path
import queue
store = Store(Path({folder!r}))
workers = [local._Worker(place, store, store.record(), queue.Queue(), {{}}) for place in range(2)]
print(*(worker.process.pid for worker in workers), flush=True)
{then}
"""


@pytest.mark.slow
@pytest.mark.parametrize("then", ["os.kill(os.getpid(), 9)", "import time; time.sleep(60)"])
def test_workers_end_with_their_parent_however_soon_it_ends(folder: Path, then: str) -> None:
    start(terminal.planned(folder, "vanilla,alpha", seeds="2"), executor=FakeExecutor())
    code = PARENT.format(folder=str(folder), then=then)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        children = [int(word) for word in parent.stdout.readline().split()]
        parent.kill()
    assert len(children) == 2
    wait_for(lambda: not any(alive(child) for child in children), "the workers end", seconds=30)


def test_a_child_whose_parent_is_gone_already_ends_before_it_becomes_a_worker() -> None:
    for parent, status in ((os.getpid(), 3), (os.getpid() + 1, 1)):
        child = os.fork()
        if not child:
            try:
                die_with_parent(parent)
                os._exit(3)
            finally:  # else it would go on as a second run of the tests
                os._exit(4)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == status


def alive(process: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    return False


# A worker by itself


def serve(folder: Path, fleets: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gantlet.studies.executors.worker", str(folder)],
        input=fleets,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow
def test_a_worker_trains_what_it_reads_and_answers_in_json_lines(folder: Path) -> None:
    start(terminal.planned(folder, "vanilla,alpha", seeds="2"), executor=FakeExecutor())
    done = serve(folder, "0001\n")
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert said[-1] == {"result": {"fleet": "0001", "kind": "finished", "error": None, "damage": []}}
    assert said[0]["progress"]["fleet"] == "0001"
    assert Study(folder).runs["status"].tolist() == ["stopped"] * 2 + ["finished"] * 2


LOUD = """
from torch.nn.functional import softplus

class Loud:
    needs, symmetric = frozenset(), False

    def discriminator(self, *, real, fake):
        print("a loss prints"), print("{}")
        return softplus(-real).mean(-1) + softplus(fake).mean(-1)

    def generator(self, *, real=None, fake):
        return softplus(-fake).mean(-1)
"""


@pytest.mark.slow
def test_a_part_of_the_users_own_may_print_in_workers(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(LOUD)
    words = (f"{tmp_path / 'loud.py'}:Loud", "g_width=8,12")
    store = terminal.study(folder, *words, workers=2)  # two fleets, one for each worker
    assert Study(folder).runs["status"].tolist() == ["finished"] * 2
    store.restart_fleet("0001")
    done = serve(folder, "0001\n")
    assert {next(iter(json.loads(line))) for line in done.stdout.splitlines()} == {"progress", "result"}
    assert "a loss prints\n{}\n" in done.stderr


def test_messages_come_in_order_and_the_end_of_a_pipe_is_one() -> None:
    messages: queue.Queue[Any] = queue.Queue()
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        pipe.write('{"progress": 1}\nsomebody prints\n{"result": 2}\n{}\n')
    with os.fdopen(reading) as pipe:
        local._listen(3, pipe, messages)  # pyright: ignore[reportPrivateUsage]
    assert [messages.get_nowait() for _ in range(3)] == [(3, {"progress": 1}), (3, {"result": 2}), (3, None)]


def test_no_more_workers_than_fleets_are_started(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    class Counted:
        busy = ""

        def __init__(self, place: int, *_: Any) -> None:
            started.append(place)

        def give(self, fleet: str) -> None:
            pass

        def dismiss(self) -> None:
            pass

    store = terminal.study(folder, "vanilla")
    monkeypatch.setattr(local, "_Worker", Counted)
    for fleets, workers, expected in (("ab", 4, [0, 1]), ("abc", 2, [0, 1])):
        started.clear()
        local.LocalExecutor().run(store, list(fleets), Callbacks(), workers=workers, cache=Cache())
        assert started == expected
