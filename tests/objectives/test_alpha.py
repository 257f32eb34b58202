"""The α-objective: its limits 1 and ∞, both forms, and the zones without gradient that the published form has."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import binary_cross_entropy

from gantlet.errors import BadValue
from gantlet.objectives.alpha import Alpha
from gantlet.objectives.vanilla import Vanilla

INF = float("inf")
FORMS = ("faithful", "stable")


def both(objective: Any, real: Tensor, fake: Tensor) -> list[Tensor]:
    """Both losses and their gradients in the scores, real first."""
    leaves = [real.clone().requires_grad_(), fake.clone().requires_grad_()]
    losses = [loss(real=leaves[0], fake=leaves[1]) for loss in (objective.discriminator, objective.generator)]
    slopes = [torch.autograd.grad(loss, leaves, materialize_grads=True) for loss in losses]
    return [part.detach() for part in (*losses, *slopes[0], *slopes[1])]


def some_scores() -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(0)
    return 3 * torch.randn(64, generator=source), 3 * torch.randn(64, generator=source) - 1


@pytest.mark.parametrize("saturating", [False, True])
def test_alpha_1_is_vanilla_bit_for_bit(saturating: bool) -> None:
    real, fake = some_scores()
    alpha = Alpha(alpha_d=1.0, alpha_g=1.0, saturating=saturating, form="stable")
    pairs = zip(both(alpha, real, fake), both(Vanilla(saturating=saturating), real, fake), strict=True)
    assert all(torch.equal(left, right) for left, right in pairs)


def test_alpha_1_faithful_is_binary_cross_entropy_of_sigmoids_bit_for_bit() -> None:
    """Also far out, where the log is floored at -100 and σ rounds to 0 or 1."""
    far = torch.tensor([-200.0, -100.0, -90.0, -30.0, -17.0, 0.0, 16.0, 17.0, 200.0])
    real, fake = (torch.cat([part, far]) for part in some_scores())

    class Plain:
        def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
            s_real, s_fake = real.sigmoid(), fake.sigmoid()
            on_real = binary_cross_entropy(s_real, torch.ones_like(real), reduction="none")
            on_fake = binary_cross_entropy(s_fake, torch.zeros_like(fake), reduction="none")
            return on_real.mean() + on_fake.mean()

        def generator(self, *, real: Tensor, fake: Tensor) -> Tensor:
            return binary_cross_entropy(fake.sigmoid(), torch.ones_like(fake), reduction="none").mean()

    found = both(Alpha(alpha_d=1.0, alpha_g=1.0), real, fake)
    expected = both(Plain(), real, fake)
    assert all(torch.equal(left, right) for left, right in zip(found, expected, strict=True))


def test_alpha_1_faithful_floors_the_log() -> None:
    zero, lost = torch.zeros(1), torch.tensor([-200.0])
    assert Alpha(alpha_g=1.0).generator(real=zero, fake=lost).item() == 100.0
    assert Alpha(alpha_g=1.0, form="stable").generator(real=zero, fake=lost).item() == 200.0


@pytest.mark.parametrize("form", FORMS)
def test_alpha_infinity_is_the_probability_of_a_mistake(form: Any) -> None:
    real, fake = (part.double() for part in some_scores())
    objective = Alpha(alpha_d=INF, alpha_g=INF, form=form)
    wrong = (1 - real.sigmoid()).mean() + fake.sigmoid().mean()
    assert objective.discriminator(real=real, fake=fake).item() == pytest.approx(wrong.item())
    assert objective.generator(fake=fake).item() == pytest.approx((1 - fake.sigmoid()).mean().item())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("limit", [1.0, INF])
def test_the_limits_are_approached_steadily(form: Any, limit: float) -> None:
    """Losses and gradients near α = 1 and α = ∞ differ from the limit by no more than the distance in 1/α."""
    real, fake = (part.double() for part in some_scores())
    exact = both(Alpha(alpha_d=limit, alpha_g=limit, form=form), real, fake)
    for distance in (1e-3, 1e-6, 1e-9, 1e-12):
        near = 1 / (1 / limit + distance)
        close = both(Alpha(alpha_d=near, alpha_g=near, form=form), real, fake)
        gap = max(float((left - right).abs().max()) for left, right in zip(close, exact, strict=True))
        assert gap <= 100 * distance + 1e-12
        assert gap > 0 or distance < 1e-9


@given(
    alpha=st.one_of(st.floats(0.2, 50), st.sampled_from([1.0, INF])),
    score=st.floats(-12, 12),
    form=st.sampled_from(FORMS),
)
def test_slopes_are_those_of_the_paper(alpha: float, score: float, form: Any) -> None:
    """In the logit: -s^u (1 - s) for the label real, +(1 - s)^u s for the label fake."""
    at, u, s = torch.tensor([score], dtype=torch.float64), 1 - 1 / alpha, 1 / (1 + math.exp(-score))
    right = 1 / (1 + math.exp(score))
    slopes = both(Alpha(alpha_d=alpha, form=form), at, at)[2:4]
    assert slopes[0].item() == pytest.approx(-(s**u) * right, rel=1e-6)
    assert slopes[1].item() == pytest.approx(right**u * s, rel=1e-6)


def test_slopes_by_hand() -> None:
    """At logit 0: α = 1/2 gives -1 and 1, α = 1 gives ∓1/2, α = ∞ gives ∓1/4."""
    zero = torch.zeros(1)
    for alpha, slope in ((0.5, 1.0), (1.0, 0.5), (INF, 0.25)):
        found = both(Alpha(alpha_d=alpha), zero, zero)
        assert (found[2].item(), found[3].item()) == (-slope, slope)


@pytest.mark.parametrize("alpha", [0.3, 0.5, 0.9, 1.1, 2.0, INF])
def test_faithful_gradients_are_exactly_zero_far_out(alpha: float) -> None:
    """float32: probabilities are cut off at 1e-7, so nothing is learnt beyond about ±16; just inside it is."""
    outside = torch.tensor([-100.0, -20.0, -16.2, 16.7, 20.0, 100.0])
    inside = torch.tensor([-16.0, -8.0, 8.0, 15.9])
    for score, alive in ((outside, False), (inside, True)):
        slopes = both(Alpha(alpha_d=alpha, alpha_g=alpha), score, score)[2:]
        for slope in (slopes[0], slopes[1], slopes[3]):
            assert ((slope != 0) == alive).all()


def test_faithful_alpha_1_is_dead_only_where_sigmoid_rounds_to_1() -> None:
    score = torch.tensor([-40.0, -20.0, -16.2, 15.9, 16.7, 100.0])
    on_real, on_fake = both(Alpha(alpha_d=1.0), score, score)[2:4]
    assert (on_real != 0).tolist() == [True, True, True, True, False, False]
    assert (on_fake != 0).tolist() == [True, True, True, True, False, False]


def test_stable_is_alive_where_faithful_is_dead() -> None:
    """Real samples scored -80 by the discriminator: for α = 2 the slope is -σ(-80)^(1/2) = -e^-40, in float32."""
    score = torch.tensor([-80.0])
    assert both(Alpha(alpha_d=2.0), score, score)[2].item() == 0.0
    found = both(Alpha(alpha_d=2.0, form="stable"), score, score)[2].item()
    assert found == pytest.approx(-math.exp(-40), rel=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_small_slopes_are_not_rounded_away(form: Any) -> None:
    """float32, α = ∞, logit -14: the slope is -s (1 - s), though the loss 1 - s is 1 but for rounding."""
    score = torch.tensor([-14.0])
    assert both(Alpha(alpha_d=INF, form=form), score, score)[2].item() == pytest.approx(-math.exp(-14), rel=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_extreme_members_stay_apart(form: Any) -> None:
    """α from 0.05 to ∞ in one fleet, logits to ±1e4: nobody's nan, and the members with 1 and ∞ are finite."""
    alpha = torch.tensor([0.05, 0.5, 1.0, 1 + 1e-7, 3.0, INF]).reshape(-1, 1, 1)
    score = torch.tensor([-1e4, -200.0, -17.0, 0.0, 17.0, 200.0, 1e4]).expand(6, 1, 7)
    found = both_summed(Alpha(alpha_d=alpha, alpha_g=alpha, form=form), score)
    assert not any(part.isnan().any() for part in found)
    assert all(part[2:].isfinite().all() for part in found)


def both_summed(objective: Alpha, score: Tensor) -> list[Tensor]:
    leaf = score.clone().requires_grad_()
    losses = [objective.discriminator(real=leaf, fake=leaf), objective.generator(fake=leaf)]
    return [*losses, *(torch.autograd.grad(loss.sum(), leaf)[0] for loss in losses)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("alpha", [0.5, 1.0, INF])
def test_a_diverged_member_keeps_its_nan_to_itself(form: Any, alpha: float) -> None:
    """binary_cross_entropy alone would abort on nan, and take the other members along."""
    score = torch.zeros(2, 1, 3)
    score[0] = torch.nan
    loss, slope = (part.clone() for part in both_summed(Alpha(alpha_d=alpha, form=form), score)[::2])
    assert loss[0].isnan().all()
    assert slope[0].isnan().all()
    assert loss[1].isfinite().all()
    assert slope[1].isfinite().all()


def test_total_variation_at_infinity() -> None:
    """The least loss is one minus the total variation, 1 - (0.3 + 0.1)."""
    p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.2, 0.6])
    assert Alpha(alpha_d=INF).optimal_value(real=p, fake=q).item() == pytest.approx(0.6)


def test_the_optimal_value_is_continuous_at_alpha_1() -> None:
    p, q = (torch.tensor(each, dtype=torch.float64) for each in ([0.5, 0.5, 0.0], [0.2, 0.2, 0.6]))
    at, near = (Alpha(alpha_d=a).optimal_value(real=p, fake=q).item() for a in (1.0, 1 + 1e-6))
    assert near == pytest.approx(at, abs=1e-5)


def test_theory_speaks_of_one_member() -> None:
    fleet = Alpha(alpha_d=torch.ones(2, 1, 1))
    with pytest.raises(BadValue, match="alpha_d holds 2 values"):
        fleet.dirac_eigenvalues()
    assert Alpha(alpha_d=torch.ones(1, 1, 1)).dirac_eigenvalues() == (0.5j, -0.5j)
