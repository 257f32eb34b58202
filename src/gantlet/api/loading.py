"""Loading what a study trained: a member's networks, alone, as ordinary modules.

Legend: ``N`` samples, ``*x`` sample shape.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from gantlet.errors import BadValue
from gantlet.exports.model_folder import read_discriminator, read_model
from gantlet.places import user_path
from gantlet.studies.build import blueprint
from gantlet.studies.members import StudyMember, find_member
from gantlet.studies.model_record import is_model_folder
from gantlet.studies.store import Store
from gantlet.studies.stored_weights import read_weights
from gantlet.studies.trust import allow
from gantlet.training.blueprint import Blueprint, Execution
from gantlet.training.trained import InDataUnits, LatentSpace, latent_space, network

from .given import whole_number

__all__ = ["SampleMethod", "load", "trained"]


def load(
    folder: str | Path,
    *,
    run: int = 0,
    player: str = "generator",
    step: int | str | None = None,
    trust: bool = False,
) -> nn.Module:
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
        step: Which of its weights: ``last``, or None, for those that it was trained to; ``best``, or a number of generator
            updates, for those that the key ``checkpoints`` kept. Of a discriminator only the last ones are there.
        trust: Whether parts of the study's author's own may run here.

    Raises:
        BadValue: No such run or player, or weights that were not kept.
        BadData: A model folder that is not what gantlet exports.
        Untrusted: The study names parts of somebody's own.
        StoreError: The study or its checkpoint cannot be read.
    """
    if is_model_folder(user_path(folder)):
        if step not in (None, "last"):
            raise BadValue(f"{folder} is a model folder, which has one set of weights: leave the step out.")
        return _exported(user_path(folder), run, player, trust=trust)
    store = Store(user_path(folder))
    if trust:
        record = store.record()
        allow(record.settings, record.key)
    net, sheet, member = trained(store, run, player, step)
    space = latent_space(sheet, net)
    if member.sample.standardised:
        net = InDataUnits(net, member.sample, player).eval()
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
        drawn, owners = self._space.draw(whole_number("n", n), whole_number("seed", seed, low=None))
        place = next(self._net.parameters(), drawn)
        drawn = drawn.to(place.device, place.dtype)
        return self._net(drawn, owners.to(place.device)) if self._space.makers > 1 else self._net(drawn)


def trained(
    store: Store, run: int, player: str = "generator", step: int | str | None = None
) -> tuple[nn.Module, Blueprint, StudyMember]:
    """A trained network of a study, the blueprint of its member alone, and where the member is; no data are read.

    ``step`` is that of :func:`load`.

    Raises:
        BadValue: No such run or player, or weights that were not kept.
        StoreError: The study or its checkpoint cannot be read.
    """
    member = find_member(store, run)
    weights = read_weights(store, run, step)
    if player == "discriminator" and not any(name.startswith("discriminator/") for name in weights.tensors):
        raise BadValue(
            f"Of step {weights.step:,} of run {run} only the generator was kept. Its discriminator is there at the last step."
        )
    sheet = blueprint([(member.resolved, member.seed)], member.sample, Execution(), to_train=False)
    return network(sheet, weights.tensors, 0, player), sheet, member
