"""The contract tests notice every mutant: a check that would pass with a wrong loss is no check.

Besides the mutants made from the source there are some of gradient penalties by hand: faults of published code, such
as a norm over the whole batch or over each pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from contracts.cases import OBJECTIVES, Case
from contracts.mutants import Mutant, mutants_of
from contracts.objective_checks import OBJECTIVE_CHECKS
from contracts.penalty_cases import PENALTIES
from contracts.penalty_checks import PENALTY_CHECKS
from gantlet.catalogue import find
from gantlet.names import FAMILIES
from gantlet.objectives.base import DiscriminatorOutput
from gantlet.penalties.dragan import Dragan
from gantlet.penalties.gradient import GradientPenalty
from gantlet.penalties.input_gradient import input_gradient, sample_norm
from gantlet.penalties.lecam import LeCam
from gantlet.penalties.pulling_away import PullingAway
from gantlet.penalties.r1 import R1

pytestmark = pytest.mark.slow  # of the tests, not of the code

Checks = tuple[Callable[[Any], None], ...]

OBJECTIVE_MUTANTS = [
    (name, mutant)
    for name in FAMILIES["objective"]
    for mutant in mutants_of(find("objective", name), ["discriminator", "generator", "_loss", "critic", "_kernel"])
]
PENALTY_MUTANTS = [
    (name, mutant)
    for name in FAMILIES["penalty"]
    for mutant in mutants_of(find("penalty", name), ["__call__", "points", "changed", "gap"])
    # Places at which to judge are constants, and detached later anyway.
    if not any(f"no gradient in {method}," in mutant.what for method in ("points", "changed"))
]


class Published(GradientPenalty):
    """A gradient penalty with the parts that published code got wrong, to be overridden."""

    def points(self, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
        mix = mix[..., None, None]
        return mix * real + (1 - mix) * fake

    def norm(self, slope: Tensor) -> Tensor:
        return sample_norm(slope)

    def cost(self, gap: Tensor) -> Tensor:
        return gap.square()

    def __call__(self, discriminate: Any, *, real: Tensor, fake: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        between = self.points(real.detach(), fake.detach(), noise["mix"]).requires_grad_()
        (slope,) = torch.autograd.grad(discriminate(between).score.sum(), between, create_graph=True)
        return (self.weight * self.cost(self.norm(slope) - self.target)).mean(-1)


class NormOverTheBatch(Published):
    def norm(self, slope: Tensor) -> Tensor:
        return slope.flatten(2).square().sum(-1, keepdim=True).sqrt().expand(slope.shape[:3])


class NormOverRows(Published):
    def norm(self, slope: Tensor) -> Tensor:
        return slope.square().sum(-1).sqrt().mean(-1)


class MeanOverPixels(Published):
    def norm(self, slope: Tensor) -> Tensor:
        return slope.flatten(3).square().mean(-1).sqrt()


class SquaredNorm(Published):
    def norm(self, slope: Tensor) -> Tensor:
        return slope.flatten(3).square().sum(-1)


class PlainRoot(Published):
    def norm(self, slope: Tensor) -> Tensor:
        return slope.flatten(3).square().sum(-1).sqrt()  # nan second derivative at a dead critic


class OneSided(Published):
    def cost(self, gap: Tensor) -> Tensor:
        return gap.relu().square()


class NotSquared(Published):
    def cost(self, gap: Tensor) -> Tensor:
        return gap.abs()


class AtTheRealSamples(Published):
    def points(self, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
        return real + 0 * fake


class OneMixForTheBatch(Published):
    def points(self, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
        return super().points(real, fake, mix[..., :1])


class Attached(GradientPenalty):
    """Lets the generator feel the penalty."""

    def __call__(self, discriminate: Any, *, real: Tensor, fake: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        return super().__call__(discriminate, real=real, fake=fake, noise=noise) + 0 * fake.sum()


class MeanOverPixelsOfReal(R1):
    def __call__(self, discriminate: Any, *, real: Tensor, fake: Tensor, **_: Any) -> Tensor:
        cost = (self.weight / 2 * input_gradient(discriminate, real).flatten(3).square().mean(-1)).mean(-1)
        return cost.expand(-1, fake.shape[1])


class NoHalf(R1):
    def __call__(self, discriminate: Any, *, real: Tensor, fake: Tensor, **_: Any) -> Tensor:
        return 2 * super().__call__(discriminate, real=real, fake=fake)


class OnceForTheTeam(R1):
    def __call__(self, discriminate: Any, *, real: Tensor, fake: Tensor, **_: Any) -> Tensor:
        return super().__call__(discriminate, real=real, fake=fake[:, :1])


class DeviationPerPlace(Dragan):
    def points(self, samples: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        if self.noise != "two-sided":
            return super().points(samples, noise)
        return samples + self.scale * samples.std(2, keepdim=True, correction=0) * (2 * noise["pixel"] - 1)


class DeviationOfASample(Dragan):
    def points(self, samples: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        if self.noise == "gaussian":
            return super().points(samples, noise)
        return samples + self.scale * samples.std((-1, -2), keepdim=True, correction=0) * (2 * noise["pixel"] - 1)


class DiagonalLeftIn(PullingAway):
    def directions(self, code: Tensor) -> Tensor:
        return code / (sample_norm(code).unsqueeze(-1) + 1e-8)

    def cost(self, cosines: Tensor) -> Tensor:
        size = cosines.shape[-1]
        return cosines.square().sum((-1, -2)) / (size * (size - 1))

    def __call__(self, discriminate: Any, *, fake_output: DiscriminatorOutput, **_: Any) -> Tensor:
        assert fake_output.code is not None
        unit = self.directions(fake_output.code)
        return self.weight * self.cost(unit @ unit.mT)


class NotPerPair(DiagonalLeftIn):
    def cost(self, cosines: Tensor) -> Tensor:
        return cosines.triu(1).square().sum((-1, -2))


class CosinesNotSquared(DiagonalLeftIn):
    def cost(self, cosines: Tensor) -> Tensor:
        size = cosines.shape[-1]
        return 2 * cosines.triu(1).sum((-1, -2)) / (size * (size - 1))


class PlainDirections(DiagonalLeftIn):
    """Right, but nan where a code is zero."""

    def directions(self, code: Tensor) -> Tensor:
        return code / code.square().sum(-1, keepdim=True).sqrt()

    def cost(self, cosines: Tensor) -> Tensor:
        size = cosines.shape[-1]
        return 2 * cosines.triu(1).square().sum((-1, -2)) / (size * (size - 1))


class OwnAverages(LeCam):
    """Real scores to the real average, fake to the fake one."""

    def __call__(self, discriminate: Any, *, state: Mapping[str, Tensor], **given: Any) -> Tensor:
        return super().__call__(discriminate, state={"real": state["fake"], "fake": state["real"]}, **given)


class Hinged(LeCam):
    def __call__(
        self,
        discriminate: Any,
        *,
        real_output: DiscriminatorOutput,
        fake_output: DiscriminatorOutput,
        state: Mapping[str, Tensor],
        **_: Any,
    ) -> Tensor:
        on_real = (real_output.score - state["fake"]).relu().square().mean(-1)
        return self.weight * (on_real + (state["real"] - fake_output.score).relu().square().mean(-1))


PUBLISHED = [
    NormOverTheBatch,
    NormOverRows,
    MeanOverPixels,
    SquaredNorm,
    PlainRoot,
    OneSided,
    NotSquared,
    AtTheRealSamples,
    OneMixForTheBatch,
    Attached,
    MeanOverPixelsOfReal,
    NoHalf,
    OnceForTheTeam,
    DeviationPerPlace,
    DeviationOfASample,
    DiagonalLeftIn,
    NotPerPair,
    CosinesNotSquared,
    PlainDirections,
    OwnAverages,
    Hinged,
]
ORIGINALS = {
    "GradientPenalty": "gradient",
    "R1": "r1",
    "Dragan": "dragan",
    "PullingAway": "pulling-away",
    "LeCam": "lecam",
}


def cases_of(owner: type) -> list[Case]:
    """The cases of the penalty that a class derives from."""
    (name,) = (ORIGINALS[base.__name__] for base in owner.__mro__ if base.__name__ in ORIGINALS)
    return [case for case in PENALTIES if case.name == name]


def noticed(owner: type, cases: list[Case], checks: Checks) -> str:
    """The check that fails first for some case; empty if the mutant passes everything."""
    for case in cases:
        for check in checks:
            try:
                check(replace(case, owner=owner))
            except (AssertionError, RuntimeError):  # shapes that do not fit are noticed by torch itself
                return check.__name__
    return ""


@pytest.mark.parametrize(("name", "mutant"), OBJECTIVE_MUTANTS, ids=str)
def test_a_wrong_objective_is_noticed(name: str, mutant: Mutant) -> None:
    assert noticed(mutant.make(), [case for case in OBJECTIVES if case.name == name], OBJECTIVE_CHECKS)


@pytest.mark.parametrize(("name", "mutant"), PENALTY_MUTANTS, ids=str)
def test_a_wrong_penalty_is_noticed(name: str, mutant: Mutant) -> None:
    assert noticed(mutant.make(), [case for case in PENALTIES if case.name == name], PENALTY_CHECKS)


@pytest.mark.parametrize("owner", PUBLISHED)
def test_faults_of_published_penalties_are_noticed(owner: type) -> None:
    assert noticed(owner, cases_of(owner), PENALTY_CHECKS)


def test_the_frame_of_the_published_faults_is_right_itself() -> None:
    assert not noticed(Published, cases_of(Published), PENALTY_CHECKS)


@pytest.mark.parametrize("name", FAMILIES["objective"])
def test_every_kind_of_mutant_is_made_of_every_objective(name: str) -> None:
    made = [mutant.what for owner, mutant in OBJECTIVE_MUTANTS if owner == name]
    exchanged = () if find("objective", name).symmetric else ("exchanged",)
    for kind in (*exchanged, "constant", "sign", "no gradient", "half", "twice", "sum for a mean"):
        for method in ("discriminator", "generator"):
            assert any(kind in what and f"in {method}," in what for what in made), f"no '{kind}' in {method}"


@pytest.mark.parametrize("check", ["equals_the_formula", "dirac_eigenvalues_hold", "gradients_are_slopes"])
def test_each_of_these_checks_suffices_alone(check: str) -> None:
    """The formula is not the only thing that notices: theory and slopes do so without it."""
    alone = tuple(entry for entry in OBJECTIVE_CHECKS if entry.__name__ == check)
    kind = "no gradient" if check == "gradients_are_slopes" else "the sign turned"
    losses = tuple(f"{kind} in {player}," for player in ("discriminator", "generator"))
    made = [(name, mutant) for name, mutant in OBJECTIVE_MUTANTS if mutant.what.startswith(losses)]
    if check == "dirac_eigenvalues_hold":
        made = [(name, mutant) for name, mutant in made if hasattr(find("objective", name), "dirac_eigenvalues")]
    assert made
    for name, mutant in made:
        assert noticed(mutant.make(), [case for case in OBJECTIVES if case.name == name], alone), str(mutant)
