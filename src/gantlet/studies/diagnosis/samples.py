"""Samples of a member from its checkpoint, and how near they are to training data where these may be looked at.

Legend: ``K`` generators of a team, ``n`` samples of each, ``d`` numbers of a sample, ``t`` training samples, ``m`` held-out
samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call

from gantlet.data.base import Dataset
from gantlet.errors import Damaged
from gantlet.metrics.memorisation import TrainingDistances, copying
from gantlet.studies.build import blueprint
from gantlet.training.batch_loader import fixed_latents
from gantlet.training.blueprint import Blueprint, Execution

from ..members import StudyMember

__all__ = ["CopyDistances", "MemberSamples", "copy_distances", "draw_generators"]

_AT_ONCE = 100  # latents: a network of images needs megabytes for each
_MOST_PAIRED = 2000  # samples of a side whose distances are taken


@dataclass(frozen=True)
class MemberSamples:
    """What the generators of a member make of the same latents.

    Attributes:
        made: ``[K, n, d]`` float32, in the networks' own units.
        weights: How often each generator is sampled, ``[K]``.
    """

    made: Tensor
    weights: Tensor

    @property
    def together(self) -> Tensor:  # [K · n, d]
        """All samples; of a team with learned weights, those of generators that are hardly sampled count as much."""
        return self.made.flatten(0, 1)


@dataclass(frozen=True)
class CopyDistances:
    """How near samples are to training data: P(nearer than a held-out sample is), its standard error, and share of near copies."""

    nearer: float
    error: float
    copies: float


def draw_generators(member: StudyMember, tensors: Mapping[str, Tensor], count: int) -> MemberSamples:
    """Let the generators of a member make ``count`` samples each, as it stands in its fleet's tensors."""
    sheet = blueprint([(member.resolved, member.seed)], member.sample, Execution(), to_train=False)
    team = sheet.sizes.generators
    latents = fixed_latents(count, sheet.sizes.latent, sheet.prior, name="latent/diagnosis").to(sheet.execution.dtype)
    with torch.random.fork_rng(devices=[]):
        module = sheet.generator.build().to(sheet.execution.dtype).eval()
    wanted = [*module.state_dict()]
    made: list[Tensor] = []
    for index in range(member.slot * team, (member.slot + 1) * team):
        state = {name: _tensor(tensors, name)[index] for name in wanted}
        with torch.no_grad():
            parts = [functional_call(module, state, (part,)).flatten(1).float() for part in latents.split(_AT_ONCE)]
        made.append(torch.cat(parts))
    joined = torch.stack(made)
    if sheet.team.kind == "average":
        joined = joined.mean(0, keepdim=True)
    return MemberSamples(joined, _weights(sheet, tensors, member.slot, len(joined)))


def copy_distances(samples: MemberSamples, data: Dataset) -> CopyDistances:
    """How near samples are to training data, against held-out data of the same kind."""
    fake = samples.together[:_MOST_PAIRED]
    train, held_out = (data.floats(side[:_MOST_PAIRED]).flatten(1) for side in (data.train, data.test))
    known = TrainingDistances.of(held_out=held_out, train=train)
    found = copying(fake=fake, train=train, known=known)
    return CopyDistances(found.memorisation, found.error, 1 - float(found.authentic.mean()))


def _weights(sheet: Blueprint, tensors: Mapping[str, Tensor], slot: int, count: int) -> Tensor:
    if sheet.team.learned and "weights/logits" in tensors:
        return tensors["weights/logits"][slot].softmax(-1)
    return torch.full((count,), 1 / count)


def _tensor(tensors: Mapping[str, Tensor], name: str) -> Tensor:
    places = (f"average/{name}", f"generator/parameter/{name}", f"generator/buffer/{name}")
    found = next((tensors[place] for place in places if place in tensors), None)
    if found is None:
        raise Damaged(f"The checkpoint has no tensor of the generator's {name}.")
    return found
