"""The original objective: values by hand, and its limits."""

from __future__ import annotations

import math

import pytest
import torch

from gantlet.objectives.vanilla import Vanilla


def test_values_by_hand() -> None:
    """Logits log 3 and log(1/3) are the probabilities 3/4 and 1/4."""
    real, fake = torch.tensor([math.log(3)] * 2), torch.tensor([-math.log(3)])
    judged = Vanilla().discriminator(real=real, fake=fake)
    assert judged.item() == pytest.approx(-2 * math.log(3 / 4))
    assert Vanilla().generator(fake=fake).item() == pytest.approx(math.log(4))
    assert Vanilla(saturating=True).generator(fake=fake).item() == pytest.approx(math.log(3 / 4))


def test_the_undecided_start() -> None:
    """2 log 2 and log 2: no factor 1/2 on either term."""
    zero = torch.zeros(5)
    assert Vanilla().discriminator(real=zero, fake=zero).item() == pytest.approx(2 * math.log(2))
    assert Vanilla().generator(fake=zero).item() == pytest.approx(math.log(2))


def test_far_logits_cost_their_size() -> None:
    """Saturating gradients vanish on hopeless fakes, non-saturating ones do not."""
    hopeless = torch.tensor([-1e4], requires_grad=True)
    for saturating, value, slope in ((False, 1e4, -1.0), (True, 0.0, 0.0)):
        loss = Vanilla(saturating=saturating).generator(fake=hopeless)
        assert loss.item() == pytest.approx(value)
        assert torch.autograd.grad(loss, hopeless)[0].item() == pytest.approx(slope)


def test_float64_is_exact_where_torchs_softplus_is_not() -> None:
    score = torch.tensor([25.0], dtype=torch.float64)
    judged = Vanilla().discriminator(real=score, fake=-score)
    assert judged.item() == pytest.approx(2 * math.log1p(math.exp(-25)), rel=1e-12)


@pytest.mark.parametrize(
    ("p", "q", "value"),
    [([0.5, 0.5], [0.5, 0.5], math.log(4)), ([1.0, 0.0], [0.0, 1.0], 0.0)],
    ids=["equal", "disjoint"],
)
def test_the_divergence_at_its_ends(p: list[float], q: list[float], value: float) -> None:
    """JS is 0 for equal distributions and log 2 for disjoint ones."""
    found = Vanilla().optimal_value(real=torch.tensor(p), fake=torch.tensor(q))
    assert found.item() == pytest.approx(value, abs=1e-6)


def test_smoothing_by_hand() -> None:
    """A real probability of 3/4 with the label 0.9: -0.9 log 3/4 - 0.1 log 1/4."""
    real, fake = torch.tensor([math.log(3)]), torch.tensor([-math.log(3)])
    judged = Vanilla(smoothing=0.1).discriminator(real=real, fake=fake).item()
    assert judged == pytest.approx(-0.9 * math.log(3 / 4) - 0.1 * math.log(1 / 4) - math.log(3 / 4))
    assert Vanilla(smoothing=0.1).generator(fake=fake) == Vanilla().generator(fake=fake)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_smoothing_0_per_member_changes_no_bit(dtype: torch.dtype) -> None:
    """Losses and gradients of a fleet whose smoothing is a tensor of zeros are those of the plain objective."""
    scores = 5 * torch.randn(2, 3, 1, 65, generator=torch.Generator().manual_seed(0), dtype=dtype)
    found = []
    for objective in (Vanilla(), Vanilla(smoothing=torch.zeros(3, 1, 1, dtype=dtype))):
        real, fake = (part.clone().requires_grad_() for part in scores)
        loss = objective.discriminator(real=real, fake=fake)
        found.append([loss, *torch.autograd.grad(loss.sum(), (real, fake))])
        assert objective.boundary == 0.0
        assert isinstance(objective.boundary, float)
    assert all(torch.equal(left, right) for left, right in zip(*found, strict=True))


def test_smoothing_keeps_real_logits_finite() -> None:
    """At most log((1 - ε)/ε): a real logit of log 9 has no slope at ε = 0.1, a higher one is pulled back."""
    for logit, sign in ((math.log(9) - 0.1, -1), (math.log(9), 0), (math.log(9) + 0.1, 1)):
        real = torch.tensor([logit], dtype=torch.float64, requires_grad=True)
        loss = Vanilla(smoothing=0.1).discriminator(real=real, fake=torch.zeros(1, dtype=torch.float64))
        (slope,) = torch.autograd.grad(loss, real)
        assert round(slope.item(), 12) * sign > 0 or (sign == 0 and abs(slope.item()) < 1e-12)


def test_a_smoothed_boundary_per_member() -> None:
    """Undecided is s = (1 - ε)/2, the logit log((1 - ε)/(1 + ε))."""
    boundary = Vanilla(smoothing=torch.tensor([0.0, 0.2]).reshape(2, 1, 1)).boundary
    assert isinstance(boundary, torch.Tensor)
    assert torch.sigmoid(boundary).flatten().tolist() == pytest.approx([0.5, 0.4])
    assert Vanilla(smoothing=0.2).boundary == pytest.approx(math.log(0.8 / 1.2))


def test_smoothed_disjoint_distributions_leave_the_labels_entropy() -> None:
    p, q = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    entropy = -0.9 * math.log(0.9) - 0.1 * math.log(0.1)
    assert Vanilla(smoothing=0.1).optimal_value(real=p, fake=q).item() == pytest.approx(entropy)
