"""Checkpoints: everything a fleet needs to go on as if it had never stopped.

Tensors go into a safetensors file, the rest into JSON: nothing executable in a file that a stranger sends. Both are
written into a temporary folder, synced, and renamed into place. The one before stays beside it, so that there is a good
one to go back to when the last one is damaged; checksums tell.

What is in it: parameters, buffers, averages, learned weights, optimiser states, the objective's state, counters, divergences
(under ``exits``), members that were stopped early, and the open log interval of the history. What is not: random states
(draws are keyed) and data positions (they follow from counters).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gantlet.errors import Damaged, StoreError
from gantlet.files import check_regular, check_seal, clear_away, file_digest, free_name, read_regular, sealed

if TYPE_CHECKING:  # who only looks where a fleet stands is spared a second of imports
    import torch
    from torch import Tensor

    from .fleet import Fleet

__all__ = [
    "has_checkpoint",
    "places",
    "put_in_place",
    "read",
    "read_at",
    "read_state",
    "restore",
    "set_aside",
    "snapshot",
    "stopped_of",
    "unplaced",
    "write",
]

_FORMAT = 1
_LARGEST = 1 << 28  # bytes of a state
_NAMES = ("tensors.safetensors", "state.json")
_DIVERGENCE = {"step": int, "player": str, "cause": str}
_KINDS = {"step": int, "discriminator_steps": int, "exits": dict, "history_counts": dict, "stopped": dict}


def snapshot(fleet: Fleet) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A fleet's tensors and the rest, ready to be written."""
    fleet.settle()
    tensors: dict[str, Tensor] = {}
    for player, stack in (("generator", fleet.generators), ("discriminator", fleet.discriminators)):
        tensors |= {f"{player}/parameter/{name}": p.detach() for name, p in stack.parameters.items()}
        tensors |= {f"{player}/buffer/{name}": b for name, b in stack.buffers.items()}
        tensors |= {f"{player}/optimiser/{name}": v for name, v in fleet.optimisers[player].state().items()}
    if fleet.generator_weights is not None:
        tensors["weights/logits"] = fleet.generator_weights.logits.detach()
        tensors |= {f"weights/optimiser/{name}": v for name, v in fleet.generator_weights.optimiser.state().items()}
    tensors |= {f"average/{name}": v for name, v in (fleet.average or {}).items()}
    tensors |= {f"objective/{name}": v for name, v in fleet.state.items()}
    sums, counts = fleet.history.state()
    tensors |= {f"history/{name}": value for name, value in sums.items()}
    rest = {
        "format": _FORMAT,
        "step": fleet.step,
        "discriminator_steps": fleet.discriminator_steps,
        "exits": {str(slot): asdict(divergence) for slot, divergence in fleet.divergences.items()},
        "history_counts": counts,
        "stopped": {str(slot): step for slot, step in fleet.stopped.items()},
    }
    return {name: value.contiguous().cpu().clone() for name, value in tensors.items()}, rest


def restore(fleet: Fleet, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
    """Put a fleet, freshly built from the same blueprint, where the snapshot was taken."""
    import torch

    from .updates import Divergence

    fleet.step, fleet.discriminator_steps = rest["step"], rest["discriminator_steps"]
    fleet.divergences = {int(slot): Divergence(**divergence) for slot, divergence in rest["exits"].items()}
    fleet.stopped = stopped_of(rest)
    device = fleet.blueprint.execution.device
    with torch.no_grad():
        for player, stack in (("generator", fleet.generators), ("discriminator", fleet.discriminators)):
            for name, parameter in stack.parameters.items():
                parameter.copy_(tensors[f"{player}/parameter/{name}"])
            for name in stack.buffers:
                stack.buffers[name] = tensors[f"{player}/buffer/{name}"].to(device).clone()
            fleet.optimisers[player].load(_under(tensors, f"{player}/optimiser/", device), fleet.alive)
        if fleet.generator_weights is not None:
            fleet.generator_weights.logits.copy_(tensors["weights/logits"])
            fleet.generator_weights.optimiser.load(_under(tensors, "weights/optimiser/", device), fleet.alive)
    if fleet.average is not None:
        fleet.average = _under(tensors, "average/", device)
    fleet.state = _under(tensors, "objective/", device)
    fleet.history.load(_under(tensors, "history/", device), rest["history_counts"])
    fleet.refresh()


def write(folder: Path, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
    """Write a checkpoint folder atomically, with checksums; the one before it stays as ``<name>.old``.

    Raises:
        StoreError: The disk is full, or the folder cannot be written; the last good checkpoint is untouched.
    """
    import safetensors.torch

    fresh = unplaced(folder)
    try:
        clear_away(fresh)
        fresh.mkdir(parents=True)
        safetensors.torch.save_file(dict(tensors), fresh / _NAMES[0])
        sealed_rest = sealed({**rest, "tensors_sha256": file_digest(fresh / _NAMES[0])})
        (fresh / _NAMES[1]).write_text(json.dumps(sealed_rest), encoding="utf-8")
        for name in _NAMES:
            _sync(fresh / name)
        _sync(fresh)
        _put_in_place(folder)
    except (OSError, safetensors.SafetensorError) as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise StoreError(
            f"The checkpoint could not be written to {folder}: {error}. The last good one is kept; make room or fix "
            f"the permissions, then use gantlet resume."
        ) from error


def unplaced(folder: Path) -> Path:
    """Where a checkpoint is written before it takes its place; a process that died in between leaves it there, whole or not."""
    return folder.with_name(folder.name + ".new")


def put_in_place(folder: Path) -> None:
    """Let the checkpoint that a process wrote and died before it took its place take it; the one before it stays.

    Raises:
        StoreError: It cannot be moved.
    """
    try:
        _put_in_place(folder)
    except OSError as error:
        raise StoreError(f"{unplaced(folder)} cannot be moved to {folder}: {error.strerror or error}.") from error


def _put_in_place(folder: Path) -> None:
    before, going = _before(folder), folder.with_name(folder.name + ".gone")
    if folder.exists():  # else the old one, if any, is the last good one
        _let_go(going, folder)
        if os.path.lexists(before):  # renamed first: who dies while it is deleted leaves no half of a checkpoint
            before.rename(going)
            if not _strangers(going):
                clear_away(going)
        folder.rename(before)
    unplaced(folder).rename(folder)
    _sync(folder.parent)
    _move_strangers(before, folder)
    _let_go(going, before)


def _let_go(place: Path, heir: Path) -> None:
    """Delete a checkpoint, if it is there; what no fleet wrote into it goes on in another."""
    _move_strangers(place, heir)
    clear_away(place)


def _strangers(place: Path) -> list[Path]:
    """What no fleet wrote into a checkpoint."""
    inside = list(place.iterdir()) if place.is_dir() and not place.is_symlink() else []
    return [path for path in inside if path.name not in _NAMES]


def _move_strangers(place: Path, heir: Path) -> None:
    for path in _strangers(place):
        path.rename(free_name(heir / path.name))


def places(folder: Path) -> list[Path]:
    """Where checkpoints are, whole or not, the newest first: the folder itself, and the one before it."""
    return [place for place in (folder, _before(folder)) if os.path.lexists(place)]


def has_checkpoint(folder: Path) -> bool:
    """Whether a checkpoint is there (the one being replaced counts, if the machine died in between)."""
    return bool(places(folder))


def set_aside(folder: Path, *, older: bool = False) -> None:
    """Move the newest checkpoint, which is damaged, to ``<name>.damaged`` (a second to ``<name>.damaged.2``, …); the one before, if any, takes its place.

    Arguments:
        folder: The checkpoint's folder.
        older: Whether it is the one before that is damaged, and goes.

    Raises:
        StoreError: It cannot be moved.
    """
    place = _before(folder) if older else next(iter(places(folder)), folder)
    aside = free_name(folder.with_name(folder.name + ".damaged"))
    try:
        place.rename(aside)
        if place == folder and _before(folder).is_dir() and not _before(folder).is_symlink():
            _before(folder).rename(folder)
    except OSError as error:
        raise StoreError(
            f"The damaged checkpoint {place} cannot be moved to {aside}: {error.strerror or error}."
        ) from error


def read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The newest checkpoint of a folder, checked.

    Raises:
        Damaged: There is none, or it is not what was written.
        StoreError: It cannot be read, or another version of gantlet wrote it.
    """
    return read_at(next(iter(places(folder)), folder))


def read_at(place: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The checkpoint that is stored at exactly this place, checked.

    Raises:
        Damaged: There is none, or it is not what was written.
        StoreError: It cannot be read, or another version of gantlet wrote it.
    """
    import safetensors.torch

    try:
        rest = read_state(place)
        check_regular(place / _NAMES[0])
        if rest.get("tensors_sha256", "") not in ("", file_digest(place / _NAMES[0])):
            raise Damaged(f"The checkpoint in {place} is damaged: its tensors do not have their checksum.")
        return dict(sorted(safetensors.torch.load_file(place / _NAMES[0]).items())), rest
    except (ValueError, RecursionError, safetensors.SafetensorError) as error:
        raise Damaged(f"The checkpoint in {place} cannot be read: {error}.") from error
    except OSError as error:
        raise StoreError(f"The checkpoint in {place} cannot be read: {error.strerror or error}.") from error


def read_state(place: Path) -> dict[str, Any]:
    """The state of the checkpoint at exactly this place, checked, without its tensors.

    Raises:
        Damaged: There is none, or it is not what was written.
        StoreError: It cannot be read, or another version of gantlet wrote it.
    """
    if os.path.lexists(place) and not place.is_dir():
        raise Damaged(f"The checkpoint {place} is not a folder.")
    try:
        rest = json.loads(read_regular(place / _NAMES[1], most=_LARGEST))
    except (ValueError, RecursionError) as error:
        raise Damaged(f"The checkpoint in {place} cannot be read: {error}.") from error
    if not isinstance(rest, dict):
        raise Damaged(f"The state of the checkpoint in {place} is not what a fleet writes.")
    check_seal(rest, f"The state of the checkpoint in {place}")
    if rest.get("format") != _FORMAT:
        form = str(rest.get("format"))[:40]
        raise StoreError(f"The checkpoint in {place} has format {form}; this gantlet reads {_FORMAT}.")
    rest.setdefault("stopped", {})  # of before members could be stopped
    for name, kind in _KINDS.items():
        if type(rest.get(name)) is not kind or (kind is int and rest[name] < 0):
            raise Damaged(f"The state of the checkpoint in {place} is not what a fleet writes: {name}.")
    sound = {
        "exits": all(slot.isdecimal() and _is_divergence(left) for slot, left in rest["exits"].items()),
        "history_counts": all(type(count) is int and count >= 0 for count in rest["history_counts"].values()),
        "stopped": all(slot.isdecimal() and type(step) is int for slot, step in rest["stopped"].items()),
    }
    for name in (name for name, is_sound in sound.items() if not is_sound):
        raise Damaged(f"The state of the checkpoint in {place} is not what a fleet writes: {name}.")
    return rest


def _is_divergence(left: object) -> bool:
    return isinstance(left, dict) and {name: type(value) for name, value in left.items()} == _DIVERGENCE  # pyright: ignore[reportUnknownVariableType]


def stopped_of(rest: Mapping[str, Any]) -> dict[int, int]:
    """By slot, after which step members were stopped early, from a checkpoint's state."""
    return {int(slot): int(step) for slot, step in rest.get("stopped", {}).items()}


def _before(folder: Path) -> Path:
    return folder.with_name(folder.name + ".old")


def _under(tensors: Mapping[str, Tensor], prefix: str, device: torch.device) -> dict[str, Tensor]:
    under = {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
    return {name: value.to(device).clone() for name, value in under.items()}


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
