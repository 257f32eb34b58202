"""``gantlet cancel``: the jobs of a study leave the cluster's queue; those that run save first."""

from __future__ import annotations

from pathlib import Path

from gantlet.files import locked

from .fleet_states import busy_fleets
from .slurm_queue import cancel_jobs
from .store import Store
from .submissions import jobs_folder, submissions

__all__ = ["cancel_study"]


def cancel_study(folder: str | Path) -> list[str]:
    """Cancel this user's jobs of a study.

    Arguments:
        folder: A study folder.

    Returns:
        The fleets that waited or ran.

    Raises:
        StoreError: There is no study, or a file of it cannot be read.
        ClusterError: Slurm is not here, or does not answer.
    """
    store = Store(Path(folder))
    store.record()
    if not jobs_folder(store).is_dir():
        return []
    with locked(jobs_folder(store) / "submit.lock"):  # whoever submits meanwhile has done so
        busy = busy_fleets(store)
        if busy:
            cancel_jobs(submissions(store))
    return sorted(busy)
