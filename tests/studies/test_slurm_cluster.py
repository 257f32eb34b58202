"""A real Slurm of two nodes: whatever happens to jobs, the study ends with the numbers of one that was trained here."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import terminal
from gantlet.studies.fleet_states import StudyState, busy_fleets, study_state
from gantlet.studies.slurm_queue import largest_array
from gantlet.studies.store import Store
from gantlet.studies.study import Study
from gantlet.studies.submissions import submissions
from gantlet.studies.verify import verify_study
from slurm_cluster import Cluster, missing_commands, running_cluster, wait_for

pytestmark = pytest.mark.slow

# An objective of one's own which stops at its fifth step as long as a file is there, so that things can happen meanwhile.
GATED = """
import os, signal, time
from pathlib import Path
from gantlet.objectives.vanilla import Vanilla

class Gated(Vanilla):
    calls = 0
    def generator(self, *, real=None, fake):
        Gated.calls += 1
        hold = os.environ.get("GATE", "")
        if hold and Gated.calls == 5:
            Path(f"{hold}.{os.getpid()}").touch()
            while os.path.exists(hold) and not told():
                time.sleep(0.02)
        return super().generator(fake=fake)

def told():
    return getattr(signal.getsignal(signal.SIGUSR2), "asked", bool)()
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if missing := missing_commands():
        words = f"Slurm is not installed: {', '.join(missing)} (slurmctld slurmd slurm-client munge)"
        pytest.fail(words) if os.environ.get("CI") else pytest.skip(words)
    with running_cluster(tmp_path_factory.mktemp("slurm")) as found:
        yield found


@pytest.fixture(scope="module")
def method(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("own") / "gated.py"
    path.write_text(GATED)
    return f"{path}:Gated"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, method: str) -> Store:
    """The same study, trained here."""
    return terminal.study(tmp_path_factory.mktemp("here") / "study", method, "steps=40", seeds="2", width=1)


class Gate:
    """The file at which jobs stop, and those that have come there."""

    def __init__(self, path: Path) -> None:
        self.path, self.known = path, set[int]()
        path.touch()

    def reached(self, count: int = 1) -> list[int]:
        """Wait until so many more processes have come; their numbers."""

        def fresh() -> list[int]:
            found = {int(path.suffix[1:]) for path in self.path.parent.glob(f"{self.path.name}.*")}
            return sorted(found - self.known)

        wait_for(lambda: len(fresh()) >= count, f"{count} more processes come to the gate; state {self.path}")
        self.known |= set(came := fresh())
        return came

    def open(self) -> None:
        self.path.unlink()


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gate:
    monkeypatch.setenv("GATE", str(tmp_path / "gate"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    return Gate(tmp_path / "gate")


def words(folder: Path, method: str, *more: str) -> tuple[object, ...]:
    settings = [word for word in terminal.TINY if not word.startswith("steps=")]
    return ("ring8", method, *settings, "steps=40", "--seeds", 2, "--width", 1, "--out", folder, *more)


def ended(folder: Path) -> StudyState:
    """Wait until Slurm has nothing of a study any more; a fleet may be finished while its job still makes the tables."""
    wait_for(lambda: not busy_fleets(Store(folder)), f"the jobs of {folder} end")
    return study_state(Store(folder))


def logs(folder: Path) -> str:
    return "\n".join(path.read_text() for path in sorted((folder / "slurm").glob("*.out")))


def test_the_shell_dies_time_is_up_and_a_job_is_preempted(
    cluster: Cluster, here: Store, method: str, gate: Gate, folder: Path, tmp_path: Path
) -> None:
    shell = terminal.launch("run", *words(folder, method, "--executor", "slurm", "--wait"), cwd=tmp_path)
    gate.reached(2)
    os.killpg(shell.pid, signal.SIGKILL)
    shell.communicate()
    state = study_state(Store(folder))
    assert [fleet.state for fleet in state.fleets] == ["running"] * 2
    assert all(Path(fleet.log).is_file() and fleet.node in ("n1", "n2") for fleet in state.fleets)
    first, second = (fleet.job for fleet in state.fleets)
    cluster.call("scancel", "--signal=USR2", first)  # as Slurm does before the time limit
    wait_for(lambda: "goes back into the queue" in logs(folder), "the first job puts itself back")
    gate.reached()
    assert "goes back into the queue" not in Path(state.fleets[1].log).read_text()
    cluster.call("sbatch", "-p", "high", "-N", "2", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 1")
    wait_for(lambda: logs(folder).count("goes back into the queue") == 3, "both jobs are preempted")
    gate.open()
    assert [fleet.state for fleet in ended(folder).fleets] == ["finished"] * 2
    assert terminal.difference(Store(folder), here) is None  # with the tables, which the last job made
    assert [logs(folder).count(f"job {job} trains") for job in (first, second)] == [3, 2]
    assert verify_study(folder).wrong == ()
    assert verify_study(folder).notes == ()


def test_what_was_cancelled_or_killed_is_submitted_again_and_nothing_else(
    cluster: Cluster, here: Store, method: str, gate: Gate, folder: Path
) -> None:
    done = terminal.gantlet("run", *words(folder, method, "--executor", "slurm", "--slurm", "max_jobs=1"))
    assert (done.status, done.err) == (0, "")
    gate.reached()
    waits = terminal.gantlet("show", folder)
    assert "2 fleets: 1 running, 1 queued" in waits.out
    again = terminal.gantlet("resume", folder)
    assert again.status == 0
    assert len(list((folder / "slurm").glob("*.json"))) == 1  # what waits or runs is not submitted again
    assert "cancelled" in terminal.gantlet("cancel", folder).out
    state = ended(folder)
    assert [fleet.state for fleet in state.fleets] == ["stopped", "not begun"]
    assert "everything is saved" in logs(folder)
    assert "goes back into the queue" not in logs(folder)
    assert "nothing was done" in terminal.gantlet("cancel", folder).out
    assert terminal.gantlet("resume", folder).status == 0
    (victim,) = gate.reached()
    os.kill(victim, signal.SIGKILL)
    gate.open()
    wait_for(lambda: ended(folder).counts["finished"] == 1, "the second job ends")
    state = study_state(Store(folder))
    assert [fleet.state for fleet in state.fleets] == ["failed", "finished"]
    assert state.fleets[0].why.startswith("Slurm says ")
    assert "Slurm says" in terminal.gantlet("show", folder).out
    followed = terminal.gantlet("resume", folder, "--wait", "--slurm", "max_jobs=0", "--quiet")
    assert (followed.status, followed.err) == (0, "")
    assert terminal.difference(Store(folder), here) is None
    assert (folder / "report.html").is_file()
    assert set(Study(folder).jobs["state"]) == {"finished"}


def test_a_study_longer_than_an_array_is_several_of_which_one_waits_for_the_other(
    cluster: Cluster, gate: Gate, folder: Path, tmp_path: Path
) -> None:
    gate.open()
    assert largest_array() == 2
    asked = ("ring8", "vanilla", *terminal.TINY, "--seeds", 3, "--width", 1, "--out", folder)
    done = terminal.gantlet("run", *asked, "--executor", "slurm", "--slurm", "max_jobs=2")
    assert (done.status, done.err) == (0, "")
    assert [len(each.tasks) for each in submissions(Store(folder))] == [2, 1]
    first, second = (each.job for each in submissions(Store(folder)))
    assert f"afterany:{first}" in cluster.call("scontrol", "show", "job", second)
    assert [fleet.state for fleet in ended(folder).fleets] == ["finished"] * 3, logs(folder)
    here = terminal.study(tmp_path / "here", "vanilla", seeds="3", width=1)
    assert terminal.difference(Store(folder), here) is None


def test_a_node_that_dies_leaves_its_fleet_to_another(
    cluster: Cluster, here: Store, method: str, gate: Gate, folder: Path
) -> None:
    asked = ("--executor", "slurm", "--slurm", "per_job=2 workers=2 cpus=2", "--slurm", "nodelist=n1")
    refused = terminal.gantlet("run", *words(folder, method, *asked, "--slurm", "partition=nowhere"))
    assert refused.status == 2
    assert "invalid partition" in refused.err
    assert study_state(Store(folder)).counts["not begun"] == 2
    assert terminal.gantlet("resume", folder, "--slurm", "partition=low nodelist=").status == 0
    gate.reached(2)  # two processes of one job
    node = study_state(Store(folder)).fleets[0].node
    cluster.kill_node(node)
    gate.open()
    try:
        assert [fleet.state for fleet in ended(folder).fleets] == ["finished"] * 2
        assert {fleet.node for fleet in study_state(Store(folder)).fleets} == {"n1", "n2"} - {node}
    finally:
        cluster.start_node(node)
    assert terminal.difference(Store(folder), here) is None


def test_two_nodes_train_a_member_together_and_a_task_that_dies_brings_the_job_back(
    cluster: Cluster, here: Store, method: str, gate: Gate, folder: Path
) -> None:
    more = ("evaluations=10", "--executor", "slurm", "--processes", 2, "--slurm", "nodes=2")
    settings = [word for word in terminal.TINY if not word.startswith(("steps=", "evaluations="))]
    done = terminal.gantlet("run", "ring8", method, *settings, "steps=40", "--out", folder, *more)
    assert done.status == 0, done.err
    tasks = gate.reached(2)
    nodes = {process.environ()["SLURMD_NODENAME"] for process in map(psutil.Process, tasks)}
    assert nodes == {"n1", "n2"}
    os.kill(tasks[0], signal.SIGKILL)  # at its fifth step; there is a checkpoint of the fourth
    gate.open()
    assert [fleet.state for fleet in ended(folder).fleets] == ["finished"], logs(folder)
    assert terminal.parameter_gap(Store(folder), here) < 1e-6
    assert "36 steps in this start" in logs(folder)
    assert verify_study(folder).wrong == ()
