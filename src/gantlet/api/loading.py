"""Loading what a study trained: a member's networks, alone, as ordinary modules.

Legend: ``N`` samples, ``*x`` sample shape.
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from gantlet.errors import StoreError
from gantlet.studies.build import blueprint
from gantlet.studies.checkpoints import read_trained
from gantlet.studies.members import StudyMember, find_member
from gantlet.studies.store import Store
from gantlet.studies.trust import allow
from gantlet.training import checkpoint
from gantlet.training.blueprint import Blueprint, Execution
from gantlet.training.trained import Branches, InDataUnits, Team, latents, network

__all__ = ["Branches", "InDataUnits", "Team", "latents", "load", "network", "trained"]


def load(folder: str | Path, *, run: int = 0, player: str = "generator", trust: bool = False) -> nn.Module:
    """A trained network of a study, in evaluation mode, on the CPU.

    The averaged weights are taken where the member was trained with averaging, as its metrics were. The training data are
    not needed. Where the data were standardised, the network makes or takes samples in the data's own units
    (:class:`InDataUnits`).

    Arguments:
        folder: A study folder.
        run: The member's number in the column ``run``.
        player: ``generator`` (a :class:`Team` where there are several) or ``discriminator``.
        trust: Whether parts of the study's author's own may run here.

    Raises:
        BadValue: No such run or player.
        Untrusted: The study names parts of somebody's own.
        StoreError: The study or its checkpoint cannot be read.
    """
    store = Store(Path(folder))
    if trust:
        record = store.record()
        allow(record.settings, record.key)
    net, _, member = trained(store, run, player)
    return InDataUnits(net, member.record.sample, player).eval() if member.record.sample.standardised else net


def trained(store: Store, run: int, player: str = "generator") -> tuple[nn.Module, Blueprint, StudyMember]:
    """A trained network of a study, the blueprint of its member alone, and where the member is; no data are read.

    Raises:
        BadValue: No such run or player.
        StoreError: The study or its checkpoint cannot be read.
    """
    member = find_member(store, run)
    place = store.checkpoint(member.fleet.id)
    if not checkpoint.has_checkpoint(place):
        raise StoreError(f"Run {run} has no checkpoint yet. Train it with: gantlet resume {store.folder}")
    tensors, _ = read_trained(store, member.fleet, member.record)
    sheet = blueprint([(member.resolved, member.seed)], member.record.sample, Execution(), to_train=False)
    return network(sheet, tensors, member.slot, player), sheet, member
