"""A member's weights as a study stores them: its last ones, the best, or those of a step that was kept; nothing is imported."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from torch import Tensor

from gantlet.errors import BadValue, Damaged, StoreError
from gantlet.places import command
from gantlet.requests.keeping import parse_step
from gantlet.training import checkpoint
from gantlet.training.member_weights import member_slice

from .checkpoints import check_state, read_trained
from .kept import best_of, is_lost, kept_files, read_kept
from .members import member_fleet
from .record import FleetPlan
from .store import Store

__all__ = ["MemberTensors", "best_step", "read_weights", "steps_stored"]

_MOST_NAMED = 12  # steps in a message


class MemberTensors(NamedTuple):
    """A member's tensors ``[K, ...]`` by their names in a checkpoint, and after which step it had them."""

    tensors: dict[str, Tensor]
    step: int


def read_weights(store: Store, run: int, step: int | str | None = None) -> MemberTensors:
    """The weights of a member: all of the last ones, and of others its generators and what goes with them.

    Arguments:
        store: The study.
        run: The member's number.
        step: ``last`` or None, ``best``, or a number of generator updates.

    Raises:
        BadValue: There is no such run, or these weights were not kept.
        Damaged: They are not what was written.
        StoreError: Nothing was trained yet, or it cannot be read.
    """
    wanted, fleet = parse_step(step), member_fleet(store, run)
    rest, last = _state(store, fleet, run)
    kept = {each.step: each for each in kept_files(rest) if each.run == run}
    if wanted == "best":
        wanted = best_step(store, run)
    if wanted in ("last", last):
        tensors, _ = read_trained(store, fleet, store.record())
        return MemberTensors(member_slice(tensors, fleet.runs.index(run), len(fleet.slots)), last)
    there = [each.step for each in kept.values() if not is_lost(store, fleet.id, each)]
    if wanted not in kept:
        raise BadValue(f"The weights of run {run} at step {wanted:,} were not kept. {_stored(there, last)}")
    if wanted not in there:
        raise Damaged(f"The weights of run {run} at step {wanted:,} are lost, as repair noted. {_stored(there, last)}")
    return MemberTensors(read_kept(store, fleet.id, kept[int(wanted)]), int(wanted))


def best_step(store: Store, run: int) -> int:
    """The step of a member's best evaluation.

    Raises:
        BadValue: There is no such run, or none was chosen.
        StoreError: Nothing was trained yet, or it cannot be read.
    """
    rest, last = _state(store, member_fleet(store, run), run)
    best = best_of(rest).get(run)
    if best is None:
        kept = [each.step for each in kept_files(rest) if each.run == run]
        raise BadValue(
            f"Run {run} has no best weights; the key checkpoints=best:METRIC keeps some. {_stored(kept, last)}"
        )
    return best.step


def steps_stored(store: Store, run: int) -> tuple[int, ...]:
    """The steps of which a member's weights can be read, ascending; the last one is that of its checkpoint.

    Raises:
        BadValue: There is no such run.
        StoreError: Nothing was trained yet, or it cannot be read.
    """
    rest, last = _state(store, member_fleet(store, run), run)
    return tuple(sorted({last, *(each.step for each in kept_files(rest) if each.run == run)}))


def _state(store: Store, fleet: FleetPlan, run: int) -> tuple[dict[str, Any], int]:
    """The state of a fleet's newest checkpoint, and the step that a member reached in it."""
    places = checkpoint.places(store.checkpoint(fleet.id))
    if not places:
        raise StoreError(f"Run {run} has no checkpoint yet. Train it with: {command('resume', store.folder)}")
    rest, slot = checkpoint.read_state(places[0]), fleet.runs.index(run)
    check_state(rest, fleet.id, store.record().lineage, places[0])
    left = rest["exits"].get(str(slot))
    if isinstance(left, dict) and isinstance(left.get("step"), int):
        return rest, left["step"]
    stopped = checkpoint.stopped_of(rest)
    return rest, stopped[slot] if slot in stopped else rest["step"]


def _stored(kept: Iterable[int], last: int) -> str:
    steps = sorted({*kept, last})
    named = [f"{step:,}" for step in steps]
    if len(named) > _MOST_NAMED:
        named = [*named[: _MOST_NAMED - 2], "…", named[-1]]
    return f"Those of step {named[0]} are." if len(steps) == 1 else f"Those of these steps are: {', '.join(named)}."
