"""The last good checkpoint of a fleet: whole, of this fleet and study, with all its history; a damaged one is skipped."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from gantlet.errors import Damaged
from gantlet.files import inside
from gantlet.places import command
from gantlet.training import checkpoint

from .kept import check_kept
from .record import FleetPlan, StudyRecord
from .store import Store

__all__ = ["GoodCheckpoint", "check_state", "last_good", "last_step", "read_checked", "read_trained"]


class GoodCheckpoint(NamedTuple):
    """What a fleet goes on from, and a sentence for each damage that was met on the way to it.

    ``tensors`` and ``rest`` are empty where there is none, so that the fleet begins at step 0.
    """

    tensors: dict[str, Tensor]
    rest: dict[str, Any]
    damage: tuple[str, ...] = ()


def last_good(store: Store, fleet: str, seals: Collection[str]) -> GoodCheckpoint:
    """The newest good checkpoint of a fleet; damaged ones are set aside, and history that it does not vouch for goes.

    Only what is known to be damaged counts as that: what cannot be read at the moment is an error, and stays as it is.

    Arguments:
        store: The study.
        fleet: The fleet's id.
        seals: The digests of the records by which it may have been trained.

    Raises:
        StoreError: A checkpoint cannot be read, is of another version of gantlet, or cannot be set aside.
    """
    folder, damage = store.checkpoint(fleet), list[str]()
    while places := checkpoint.places(folder):
        try:
            tensors, rest = read_checked(store, fleet, seals, places[0])
        except Damaged as error:
            damage.append(str(error))
            checkpoint.set_aside(folder)
            continue
        store.chunks(fleet).drop_after(rest["step"])
        if "chunks" not in rest:  # from before checkpoints named their history: what is there is theirs
            rest["chunks"] = store.chunks(fleet).found()
        return GoodCheckpoint(tensors, rest, tuple(damage))
    store.chunks(fleet).drop_after(-1)
    return GoodCheckpoint({}, {}, tuple(damage))


def read_checked(
    store: Store, fleet: str, seals: Collection[str], place: Path, *, history: bool = True
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A checkpoint that is whole, of this fleet and study, and with all its history.

    Arguments:
        store: The study.
        fleet: The fleet's id.
        seals: The digests of the records by which it may have been trained.
        place: One of :func:`gantlet.training.checkpoint.places`.
        history: Whether its history and the weights that it keeps must be whole, too.

    Raises:
        Damaged: It is not.
        StoreError: It cannot be read, or another version of gantlet wrote it.
    """
    tensors, rest = checkpoint.read_at(inside(store.fleet(fleet), place.name))
    check_state(rest, fleet, seals, place)
    if history:
        store.chunks(fleet).check(rest.get("chunks", {}))
        for _, sentence in check_kept(store, fleet, rest):
            raise Damaged(sentence)
    return tensors, rest


def check_state(rest: Mapping[str, Any], fleet: str, seals: Collection[str], place: Path) -> None:
    """Make sure that a checkpoint's state is what a fleet writes, and that of this fleet and study.

    Raises:
        Damaged: It is that of another, or has a field of another kind.
    """
    for name, kinds in _KINDS.items():
        if not isinstance(rest.get(name, _MAY_LACK.get(name)), kinds):
            raise Damaged(f"The state of the checkpoint in {place} is not what a fleet writes: {name}.")
    if not all(run.isdecimal() and type(times) is int for run, times in rest.get("held", {}).items()):
        raise Damaged(f"The state of the checkpoint in {place} is not what a fleet writes: held.")
    if rest.get("fleet", fleet) != fleet:
        raise Damaged(f"The checkpoint in {place} is that of fleet {str(rest['fleet'])[:40]}.")
    if rest.get("study", "") not in seals:
        raise Damaged(f"The checkpoint in {place} is that of another study, or of this one before it was edited.")


def read_trained(store: Store, fleet: FleetPlan, record: StudyRecord) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The newest checkpoint of a fleet, for those who use what it trained; it must be that of its results, if it has some.

    Raises:
        Damaged: It is not whole, of another fleet or study, or older than the fleet's results.
        StoreError: It cannot be read.
    """
    folder = store.checkpoint(fleet.id)
    place = next(iter(checkpoint.places(folder)), folder)
    try:
        tensors, rest = read_checked(store, fleet.id, record.lineage, place, history=False)
        if store.finished(fleet, record.lineage) and rest["step"] < last_step(store.results(fleet, record.lineage)):
            raise Damaged(f"The checkpoint in {place} is of step {rest['step']:,}, before the end of the training.")
    except Damaged as error:
        raise Damaged(f"{error} What can be done does: {command('repair', store.folder)}") from error
    return tensors, rest


def last_step(rows: Sequence[Mapping[str, Any]]) -> int:
    """The step that the longest member of a finished fleet reached."""
    return max((step for row in rows if isinstance(step := row.get("generator_steps"), int)), default=0)


_KINDS: dict[str, type | tuple[type, ...]] = {"seconds": (int, float), "last": list, "study": str, "chunks": dict}
_KINDS.update({"kept": dict, "best": dict, "held": dict})
_MAY_LACK: dict[str, Any] = {"study": "", "chunks": {}, "kept": {}, "best": {}, "held": {}}
