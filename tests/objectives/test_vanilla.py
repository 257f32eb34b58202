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
