"""What ranks other than the first do: they train as it does, and write nothing.

After each evaluation, which is rank 0's, it says which members end early. Any rank may ask to stop; then all do.
"""

from __future__ import annotations

from .runner import FleetJob, evaluation_steps, start_fleet

__all__ = ["train_along"]


def train_along(job: FleetJob) -> bool:
    """Train along with rank 0; True when the fleet is at its end, False when somebody asked to stop."""
    fleet, _ = start_fleet(job)
    steps = fleet.blueprint.sizes.steps
    due = set(evaluation_steps(steps, job.training.evaluations))
    while fleet.step < steps and any(fleet.alive):
        fleet.advance()
        if fleet.step in due:
            fleet.stop(job.ranks.from_first(list[int]()))
        if job.ranks.any(job.stopping()) and fleet.step < steps:
            return False
    return True
