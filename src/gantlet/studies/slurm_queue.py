"""Slurm's queue: what its jobs are doing, by ``squeue``, which needs no accounting; and ``scancel``.

A job that has ended stays in the queue's list for a few minutes (``MinJobAge``). After that the study folder alone says what
became of it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from gantlet.errors import ClusterError

from .submissions import Submission

__all__ = ["QueuedTask", "ask_slurm", "cancel_jobs", "largest_array", "queued_tasks", "read_queue"]

_SECONDS = 60.0  # for an answer
_USUAL_ARRAY, _MOST_ARRAY = 1001, 1 << 20  # tasks: where Slurm does not say, and where it says more
_FORMAT = "%j|%i|%T|%N|%r"
_WAITING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD", "CONFIGURING")
_RUNNING = ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING")


@dataclass(frozen=True)
class QueuedTask:
    """What Slurm says of one task of a submission.

    Attributes:
        id: Its name in Slurm: ``123``, or ``123_4`` in an array.
        state: Slurm's word, such as ``PENDING``.
        node: Where it runs or ran.
        reason: Why it waits or ended, in Slurm's word.
    """

    id: str
    state: str
    node: str = ""
    reason: str = ""

    @property
    def queued(self) -> bool:
        """Whether it waits to be started, again or for the first time."""
        return self.state in _WAITING

    @property
    def running(self) -> bool:
        """Whether it runs, or is being ended or put back into the queue."""
        return self.state in _RUNNING

    @property
    def broken(self) -> bool:
        """Whether it ended by an error of its own or of its node."""
        return not (self.queued or self.running) and self.state not in ("COMPLETED", "CANCELLED")


def ask_slurm(*words: str) -> str:
    """The output of one of Slurm's commands.

    Raises:
        ClusterError: It is not on this machine, does not answer, or fails.
    """
    if shutil.which(words[0]) is None:
        raise ClusterError(
            f"Slurm's command {words[0]} is not on this machine. Use a machine from which jobs are submitted, or train here "
            "with --executor local."
        )
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ClusterError(f"Slurm's command {words[0]} did not answer: {error}.") from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[:300] or f"it ended with status {done.returncode}"
        raise ClusterError(f"Slurm's command {words[0]} failed: {said}")
    return done.stdout


def largest_array() -> int:
    """How many tasks an array may have on this cluster (``MaxArraySize``); where Slurm does not say, Slurm's own default.

    A cluster that takes no arrays has 1: a job for each task.
    """
    try:
        said = re.search(r"^\s*MaxArraySize\s*=\s*(\d{1,9})\s*$", ask_slurm("scontrol", "show", "config"), re.MULTILINE)
    except ClusterError:
        said = None
    return min(max(1, int(said.group(1))), _MOST_ARRAY) if said else _USUAL_ARRAY


def queued_tasks(submissions: Sequence[Submission]) -> dict[tuple[str, int], QueuedTask]:
    """What Slurm says of the tasks of these submissions, by token and task; those that it has forgotten are left out.

    Raises:
        ClusterError: The queue cannot be read.
    """
    if not submissions:
        return {}
    names = ",".join(submission.name for submission in submissions)
    return read_queue(ask_slurm("squeue", "-h", "-r", "-t", "all", "-o", _FORMAT, f"--name={names}"), submissions)


def read_queue(output: str, submissions: Sequence[Submission]) -> dict[tuple[str, int], QueuedTask]:
    """The lines of ``squeue`` about these submissions; whatever is not one of their tasks is left out.

    Example:
        >>> mine = Submission(token="0" * 16, created="", job=7, tasks=(("0000",), ("0001",)))
        >>> found = read_queue("gantlet-0000000000000000|7_1|RUNNING|n1|None", [mine])
        >>> found["0" * 16, 1]
        QueuedTask(id='7_1', state='RUNNING', node='n1', reason='')
    """
    known = {submission.name: submission for submission in submissions}
    found: dict[tuple[str, int], QueuedTask] = {}
    for line in output.splitlines():
        name, id_, state, node, reason, *_ = [*line.strip().split("|"), *[""] * 5]
        job, _, task = id_.partition("_")
        submission, number = known.get(name), int(task) if task.isdecimal() else 0
        if submission is None or number >= len(submission.tasks) or (submission.job and job != str(submission.job)):
            continue
        found[submission.token, number] = QueuedTask(id_, state, node, "" if reason == "None" else reason)
    return found


def cancel_jobs(submissions: Sequence[Submission]) -> None:
    """Cancel this user's jobs of these submissions; one that runs saves and ends.

    By their names, which nothing else has: a folder of somebody else's cannot name other jobs.

    Raises:
        ClusterError: Slurm does not answer.
    """
    for submission in submissions:
        ask_slurm("scancel", f"--user={os.getuid()}", f"--name={submission.name}")
