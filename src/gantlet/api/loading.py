"""Loading what a study trained: a member's networks, alone, as ordinary modules.

Legend: ``N`` samples, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gantlet.data.specification import SampleSpec, restored
from gantlet.errors import BadValue
from gantlet.randomness import keyed_generator
from gantlet.studies.build import blueprint
from gantlet.studies.members import StudyMember, find_member
from gantlet.studies.store import Store
from gantlet.studies.stored_weights import read_weights
from gantlet.studies.trust import allow
from gantlet.training.blueprint import Blueprint, Execution
from gantlet.training.sampling import owners_by_weight

__all__ = ["Branches", "InDataUnits", "Team", "latents", "load", "network", "trained"]


class Team(nn.Module):
    """The K generators of a member as one module: each latent goes to a generator picked uniformly, or by ``weights``.

    ``weights`` are the learned ones, ``[K]``, or None. ``forward(z, owners=None)``: ``[N, latent] -> [N, *x]``; ``owners`` ``[N]`` names the generators instead.
    """

    def __init__(self, generators: list[nn.Module], weights: Tensor | None = None) -> None:
        super().__init__()
        self.generators = nn.ModuleList(generators)
        self.weights: Tensor | None
        self.register_buffer("weights", weights)

    def forward(self, z: Tensor, owners: Tensor | None = None) -> Tensor:
        """Samples, ``[N, *x]``."""
        if owners is None:
            if self.weights is None:
                owners = torch.randint(len(self.generators), (len(z),), device=z.device)
            else:
                owners = torch.multinomial(self.weights, len(z), replacement=True)
        made = [generator(z) for generator in self.generators]
        return torch.stack(made, 1)[torch.arange(len(z), device=z.device), owners]


class Branches(nn.Module):
    """The K branches of a multi-branch generator: a sample is the mean of what they make of one latent."""

    def __init__(self, branches: list[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, z: Tensor) -> Tensor:  # [N, latent] -> [N, *x]
        """Samples."""
        return torch.stack([branch(z) for branch in self.branches]).mean(0)


class InDataUnits(nn.Module):
    """A network of standardised data in the data's own units: what a generator makes, what a discriminator takes.

    Arguments:
        network: The network as it was trained.
        sample: What a sample looks like, with mean and deviation of each column.
        player: ``generator`` or ``discriminator``.
    """

    def __init__(self, network: nn.Module, sample: SampleSpec, player: str) -> None:
        super().__init__()
        self.network, self.sample, self.player = network, sample, player

    def forward(self, x: Tensor, *more: Any) -> Any:
        """Samples ``[N, d]`` from latents, or the discriminator's output for samples."""
        if self.player == "generator":
            return restored(self.network(x, *more), self.sample)
        mean, deviation = (
            torch.tensor(column, device=x.device) for column in (self.sample.mean, self.sample.deviation)
        )
        return self.network((x - mean) / deviation, *more)


def load(
    folder: str | Path,
    *,
    run: int = 0,
    player: str = "generator",
    step: int | str | None = None,
    trust: bool = False,
) -> nn.Module:
    """A trained network of a study, in evaluation mode, on the CPU.

    The averaged weights are taken where the member was trained with averaging, as its metrics were. The training data are
    not needed. Where the data were standardised, the network makes or takes samples in the data's own units
    (:class:`InDataUnits`).

    Arguments:
        folder: A study folder.
        run: The member's number in the column ``run``.
        player: ``generator`` (a :class:`Team` where there are several) or ``discriminator``.
        step: Which of its weights: ``last``, or None, for those that it was trained to; ``best``, or a number of generator
            updates, for those that the key ``checkpoints`` kept. Of a discriminator only the last ones are there.
        trust: Whether parts of the study's author's own may run here.

    Raises:
        BadValue: No such run or player, or weights that were not kept.
        Untrusted: The study names parts of somebody's own.
        StoreError: The study or its checkpoint cannot be read.
    """
    store = Store(Path(folder))
    if trust:
        record = store.record()
        allow(record.settings, record.key)
    net, _, member = trained(store, run, player, step)
    return InDataUnits(net, member.record.sample, player).eval() if member.record.sample.standardised else net


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
    sheet = blueprint([(member.resolved, member.seed)], member.record.sample, Execution(), to_train=False)
    return network(sheet, weights.tensors, 0, player), sheet, member


def network(sheet: Blueprint, tensors: Mapping[str, Tensor], slot: int, player: str) -> nn.Module:
    """One slot's network out of a fleet's tensors.

    Raises:
        BadValue: ``player`` is neither of the two.
    """
    if player not in ("generator", "discriminator"):
        raise BadValue(f"player={player} is not generator or discriminator.")
    count = sheet.sizes.generators if player == "generator" else 1
    modules: list[nn.Module] = []
    for index in range(slot * count, (slot + 1) * count):
        part = sheet.generator if player == "generator" else sheet.discriminator
        with torch.random.fork_rng(devices=[]):
            module = part.build().to(sheet.execution.dtype)
        state = {name: tensors[_name(tensors, player, name)][index] for name in module.state_dict()}
        module.load_state_dict(state)
        modules.append(module.eval())
    if count == 1:
        return modules[0]
    if sheet.team.kind == "average":
        return Branches(modules).eval()
    learned = tensors["weights/logits"][slot].softmax(-1) if sheet.team.learned else None
    return Team(modules, learned).eval()


def latents(sheet: Blueprint, count: int, seed: int, net: nn.Module | None = None) -> tuple[Tensor, Tensor]:
    """Latents ``[N, latent]`` and owners ``[N]`` of a team, keyed by a seed; by the weights of a :class:`Team` that has some."""
    generator = keyed_generator(seed, 0, "latent/sample")
    drawn = torch.empty(count, sheet.sizes.latent)
    if sheet.prior == "normal":
        drawn.normal_(generator=generator)
    else:
        drawn.uniform_(-1, 1, generator=generator)
    if isinstance(net, Team) and net.weights is not None:
        owners = owners_by_weight(net.weights, count, generator)
    else:
        owners = torch.randint(sheet.makers, (count,), generator=generator)
    return drawn.to(sheet.execution.dtype), owners


def _name(tensors: Mapping[str, Tensor], player: str, name: str) -> str:
    averaged = f"average/{name}"
    if player == "generator" and averaged in tensors:
        return averaged
    trained = f"{player}/parameter/{name}"
    return trained if trained in tensors else f"{player}/buffer/{name}"
