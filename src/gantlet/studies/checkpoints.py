"""The last good checkpoint of a fleet: whole, of this fleet and study, with all its history; a damaged one is passed by."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from gantlet.errors import StoreError
from gantlet.training import checkpoint

from .store import Store

__all__ = ["GoodCheckpoint", "damage_of", "last_good"]


class GoodCheckpoint(NamedTuple):
    """What a fleet goes on from, and a sentence for each damage that was met on the way to it.

    ``tensors`` and ``rest`` are empty where there is none, so that the fleet begins at step 0.
    """

    tensors: dict[str, Tensor]
    rest: dict[str, Any]
    damage: tuple[str, ...] = ()


def last_good(store: Store, fleet: str, study: str) -> GoodCheckpoint:
    """The newest good checkpoint of a fleet; damaged ones are removed, and so is history that it does not vouch for.

    Arguments:
        store: The study.
        fleet: The fleet's id.
        study: The digest of the study's record.

    Raises:
        StoreError: Damaged files cannot be removed.
    """
    folder, damage = store.checkpoint(fleet), list[str]()
    while checkpoint.has_checkpoint(folder):
        place = checkpoint.places(folder)[0]
        try:
            tensors, rest = checkpoint.read_at(place)
            _check(store, fleet, study, rest)
        except StoreError as error:
            damage.append(str(error))
            if place == folder and len(checkpoint.places(folder)) > 1:
                checkpoint.go_back(folder)
                continue
            break
        store.drop_chunks_after(fleet, rest["step"])
        return GoodCheckpoint(tensors, rest, tuple(damage))
    if damage:
        store.restart_fleet(fleet)
    store.drop_chunks_after(fleet, -1)
    return GoodCheckpoint({}, {}, tuple(damage))


def damage_of(store: Store, fleet: str, study: str) -> list[str]:
    """A sentence for each kept checkpoint of a fleet that is not good; nothing is changed."""
    found: list[str] = []
    for place in checkpoint.places(store.checkpoint(fleet)):
        try:
            _check(store, fleet, study, checkpoint.read_at(place)[1])
        except StoreError as error:
            found.append(str(error))
    return found


def _check(store: Store, fleet: str, study: str, rest: dict[str, Any]) -> None:
    place = store.checkpoint(fleet)
    if rest.get("fleet", fleet) != fleet:
        raise StoreError(f"The checkpoint in {place} is that of fleet {str(rest['fleet'])[:40]}.")
    if rest.get("study", study) != study:
        raise StoreError(f"The checkpoint in {place} is that of another study, or of this one before it was edited.")
    store.check_chunks(fleet, rest.get("chunks", {}))
