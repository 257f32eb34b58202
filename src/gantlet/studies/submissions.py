"""What of a study was handed to Slurm: a small file for each call of ``sbatch``, written before it, in the folder ``slurm``.

It says which fleets each task of an array trains. The name of the jobs holds a token that nothing else has, so Slurm's queue
can be asked about them even where whoever submitted them died before it could note their number. Logs stand beside it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gantlet.errors import BadValue, Damaged, StoreError
from gantlet.files import check_seal, inside, read_regular
from gantlet.requests.slurm_options import SlurmOptions

from .record import FleetId
from .store import Store

__all__ = ["Submission", "jobs_folder", "new_submission", "submissions"]

_LARGEST = 1 << 24  # bytes
_MOST = 10_000  # submissions that are read


class Submission(BaseModel):
    """One call of ``sbatch``.

    Attributes:
        token: What its name, and that of its file, hold.
        created: When, in UTC.
        job: Slurm's number of it; 0 while that is not known.
        tasks: The fleets of each task of the array, in order.
        options: What was asked of Slurm.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    created: Annotated[str, Field(max_length=40)]
    job: Annotated[int, Field(ge=0)] = 0
    tasks: Annotated[tuple[tuple[FleetId, ...], ...], Field(min_length=1, max_length=1 << 20)]
    options: SlurmOptions = SlurmOptions()

    @property
    def name(self) -> str:
        """The name of its jobs."""
        return f"gantlet-{self.token}"

    def id_of(self, task: int) -> str:
        """Slurm's name of a task; empty while it is not known."""
        return "" if not self.job else f"{self.job}_{task}" if len(self.tasks) > 1 else str(self.job)

    def log(self, task: int) -> str:
        """The name of a task's log in the folder ``slurm``; empty while it is not known."""
        return f"{self.id_of(task)}_0_log.out" if self.job else ""

    def write(self, store: Store) -> None:
        """Write its file.

        Raises:
            StoreError: It cannot be written.
        """
        store.write_json(f"slurm/{self.token}.json", self.model_dump())


def new_submission(tasks: Sequence[Sequence[str]], options: SlurmOptions) -> Submission:
    """A submission that was not made yet."""
    return Submission(
        token=uuid.uuid4().hex[:16],
        created=datetime.now(UTC).isoformat(timespec="microseconds"),  # by which they are ordered
        tasks=tuple(tuple(task) for task in tasks),
        options=options,
    )


def jobs_folder(store: Store) -> Path:
    """The folder of submissions and of jobs' logs."""
    return inside(store.folder, "slurm")


def submissions(store: Store) -> list[Submission]:
    """What was handed to Slurm, the oldest first.

    Raises:
        StoreError: A file of it cannot be read, or is not what is written there.
    """
    found = sorted(_read(path) for path in _files(jobs_folder(store)))
    return [submission for _, _, submission in found]


def _files(folder: Path) -> Iterator[Path]:
    names = sorted(folder.glob("*.json")) if folder.is_dir() else []
    if len(names) > _MOST:
        raise StoreError(f"{folder} holds {len(names):,} submissions; more than {_MOST:,} are not read.")
    yield from names


def _read(path: Path) -> tuple[str, str, Submission]:
    try:
        found = json.loads(read_regular(path, most=_LARGEST))
        if not isinstance(found, dict):
            raise ValueError("it does not hold an object")
        check_seal(found, str(path))
        submission = Submission.model_validate({name: value for name, value in found.items() if name != "seal"})
        submission.options.checked()
        if path.stem != submission.token:
            raise ValueError("it is that of another submission")
    except (ValueError, RecursionError, BadValue) as error:
        words = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise Damaged(f"{path} is not what a submission writes: {words}.") from None
    return submission.created, submission.token, submission
