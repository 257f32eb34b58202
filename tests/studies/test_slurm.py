"""Slurm without a cluster: what is submitted, what its queue says, and what a job does when it is told to stop."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import gantlet
import terminal
from gantlet.errors import ClusterError, Untrusted
from gantlet.files import locked
from gantlet.requests.slurm_options import SlurmOptions, parse_slurm
from gantlet.studies.cancel import cancel_study
from gantlet.studies.executors.fake import FakeExecutor
from gantlet.studies.executors.slurm import SlurmExecutor
from gantlet.studies.executors.slurm_job import FleetsJob
from gantlet.studies.fleet_states import study_state
from gantlet.studies.launch import resume, start
from gantlet.studies.slurm_queue import QueuedTask, largest_array, read_queue
from gantlet.studies.store import Store
from gantlet.studies.submissions import jobs_folder, new_submission, submissions
from gantlet.studies.trust import own_parts
from gantlet.studies.verify import verify_study
from terminal import TINY
from thinning import leading

SBATCH = '#!/bin/sh\n[ "$1" = --version ] && exit 0\n[ -e "$FAKE/refuse" ] && { cat "$FAKE/refuse" >&2; exit 1; }\n'
SBATCH += 'cp "$1" "$FAKE/script"\ncat "$1" >>"$FAKE/scripts"\necho "$1" >>"$FAKE/submitted"\necho "Submitted batch job $((6 + $(wc -l <"$FAKE/submitted")))"\n'
OTHERS = {
    "srun": "exit 0",
    "squeue": 'echo "$@" >>"$FAKE/asked"\ncat "$FAKE/queue" 2>/dev/null; exit 0',
    "scancel": 'echo "$@" >>"$FAKE/cancelled"',
    "scontrol": '[ "$1" = show ] && { cat "$FAKE/config"; exit; }\necho "$@" >>"$FAKE/requeued"',
}


class FakeSlurm:
    """Slurm's commands as files, which note what they are called with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str) -> str:
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    def queue(self, store: Store, *states: str, submission: int = -1) -> None:
        """The tasks of a submission are in these states; an empty one is forgotten."""
        made = submissions(store)[submission]
        lines = [f"{made.name}|{made.id_of(task)}|{state}|n{task}|None" for task, state in enumerate(states) if state]
        (self.folder / "queue").write_text("\n".join(lines) + "\n")


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in {"sbatch": SBATCH, **{name: f"#!/bin/sh\n{text}\n" for name, text in OTHERS.items()}}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("FAKE", str(programs))
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return FakeSlurm(programs)


def run(folder: Path, *more: object, methods: str = "vanilla,alpha") -> terminal.Done:
    return terminal.gantlet("run", "ring8", methods, *TINY, "--out", folder, "--executor", "slurm", *more)


# Submitting


@pytest.mark.parametrize("name", ["half\n#SBATCH --wrap=evil", "half%j"])
def test_a_folder_that_a_script_cannot_name_is_refused(slurm: FakeSlurm, folder: Path, name: str) -> None:
    done = run(folder.with_name(name))
    assert done.status == 2
    assert "has a % or a character that is not printable" in done.err
    assert slurm.read("script") == ""


def test_a_job_is_found_though_its_submission_was_broken_off(
    slurm: FakeSlurm, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C comes when ``sbatch`` has taken the job, and before its number is known."""

    def broken(*_: object, **more: object) -> int:
        raise KeyboardInterrupt

    planned = terminal.planned(folder, "vanilla")
    monkeypatch.setattr("gantlet.studies.executors.slurm._sbatch", broken)
    with pytest.raises(KeyboardInterrupt):
        start(planned, executor=SlurmExecutor())
    (made,) = submissions(Store(folder))
    (slurm.folder / "queue").write_text(f"{made.name}|7|PENDING||Priority\n")
    monkeypatch.undo()
    monkeypatch.setenv("FAKE", str(slurm.folder))
    monkeypatch.setenv("PATH", f"{slurm.folder}{os.pathsep}{os.environ['PATH']}")
    assert [fleet.state for fleet in study_state(Store(folder)).fleets] == ["queued"]
    resume(folder, executor="slurm")
    assert len(submissions(Store(folder))) == 1


def test_a_study_becomes_an_array_with_a_task_for_each_fleet(slurm: FakeSlurm, folder: Path) -> None:
    asked = (
        "--slurm",
        "partition=gpu time=2:30:00 mem=8G cpus=2 max_jobs=3 grace=40 account=me",
        "--slurm",
        "setup=ulimit -n 64",
    )
    done = run(folder, *asked, "--slurm", "sbatch=--reservation=mine", "--seeds", 2, "--width", 1)
    assert (done.status, done.err) == (0, "")
    assert "4 fleets: 4 not begun" in done.out  # the queue of this Slurm is empty
    script = slurm.read("script")
    (made,) = submissions(Store(folder))
    for line in ("partition=gpu", "time=150", "mem=8G", "cpus-per-task=2", "account=me", "reservation=mine", "requeue"):
        assert f"#SBATCH --{line}\n" in script
    assert "#SBATCH --array=0-3%3\n" in script
    assert "#SBATCH --signal=USR2@40\n" in script
    assert f"#SBATCH --job-name={made.name}\n" in script
    assert "\nulimit -n 64\n" in script
    assert (made.job, made.tasks) == (7, (("0000",), ("0001",), ("0002",), ("0003",)))
    record = Store(folder).record()
    assert record.execution.slurm == parse_slurm([*asked[1::2], "sbatch=--reservation=mine"])
    assert record.execution.threads == 2
    assert verify_study(folder).notes == ()


def test_a_gpu_of_the_cluster_need_not_be_here(slurm: FakeSlurm, folder: Path) -> None:
    assert run(folder, "--slurm", "gpus=1").status == 0
    record = Store(folder).record()
    assert (record.execution.device, record.plan.fleets[0].route) == ("cuda", "captured")
    assert "#SBATCH --gpus-per-node=1\n" in slurm.read("script")
    refused = run(folder.with_name("other"), "--device", "cuda")
    assert (refused.status, refused.out) == (2, "")
    assert "Add --slurm gpus=1" in refused.err
    assert "no GPU is here" in run(folder.with_name("dry"), "--slurm", "gpus=1", "--dry-run").err


def test_several_fleets_share_a_job_and_arrays_are_as_long_as_the_cluster_takes_them(
    slurm: FakeSlurm, folder: Path
) -> None:
    (slurm.folder / "config").write_text("Configuration data\nMaxArraySize            = 2\nMaxJobCount = 10000\n")
    assert run(folder, "--slurm", "per_job=2", "--seeds", 5, "--width", 1).status == 0
    made = submissions(Store(folder))
    assert [len(each.tasks) for each in made] == [2, 2, 1]
    assert {len(task) for each in made for task in each.tasks} == {2}
    assert [each.job for each in made] == [7, 8, 9]
    assert {fleet for each in made for task in each.tasks for fleet in task} == {f"{n:04d}" for n in range(10)}
    assert re.findall(r"--array=(\S+)", slurm.read("scripts")) == ["0-1%2", "0-1%2"]
    assert "--dependency" not in slurm.read("scripts")


@pytest.mark.parametrize("said", ["MaxArraySize = 0\n", "MaxArraySize=1"])
def test_where_a_cluster_takes_no_arrays_each_task_is_a_job(slurm: FakeSlurm, folder: Path, said: str) -> None:
    (slurm.folder / "config").write_text(said)
    assert run(folder).status == 0
    assert [each.tasks for each in submissions(Store(folder))] == [(("0000",),), (("0001",),)]
    assert "--array" not in slurm.read("scripts")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, 1001),
        ("", 1001),
        ("MaxArraySize = many\n", 1001),
        ("MaxArraySize            = 4000001\n", 1 << 20),
        ("SlurmctldPort = 3\nMaxArraySize            = 40001\n", 40001),
    ],
)
def test_the_longest_array_is_what_slurm_says_or_its_default(slurm: FakeSlurm, said: str | None, expected: int) -> None:
    if said is not None:
        (slurm.folder / "config").write_text(said)
    assert largest_array() == expected


def test_of_several_arrays_no_more_jobs_run_at_once_than_was_asked(slurm: FakeSlurm, folder: Path) -> None:
    """Slurm keeps a bound within one array: the next one waits for it, beside what it waits for by a line of the user's."""
    (slurm.folder / "config").write_text("MaxArraySize = 2\n")
    asked = ("--slurm", "max_jobs=1", "--slurm", "sbatch=--dependency=afterok:3")
    assert run(folder, *asked, "--seeds", 3, "--width", 1).status == 0
    waits = re.findall(r"--dependency=(\S+)", slurm.read("scripts"))
    assert waits == ["afterok:3", "afterok:3,afterany:7", "afterok:3,afterany:8"]
    assert slurm.read("scripts").count("%1\n") == 3


@pytest.mark.parametrize(("most", "waits"), [(3, ["afterany:7", "afterany:8"]), (5, []), (9, []), (1, None)])
def test_single_jobs_are_side_by_side_as_many_as_was_asked(
    slurm: FakeSlurm, folder: Path, most: int, waits: list[str] | None
) -> None:
    (slurm.folder / "config").write_text("MaxArraySize = 1\n")
    assert run(folder, "--slurm", f"max_jobs={most}", "--seeds", 5, "--width", 1, methods="vanilla").status == 0
    found = re.findall(r"--dependency=(\S+)", slurm.read("scripts"))
    assert found == (["afterany:7", "afterany:8", "afterany:9", "afterany:10"] if waits is None else waits)


def test_a_refusal_of_a_later_array_leaves_what_was_submitted_before(
    slurm: FakeSlurm, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (slurm.folder / "config").write_text("MaxArraySize = 1\n")
    (slurm.folder / "sbatch").write_text(
        SBATCH.replace("cp ", '[ -e "$FAKE/submitted" ] && touch "$FAKE/refuse"\ncp ', 1)
    )
    assert run(folder, "--seeds", 3, "--width", 1, methods="vanilla").status == 2
    assert [each.tasks for each in submissions(Store(folder))] == [(("0000",),), (("0001",),)]
    (slurm.folder / "refuse").unlink()
    (slurm.folder / "submitted").unlink()
    slurm.queue(Store(folder), "PENDING", submission=0)
    resume(folder, executor="slurm")
    assert (("0002",),) in [each.tasks for each in submissions(Store(folder))]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--slurm", "partion=x"), "There is no Slurm option called 'partion'. Did you mean 'partition'?"),
        (("--slurm", "gpus=1", "--device", "cuda:1"), "--device cuda:1 is not auto, cpu or cuda"),
        (("--executor", "local", "--slurm", "time=5"), "--slurm is for --executor slurm, and the executor is local."),
    ],
)
def test_a_wrong_request_is_one_sentence_and_writes_nothing(
    slurm: FakeSlurm, folder: Path, words: tuple[str, ...], sentence: str
) -> None:
    done = run(folder, *words)
    assert (done.status, done.out, len(done.lines)) == (2, "", 1)
    assert sentence in done.err
    assert not folder.exists()


def test_without_slurm_nothing_is_written(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = run(folder)
    assert (done.status, len(done.lines)) == (2, 1)
    assert "Slurm's command sbatch is not on this machine." in done.err
    assert not folder.exists()
    dry = terminal.gantlet("run", "ring8", "vanilla", *TINY, "--executor", "slurm", "--dry-run")
    assert dry.status == 0  # a plan needs no cluster


def test_a_job_that_slurm_refuses_is_not_noted_and_can_be_submitted_again(slurm: FakeSlurm, folder: Path) -> None:
    (slurm.folder / "refuse").write_text("sbatch: error: invalid partition specified: x")
    done = run(folder, "--slurm", "partition=x")
    assert (done.status, done.lines[1:]) == (2, [])
    assert "invalid partition specified: x" in done.err
    assert f"gantlet resume {folder} --slurm KEY=VALUE" in done.err
    assert list((folder / "slurm").iterdir()) == []
    (slurm.folder / "refuse").unlink()
    assert terminal.gantlet("resume", folder, "--slurm", "partition=y").status == 0
    (made,) = submissions(Store(folder))
    assert made.options.partition == "y"


def test_a_study_file_and_python_say_the_same_as_the_command_line(
    slurm: FakeSlurm, folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "study.toml"
    settings = "\n".join(f"{name} = {value}" for name, _, value in (word.partition("=") for word in TINY))
    table = '[slurm]\npartition = "gpu"\ntime = 30\nsetup = ["module load cuda"]\n'
    file.write_text(f'task = "ring8"\nmethods = "vanilla"\nexecutor = "slurm"\n{table}[settings]\n{settings}\n')
    assert terminal.gantlet("run", file, "--out", folder).status == 0
    values: dict[str, Any] = {name: json.loads(value) for name, _, value in (word.partition("=") for word in TINY)}
    options = {"executor": "slurm", "slurm": {"partition": "gpu", "time": 30, "setup": ["module load cuda"]}}
    study = gantlet.run("ring8", "vanilla", out=tmp_path / "python", options=options, **values)
    assert Store(folder).record().execution == Store(study.folder).record().execution
    assert study.jobs["state"].tolist() == ["not begun"]
    twice = terminal.gantlet("run", file, "--out", tmp_path / "twice", "--slurm", "time=5")
    assert "already says slurm" in twice.err
    file.write_text(file.read_text().replace("time = 30", "time = 1.5"))
    assert "expected a text, a whole number, or a list of texts" in terminal.gantlet("run", file).err


# The queue


@pytest.mark.parametrize(
    ("state", "word"),
    [
        *(("PENDING", "queued"), ("REQUEUE_HOLD", "queued"), ("CONFIGURING", "queued")),
        *(("RUNNING", "running"), ("COMPLETING", "running"), ("SUSPENDED", "running")),
        *(("OUT_OF_MEMORY", "failed"), ("NODE_FAIL", "failed"), ("TIMEOUT", "failed"), ("FAILED", "failed")),
        *(("CANCELLED", "not begun"), ("COMPLETED", "not begun"), ("", "not begun")),
    ],
)
def test_slurms_words_become_those_of_a_study(slurm: FakeSlurm, folder: Path, state: str, word: str) -> None:
    run(folder, methods="vanilla")
    slurm.queue(Store(folder), state)
    (fleet,) = study_state(Store(folder)).fleets
    assert fleet.state == word
    assert fleet.why == (f"Slurm says {state}" if word == "failed" else "")
    assert fleet.job == "7"


def test_lines_of_others_and_of_other_jobs_are_left_out() -> None:
    made = new_submission([("0000",), ("0001",)], parse_slurm([])).model_copy(update={"job": 7})
    lines = [
        f"{made.name}|7_0|RUNNING|n1|None",
        f"{made.name}|7_9|RUNNING|n1|None",  # no such task
        f"{made.name}|8_1|RUNNING|n1|None",  # a job of somebody else's with its name
        "gantlet-ffffffffffffffff|9|RUNNING|n1|None",
        "",
        "nonsense",
    ]
    assert read_queue("\n".join(lines), [made]) == {(made.token, 0): QueuedTask("7_0", "RUNNING", "n1")}


def test_resume_submits_what_is_missing_and_neither_waits_nor_runs(slurm: FakeSlurm, folder: Path) -> None:
    assert run(folder, "--seeds", 2, "--width", 1, "--slurm", "time=7").status == 0
    store = Store(folder)
    FleetsJob(str(folder), store.record().key, {})._train(["0002"], Quiet())  # pyright: ignore[reportPrivateUsage]
    slurm.queue(store, "RUNNING", "CANCELLED", "COMPLETED", "PENDING")
    shown = terminal.gantlet("show", folder)
    assert "4 fleets: 1 finished, 1 running, 1 queued, 1 not begun" in shown.out
    assert terminal.gantlet("resume", folder, "--slurm", "qos=high").status == 0
    _, again = sorted(submissions(store), key=lambda each: each.job)
    assert (again.tasks, again.options.time, again.options.qos) == ((("0001",),), "7", "high")
    jobs = json.loads(terminal.gantlet("show", folder, "--jobs", "--format", "json").out)
    assert [row["state"] for row in jobs] == ["running", "not begun", "finished", "queued"]


class Quiet:
    """A signal that never comes."""

    came = 0

    def asked(self) -> bool:
        return False


def test_cancel_names_the_jobs_and_their_user(slurm: FakeSlurm, folder: Path) -> None:
    run(folder, methods="vanilla")
    assert "nothing was done" in terminal.gantlet("cancel", folder).out
    slurm.queue(Store(folder), "RUNNING")
    assert "the jobs of 1 fleet were cancelled" in terminal.gantlet("cancel", folder).out
    (made,) = submissions(Store(folder))
    assert slurm.read("cancelled").split() == [f"--user={os.getuid()}", f"--name={made.name}"]
    assert gantlet.Study(folder).cancel() == ["0000"]


def test_cancel_waits_for_whoever_submits_the_first_jobs(slurm: FakeSlurm, folder: Path) -> None:
    store = start(terminal.planned(folder, "vanilla"), executor=FakeExecutor())
    with ThreadPoolExecutor() as pool:
        with locked(jobs_folder(store) / "submit.lock"):
            cancelled = pool.submit(cancel_study, folder)
            time.sleep(0.3)
            made = new_submission([("0000",)], SlurmOptions())
            made.write(store)
            (slurm.folder / "queue").write_text(f"{made.name}|7|PENDING||Priority\n")
        assert cancelled.result() == ["0000"]


def test_without_a_queue_show_says_so_and_resume_submits_nothing_twice(
    slurm: FakeSlurm, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(folder, methods="vanilla")
    (slurm.folder / "squeue").write_text(
        "#!/bin/sh\necho 'slurm_load_jobs error: Unable to contact controller' >&2\nexit 1\n"
    )
    shown = terminal.gantlet("show", folder)
    assert (shown.status, "Unable to contact controller What waits or runs is not known." in shown.err) == (0, True)
    with pytest.raises(ClusterError, match="Unable to contact controller"):
        resume(folder)
    assert len(submissions(Store(folder))) == 1
    assert resume(folder, executor="local").record().execution.executor == "slurm"  # nothing forbids to train here
    assert gantlet.Study(folder).runs["status"].tolist() == ["finished"]


def test_shell_lines_of_a_strangers_are_not_submitted(
    slurm: FakeSlurm, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(folder, "--slurm", "setup=touch /tmp/mark", methods="vanilla")
    assert resume(folder) is not None  # who started it may
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    before = len(submissions(Store(folder)))
    with pytest.raises(Untrusted, match="lines of its author's own, the first of them 'touch /tmp/mark'"):
        resume(folder)
    assert len(submissions(Store(folder))) == before
    resume(folder, slurm={"setup": "true"})
    assert submissions(Store(folder))[-1].options.setup == ("true",)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "a third"))
    assert resume(folder, trust=True) is not None


@pytest.mark.parametrize(
    ("old", "new"), [('"0000"', '"../0000"'), ('"time": "60"', '"time": "1\\n2"'), ('"job": 7', '"job": 8'), ("{", "[")]
)
def test_a_damaged_note_of_a_submission_is_told(slurm: FakeSlurm, folder: Path, old: str, new: str) -> None:
    run(folder, methods="vanilla")
    (path,) = (folder / "slurm").glob("*.json")
    path.write_text(path.read_text().replace(old, new))
    shown = terminal.gantlet("show", folder)
    assert (shown.status, len(shown.lines)) == (2, 1)
    assert str(path) in shown.err
    assert any(str(path) in sentence for sentence in verify_study(folder).wrong)


# A job


@pytest.fixture
def handlers() -> Iterator[None]:
    numbers = (signal.SIGUSR2, signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


STOPS = """
import os, signal
from gantlet.objectives.vanilla import Vanilla

class Stops{number}(Vanilla):
    calls = 0
    def generator(self, *, real=None, fake):
        Stops{number}.calls += 1
        if Stops{number}.calls == 3:
            os.kill(os.getpid(), {number})
        return super().generator(fake=fake)
"""


@pytest.mark.parametrize(
    ("number", "state", "again"),
    leading(
        [
            (signal.SIGTERM, "RUNNING", True),  # preempted, on a cluster that sends no signal of its own
            (signal.SIGTERM, "COMPLETING", False),  # cancelled
            (signal.SIGUSR2, "RUNNING", True),  # the time limit is near, or it is preempted
        ],
        2,
    ),
)
@pytest.mark.usefixtures("handlers")
def test_a_job_that_is_told_to_stop_saves_and_knows_whether_to_come_back(
    slurm: FakeSlurm,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    state: str,
    again: bool,
) -> None:
    own = tmp_path / f"stops_{tmp_path.name}.py"
    own.write_text(STOPS.format(number=int(number)))
    run(folder, "--seeds", 2, methods=f"{own}:Stops{int(number)}")
    (slurm.folder / "queue").write_text(f"{state}\n")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    record = Store(folder).record()
    job = FleetsJob(str(folder), record.key, own_parts(record.settings))
    with pytest.raises(SystemExit):
        job(["0000"])
    assert slurm.read("requeued").split() == (["requeue", "7_3"] if again else [])
    assert 0 < terminal.checkpoint_of(Store(folder), "0000")[1]["step"] < 6
    assert not (folder / "runs.parquet").exists() or gantlet.Study(folder).runs["status"].tolist() == ["stopped"] * 2
    job(["0000"])  # the class counts on: its third call is over
    assert gantlet.Study(folder).runs["status"].tolist() == ["finished"] * 2
    assert len(Store(folder).frame("runs.parquet")) == 2


@pytest.mark.usefixtures("handlers")
def test_a_job_that_never_comes_to_a_step_gives_up(
    slurm: FakeSlurm, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(folder, methods="vanilla")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "10")
    monkeypatch.setattr(FleetsJob, "_train", lambda *_: os.kill(os.getpid(), signal.SIGUSR2) or (0, []))
    with pytest.raises(RuntimeError, match="started 11 times and never came to train a step"):
        FleetsJob(str(folder), "", {})(["0000"])
    assert slurm.read("requeued") == ""


@pytest.mark.usefixtures("handlers")
def test_a_part_that_changed_since_it_was_submitted_is_not_run(slurm: FakeSlurm, folder: Path, tmp_path: Path) -> None:
    own = tmp_path / f"changes_{tmp_path.name}.py"
    own.write_text(STOPS.format(number=0))
    start(terminal.planned(folder, f"{own}:Stops0"), executor=FakeExecutor())
    record = Store(folder).record()
    job = FleetsJob(str(folder), record.key, own_parts(record.settings))
    own.write_text(own.read_text() + "# another\n")
    sys.modules.pop(own.stem, None)
    with pytest.raises(Untrusted, match=rf"{re.escape(str(own))}:Stops0 has changed since"):
        job(["0000"])


@pytest.mark.usefixtures("handlers")
def test_a_fleet_that_fails_makes_its_job_fail_and_is_said(slurm: FakeSlurm, folder: Path, tmp_path: Path) -> None:
    own = tmp_path / f"breaks_{tmp_path.name}.py"
    own.write_text(STOPS.format(number=0).replace("os.kill(os.getpid(), 0)", "raise ValueError('no third step')"))
    run(folder, methods=f"{own}:Stops0")
    record = Store(folder).record()
    with pytest.raises(RuntimeError, match="fleet 0000 failed"):
        FleetsJob(str(folder), record.key, own_parts(record.settings))(["0000"])
    (fleet,) = study_state(Store(folder)).fleets
    assert (fleet.state, fleet.why) == ("failed", "ValueError: no third step")
