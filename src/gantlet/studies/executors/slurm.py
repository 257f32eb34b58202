"""Fleets as jobs of a Slurm cluster: an array with a task for each fleet, submitted through submitit.

Nothing watches. A job reads the study folder, trains its fleets and writes into it; it saves and puts itself back into the
queue when its time is up or it is preempted (:mod:`gantlet.studies.executors.slurm_job`). Whoever submitted may leave.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gantlet.errors import BadValue, ClusterError, MissingExtra, StoreError
from gantlet.files import locked
from gantlet.requests.slurm_options import SlurmOptions, minutes_of

from ..cache import Cache
from ..fleet_states import busy_fleets
from ..record import StudyRecord
from ..several import check_nodes
from ..slurm_queue import ask_slurm, largest_array
from ..store import Store
from ..submissions import Submission, jobs_folder, new_submission, submissions
from ..trust import allow_lines, own_parts, require_lines
from .base import Callbacks
from .slurm_job import FleetsJob

__all__ = ["SlurmExecutor", "check_slurm"]

_LOG = logging.getLogger("gantlet")


@dataclass(frozen=True)
class SlurmExecutor:
    """Trains by jobs of a Slurm cluster: submits what is neither finished nor in the queue, and returns.

    Attributes:
        changed: Options in the place of those that were submitted with last.
        trust: Whether shell lines of the study's author's own may run in its jobs.
    """

    changed: Mapping[str, Any] = field(default_factory=dict[str, Any])
    trust: bool = False
    in_process = False
    detached = True

    def check(self) -> None:
        """Make sure that jobs can be submitted here.

        Raises:
            MissingExtra: The extra ``slurm`` is not installed.
            ClusterError: This is not a machine of a cluster.
        """
        check_slurm()

    def run(self, store: Store, fleets: Sequence[str], callbacks: Callbacks, *, workers: int, cache: Cache) -> None:
        """Submit fleets; ``workers`` has no meaning here.

        Raises:
            BadValue: The folder's path cannot stand in a job's script.
            ClusterError: Slurm is not here, does not answer, or refuses the job; what was submitted before that stays.
            Untrusted: The study's jobs would run shell lines of a stranger's.
            StoreError: Another process is submitting this study, or its folder cannot be written.
        """
        check_slurm()
        _check_path(store.folder.absolute())
        jobs_folder(store).mkdir(parents=True, exist_ok=True)
        jobs_folder(store).chmod(0o755)  # others read logs; the jobs run what is written here by this user alone
        with locked(jobs_folder(store) / "submit.lock", wait=False) as holder:
            if holder is not None:
                raise StoreError(f"{store.folder} is being submitted by {holder}. Wait until that has ended.")
            record = store.record()
            options = self._options(store, record)
            check_nodes(options, record.execution.processes)
            busy = busy_fleets(store)
            if waiting := [fleet for fleet in fleets if fleet not in busy]:
                _submit(store, record, waiting, options)
            if busy.intersection(fleets):
                _LOG.warning("note: %d fleets are in the queue already, and stay there", len(busy.intersection(fleets)))

    def _options(self, store: Store, record: StudyRecord) -> SlurmOptions:
        """Those of the last submission, or of the study, with what is changed."""
        made = submissions(store)
        before = made[-1].options if made else record.execution.slurm or SlurmOptions()
        options = before.changed(self.changed)
        own = tuple(line for name in ("setup", "sbatch") if name in self.changed for line in getattr(options, name))
        if self.trust or own == options.lines:
            allow_lines(options.lines, record.key)
        require_lines(options.lines, record.key)
        return options


def check_slurm() -> None:
    """Make sure that jobs can be submitted here.

    Raises:
        MissingExtra: The extra ``slurm`` is not installed.
        ClusterError: This is not a machine of a cluster.
    """
    if find_spec("submitit") is None:
        raise MissingExtra("submitit", extra="slurm", purpose="--executor slurm")
    for command in ("sbatch", "srun"):
        ask_slurm(command, "--version")


def _check_path(folder: Path) -> None:
    """Refuse a path that a script for Slurm cannot hold: its lines would end within it, or Slurm would put numbers into it.

    Raises:
        BadValue: It is such a path.
    """
    if "%" in str(folder) or not str(folder).isprintable():
        raise BadValue(
            f"{str(folder)!r} has a % or a character that is not printable, which no path in a script for Slurm may have. "
            "Use a folder of another name."
        )


def _submit(store: Store, record: StudyRecord, fleets: Sequence[str], options: SlurmOptions) -> None:
    """Submit fleets, in as many arrays as the cluster's bound makes of them.

    ``max_jobs`` is a bound on all of them, and Slurm keeps it within one: so each waits until one before it has ended, with as
    many side by side as the bound leaves room for.
    """
    parts, numbers = own_parts(record.settings, record.execution.executor), list[int]()
    processes = record.execution.processes
    job = FleetsJob(str(store.folder.absolute()), record.key, parts, options.workers, processes)
    largest = largest_array() if len(fleets) > 1 else 1
    abreast = max(1, options.max_jobs // largest) if options.max_jobs else len(fleets)
    for tasks in _arrays(fleets, options.per_job, largest):
        submission = new_submission(tasks, options)
        submission.write(store)  # before the jobs are there: they can be found by their name from now on
        after = numbers[-abreast] if len(numbers) >= abreast else 0
        try:
            numbers.append(_sbatch(jobs_folder(store).absolute(), job, submission, processes, after=after))
        except ClusterError:  # after any other end, such as Ctrl-C, the job may be there: it is found by its name
            (jobs_folder(store) / f"{submission.token}.json").unlink(missing_ok=True)
            raise
        submission.model_copy(update={"job": numbers[-1]}).write(store)


def _arrays(fleets: Sequence[str], per_job: int, largest: int) -> Iterator[list[tuple[str, ...]]]:
    tasks = [tuple(fleets[start : start + per_job]) for start in range(0, len(fleets), per_job)]
    for start in range(0, len(tasks), largest):
        yield tasks[start : start + largest]


def _sbatch(folder: Path, job: FleetsJob, submission: Submission, processes: int, *, after: int = 0) -> int:
    """Submit one array, to begin when the job ``after`` has ended, if there is one; Slurm's number of it.

    Raises:
        ClusterError: Slurm refuses it.
    """
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):  # what sbatch says is in the error, too
            warnings.simplefilter("ignore")
            executor = submitit.AutoExecutor(folder=folder, cluster="slurm", slurm_max_num_timeout=100)
            executor.update_parameters(**_parameters(submission, processes, after))
            jobs = executor.map_array(job, submission.tasks)
    except (FailedJobError, FailedSubmissionError, OSError) as error:
        words = " ".join(str(error).split()).replace("sbatch: error: ", "")
        raise ClusterError(
            f"Slurm did not take the job: {words[:400]}. Nothing is lost; submit it with other options: gantlet resume "
            f"{folder.parent} --slurm KEY=VALUE"
        ) from error
    finally:
        # A link to the script, which Slurm has taken a copy of; and what is left where it refused the job.
        for path in (*folder.glob(".submission_file_*"), *folder.glob(f"{'[0-9a-f]' * 32}.pkl")):
            path.unlink(missing_ok=True)
    return int(jobs[0].job_id.partition("_")[0])


def _parameters(submission: Submission, processes: int, after: int) -> dict[str, Any]:
    """What submitit is asked for."""
    options = submission.options
    named = ("partition", "account", "qos", "constraint", "nodelist", "exclude")
    extra: dict[str, Any] = {"requeue": True}
    if options.mem:
        extra["mem"] = options.mem
    for line in options.sbatch:
        name, equals, value = line.lstrip("-").partition("=")
        extra[name] = value if equals else True
    if after:
        extra["dependency"] = ",".join(filter(None, (extra.get("dependency"), f"afterany:{after}")))
    chosen: dict[str, Any] = {
        "slurm_job_name": submission.name,
        "slurm_time": minutes_of(options.time),
        "slurm_cpus_per_task": options.cpus,
        "slurm_signal_delay_s": options.grace,
        "slurm_array_parallelism": options.max_jobs or len(submission.tasks),
        "slurm_stderr_to_stdout": True,
        "slurm_additional_parameters": extra,
        **{f"slurm_{name}": getattr(options, name) for name in named if getattr(options, name)},
    }
    if processes > 1:
        chosen |= {"slurm_nodes": options.nodes, "slurm_ntasks_per_node": processes // options.nodes}
    if options.gpus:
        chosen["slurm_gpus_per_node"] = options.gpus
    if options.setup:
        chosen["slurm_setup"] = list(options.setup)
    return chosen
