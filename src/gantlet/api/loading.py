"""Loading what a study trained: a member's networks, alone, as ordinary modules.

Legend: ``N`` samples, ``*x`` sample shape.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from gantlet.errors import BadValue, StoreError
from gantlet.exports.model_folder import is_model_folder, read_discriminator, read_model
from gantlet.studies.build import blueprint
from gantlet.studies.checkpoints import read_trained
from gantlet.studies.members import StudyMember, find_member
from gantlet.studies.store import Store
from gantlet.studies.trust import allow
from gantlet.training import checkpoint
from gantlet.training.blueprint import Blueprint, Execution
from gantlet.training.trained import InDataUnits, LatentSpace, latent_space, network

__all__ = ["SampleMethod", "load", "trained"]


def load(folder: str | Path, *, run: int = 0, player: str = "generator", trust: bool = False) -> nn.Module:
    """A trained network of a study or of a model folder, in evaluation mode, on the CPU.

    A generator carries ``latent_dim``, ``prior`` (``normal``: N(0, 1), ``uniform``: U[-1, 1]) and ``sample(n, seed)``; a model
    folder's is a :class:`~gantlet.training.trained.TrainedGenerator`.

    The averaged weights are taken where the member was trained with averaging, as its metrics were. The training data are
    not needed. Where the data were standardised, the network makes or takes samples in the data's own units
    (:class:`~gantlet.training.trained.InDataUnits`).

    Arguments:
        folder: A study folder, or a model folder of ``gantlet export --format hub``, of which nothing is executed.
        run: The member's number in the column ``run``; a model folder is one member, 0.
        player: ``generator`` (a :class:`~gantlet.training.trained.Team` where there are several) or ``discriminator``.
        trust: Whether parts of the study's author's own may run here.

    Raises:
        BadValue: No such run or player.
        BadData: A model folder that is not what gantlet exports.
        Untrusted: The study names parts of somebody's own.
        StoreError: The study or its checkpoint cannot be read.
    """
    if is_model_folder(Path(folder)):
        return _exported(Path(folder), run, player, trust=trust)
    store = Store(Path(folder))
    if trust:
        record = store.record()
        allow(record.settings, record.key)
    net, sheet, member = trained(store, run, player)
    space = latent_space(sheet, net)
    if member.record.sample.standardised:
        net = InDataUnits(net, member.record.sample, player).eval()
    return _with_latents(net, space) if player == "generator" else net


def _exported(folder: Path, run: int, player: str, *, trust: bool) -> nn.Module:
    if run:
        raise BadValue(f"There is no run {run} in {folder}: a model folder is one member, 0.")
    if player not in ("generator", "discriminator"):
        raise BadValue(f"player={player} is not generator or discriminator.")
    return read_discriminator(folder, trust=trust) if player == "discriminator" else read_model(folder, trust=trust)[0]


def _with_latents(net: nn.Module, space: LatentSpace) -> nn.Module:
    """A generator that carries where its latents come from; what a module of the user's own calls so stays its own."""
    for name, value in (
        ("latent_dim", space.dimension),
        ("prior", space.prior),
        ("sample", SampleMethod(net, space)),
    ):
        if not hasattr(net, name):
            setattr(net, name, value)
    return net


class SampleMethod:
    """``sample(n, seed)`` of a loaded generator: samples ``[N, *x]``, of the same latents as ``gantlet sample --seed``."""

    def __init__(self, net: nn.Module, space: LatentSpace) -> None:
        self._net, self._space = net, space

    @torch.no_grad()
    def __call__(self, n: int, seed: int = 1) -> Tensor:
        """So many samples."""
        drawn, owners = self._space.draw(n, seed)
        place = next(self._net.parameters(), drawn)
        drawn = drawn.to(place.device, place.dtype)
        return self._net(drawn, owners.to(place.device)) if self._space.makers > 1 else self._net(drawn)


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
