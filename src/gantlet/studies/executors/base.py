"""What an executor is: it trains the named fleets of a study folder, tells how they go, and stops when asked.

The study folder is all that an executor needs and all that it leaves: which fleets there are, with what settings, and how
far each has come. Whatever was not finished is trained by the next ``resume``, by any executor.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import torch

from gantlet.errors import GantletError
from gantlet.files import locked
from gantlet.training.ranks import Ranks

from ..cache import Cache
from ..fleets import follow_fleet, train_fleet
from ..runner import Progress
from ..store import Store

__all__ = ["Callbacks", "Executor", "FleetResult", "message_taken", "train_one"]


@dataclass(frozen=True)
class FleetResult:
    """How the training of one fleet ended.

    Attributes:
        fleet: Its id.
        kind: ``elsewhere`` where another process trains it.
        error: Why it failed, or who trains it.
        damage: A sentence for each damaged file that was met.
    """

    fleet: str
    kind: Literal["finished", "stopped", "failed", "elsewhere"]
    error: str | None = None
    damage: tuple[str, ...] = ()


@dataclass(frozen=True)
class Callbacks:
    """Who receives progress and the ends of fleets, and who may ask to stop."""

    progress: Callable[[Progress], None] = lambda progress: None
    ended: Callable[[FleetResult], None] = lambda result: None
    stopping: Callable[[], bool] = lambda: False


@runtime_checkable
class Executor(Protocol):
    """Trains fleets.

    One that hands fleets over and returns before they are trained has ``detached = True``; one that cannot work everywhere has
    ``check()``, which raises a sentence where it cannot.
    """

    @property
    def in_process(self) -> bool:
        """Whether it trains in the process that calls it.

        Then a study may have parts that no other process can import, and is planned for one worker. An executor without this
        attribute counts as one with other processes.
        """
        ...

    def run(self, store: Store, fleets: Sequence[str], callbacks: Callbacks, *, workers: int, cache: Cache) -> None:
        """Train fleets, the first ones first, and return when all ended or were stopped.

        Arguments:
            store: The study.
            fleets: Their ids.
            callbacks: Told of progress and ends; asked whether to stop.
            workers: How many processes the study was planned for.
            cache: Data sets and metrics that this process has loaded already.
        """
        ...


def message_taken(message: dict[str, Any], callbacks: Callbacks) -> FleetResult | None:
    """Hand on a process's message of progress; the result, if it is one."""
    if "progress" in message:
        progress = message["progress"]
        progress |= {name: tuple(progress[name]) if progress[name] else None for name in ("best", "worst")}
        if progress.get("rows") is not None:  # JSON has no numbers as keys
            progress["rows"] = {int(run): row for run, row in progress["rows"].items()}
        callbacks.progress(Progress(**progress))
        return None
    result = message["result"]
    return FleetResult(**(result | {"damage": tuple(result["damage"])}))


def train_one(
    cache: Cache,
    store: Store,
    fleet: str,
    *,
    notify: Callable[[Progress], None],
    stopping: Callable[[], bool],
    ranks: Ranks | None = None,
    device: torch.device | None = None,
) -> FleetResult:
    """Train one fleet; an error of its own becomes its result and is written down.

    One of several ``ranks``, each on its ``device``, raises what may be the loss of another; only the first of them writes.
    """
    damage: list[str] = []
    if ranks is not None and ranks.rank:
        done = follow_fleet(cache, store, fleet, stopping=stopping, ranks=ranks, device=device)
        return FleetResult(fleet, "finished" if done else "stopped")
    try:
        with locked(store.lock(fleet), wait=False) as holder:
            if holder is not None:
                return FleetResult(fleet, "elsewhere", f"fleet {fleet} is being trained by {holder}")
            store.forget_failure(fleet)
            done = train_fleet(
                cache, store, fleet, notify=notify, stopping=stopping, damage=damage, ranks=ranks, device=device
            )
    except Exception as error:
        if ranks is not None and not isinstance(error, GantletError):
            raise
        words = str(error) if isinstance(error, GantletError) else "".join(traceback.format_exception(error))
        try:
            store.write_failure(fleet, words)
        except GantletError:
            words += "\n(and the failure could not be written down)"
        return FleetResult(fleet, "failed", words, tuple(damage))
    return FleetResult(fleet, "finished" if done else "stopped", damage=tuple(damage))
