"""The last good checkpoint of a fleet: whole, of this fleet and study, with all its history; a damaged one is skipped."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from torch import Tensor

from gantlet.errors import Damaged
from gantlet.training import checkpoint

from .store import Store

__all__ = ["GoodCheckpoint", "last_good"]


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
    while checkpoint.has_checkpoint(folder):
        try:
            tensors, rest = checkpoint.read(folder)
            _check(store, fleet, seals, rest)
        except Damaged as error:
            damage.append(str(error))
            checkpoint.set_aside(folder)
            continue
        store.drop_chunks_after(fleet, rest["step"])
        return GoodCheckpoint(tensors, rest, tuple(damage))
    store.drop_chunks_after(fleet, -1)
    return GoodCheckpoint({}, {}, tuple(damage))


def _check(store: Store, fleet: str, seals: Collection[str], rest: dict[str, Any]) -> None:
    place = store.checkpoint(fleet)
    if rest.get("fleet", fleet) != fleet:
        raise Damaged(f"The checkpoint in {place} is that of fleet {str(rest['fleet'])[:40]}.")
    if rest.get("study", "") not in seals:
        raise Damaged(f"The checkpoint in {place} is that of another study, or of this one before it was edited.")
    store.check_chunks(fleet, rest.get("chunks", {}))
