"""``gantlet replay``: train a member's fleet again and compare it with its record, bit for bit.

A member's numbers depend on the width of its fleet (by rounding), so the whole fleet is trained again, at the recorded
width, route, dtype and thread count. The promise holds on the same kind of machine and build of torch.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from gantlet.cpu import threads_set
from gantlet.errors import BadValue, Damaged, Refused, ReplayMismatch
from gantlet.places import command
from gantlet.training import checkpoint
from gantlet.training.fleet import Fleet
from gantlet.training.member_weights import member_weights

from .build import blueprint
from .cache import Cache
from .checkpoints import read_trained
from .fleets import check_unchanged, execution_of
from .initial import begin, initial_weights
from .kept import kept_files, read_kept
from .launch import check_device
from .machine import versions
from .members import StudyMember, find_member
from .store import Store
from .trust import allow

__all__ = ["replay"]


def replay(folder: Path, run: int, *, say: Callable[[str], None] = lambda words: None, trust: bool = False) -> str:
    """Train again, compare, and return one sentence.

    Raises:
        Refused: Several processes trained it.
        BadValue: No such run, or it is not finished.
        ReplayMismatch: Some tensor differs.
    """
    store = Store(folder)
    if trust:
        record = store.record()
        allow(record.settings, record.key)
    found = find_member(store, run)
    record = found.record
    check_device(folder, record.execution.device)
    if record.execution.processes > 1:
        raise Refused(
            f"Run {run} was trained by {record.execution.processes} processes together, whose sums are rounded as one process "
            f"does not round them, so nothing can be compared bit for bit. Train it again with the command in study.json."
        )
    if not store.finished(found.fleet, record.seals(found.fleet)):
        raise BadValue(f"Run {run} is not finished, so there is nothing to compare. Use: {command('resume', folder)}")
    tensors, rest = read_trained(store, found.fleet, record)
    others = len(found.fleet.runs) - 1
    if others:
        say(f"training run {run} again, with the {others} other members of its fleet ({rest['step']:,} steps)")
    for name, version in versions().items():
        then = record.versions_of(found.fleet).get(name)
        if then != version and name in ("torch", "gantlet", "random key"):
            say(f"note: {name} was {then} then and is {version} now")
    dataset = Cache().dataset(found.resolved)
    check_unchanged(store, record, found.setting, found.resolved, dataset)
    ended, execution = record.ended(found.fleet), execution_of(record, found.fleet)
    sheet = blueprint(found.slots, dataset.specification, execution, ended=ended)
    if rest["step"] > sheet.sizes.steps:
        raise Damaged(
            f"The checkpoint of run {run} is of step {rest['step']:,}, and the plan ends at {sheet.sizes.steps:,}."
        )
    with threads_set(record.execution.threads):
        fleet = Fleet(sheet, dataset)
        begin(fleet, initial_weights(store, record, found.resolved))
        _train_again(store, found, fleet, rest)
    again, _ = checkpoint.snapshot(fleet)
    compared = _compare(tensors, again, found.slot, len(found.fleet.slots))
    return f"run {run}: {compared} tensors are equal bit for bit after {rest['step']:,} steps"


def _train_again(store: Store, found: StudyMember, fleet: Fleet, rest: dict[str, Any]) -> None:
    """Train to the checkpoint's step, end members where they were ended, and compare what was kept on the way."""
    stopped, run = checkpoint.stopped_of(rest), found.fleet.slots[found.slot]
    kept = {each.step: each for each in kept_files(rest) if each.run == run}
    while fleet.step < rest["step"]:
        fleet.advance()
        if (now := kept.get(fleet.step)) is not None:
            fleet.settle()
            then = read_kept(store, found.fleet.id, now)
            discriminator = any(name.startswith("discriminator/") for name in then)
            _compare(then, member_weights(fleet, found.slot, discriminator=discriminator), 0, 1)
        fleet.stop([slot for slot, step in stopped.items() if step == fleet.step])


def _compare(then: dict[str, torch.Tensor], now: dict[str, torch.Tensor], slot: int, slots: int) -> int:
    compared = 0
    for name, tensor in then.items():
        if name.startswith("history/"):
            continue
        before, after = (_of(t, slot, slots) for t in (tensor, now[name]))
        if not torch.equal(before.view(torch.uint8), after.view(torch.uint8)):
            most = float((before.double() - after.double()).abs().max())
            raise ReplayMismatch(
                f"The replay differs from the record: {name} by up to {most:.3g}. Bit for bit holds on the same kind "
                f"of machine, the same build of torch and the same thread count."
            )
        compared += 1
    return compared


def _of(tensor: torch.Tensor, slot: int, slots: int) -> torch.Tensor:
    per_member = tensor.shape[0] // slots
    return tensor[slot * per_member : (slot + 1) * per_member].contiguous().reshape(-1)
