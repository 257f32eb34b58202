"""Checkpoints: everything a fleet needs to go on as if it had never stopped.

Tensors go into a safetensors file, the rest into JSON: nothing executable in a file that a stranger sends. Both are
written into a temporary folder, synced, and renamed into place; the last good one stays until then.

What is in it: parameters, buffers, averages, learned weights, optimiser states, the objective's state, counters, divergences
(under ``exits``), and the open log interval of the history. What is not: random states (draws are keyed) and data
positions (they follow from counters).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from gantlet.errors import StoreError

from .fleet import Divergence, Fleet

__all__ = ["has_checkpoint", "read", "restore", "snapshot", "write"]

_FORMAT = 1
_NAMES = ("tensors.safetensors", "state.json")


def snapshot(fleet: Fleet) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A fleet's tensors and the rest, ready to be written."""
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
    }
    return {name: value.contiguous().cpu().clone() for name, value in tensors.items()}, rest


def restore(fleet: Fleet, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
    """Put a fleet, freshly built from the same blueprint, where the snapshot was taken."""
    fleet.step, fleet.discriminator_steps = rest["step"], rest["discriminator_steps"]
    fleet.divergences = {int(slot): Divergence(**divergence) for slot, divergence in rest["exits"].items()}
    fleet.refresh_alive()
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


def write(folder: Path, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
    """Write a checkpoint folder atomically; the one before it stays until the new one is complete.

    Raises:
        StoreError: The disk is full, or the folder cannot be written; the last good checkpoint is untouched.
    """
    fresh, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        safetensors.torch.save_file(dict(tensors), fresh / _NAMES[0])
        (fresh / _NAMES[1]).write_text(json.dumps(rest), encoding="utf-8")
        for name in _NAMES:
            _sync(fresh / name)
        _sync(fresh)
        if folder.exists():  # else the old one, if any, is the last good one
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
        fresh.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
        _sync(folder.parent)
    except (OSError, safetensors.SafetensorError) as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise StoreError(
            f"The checkpoint could not be written to {folder}: {error}. The last good one is kept; make room or mend "
            f"the permissions, then use gantlet resume."
        ) from error


def has_checkpoint(folder: Path) -> bool:
    """Whether a good checkpoint is there (the one being replaced counts, if the machine died in between)."""
    return any((complete / _NAMES[1]).exists() for complete in (folder, folder.with_name(folder.name + ".old")))


def read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The last good checkpoint.

    Raises:
        StoreError: There is none, it is damaged, or another version of gantlet wrote it.
    """
    complete = folder if (folder / _NAMES[1]).exists() else folder.with_name(folder.name + ".old")
    try:
        tensors = safetensors.torch.load_file(complete / _NAMES[0])
        rest = json.loads((complete / _NAMES[1]).read_text(encoding="utf-8"))
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise StoreError(f"The checkpoint in {folder} cannot be read: {error}.") from error
    form = rest.get("format") if isinstance(rest, dict) else None
    if form != _FORMAT:
        raise StoreError(f"The checkpoint in {folder} has format {form}; this gantlet reads {_FORMAT}.")
    return tensors, rest


def _under(tensors: Mapping[str, Tensor], prefix: str, device: torch.device) -> dict[str, Tensor]:
    under = {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
    return {name: value.to(device).clone() for name, value in under.items()}


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
