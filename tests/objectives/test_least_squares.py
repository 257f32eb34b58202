"""Least squares: values by hand, both codings, per-member targets."""

from __future__ import annotations

import pytest
import torch

from gantlet.objectives.least_squares import LeastSquares


def test_values_by_hand() -> None:
    real, fake = torch.tensor([3.0, 0.0]), torch.tensor([1.0, -2.0])
    assert LeastSquares().discriminator(real=real, fake=fake).item() == pytest.approx((4 + 1) / 4 + (1 + 4) / 4)
    assert LeastSquares().generator(fake=fake).item() == pytest.approx((0 + 9) / 4)
    assert LeastSquares(saturating=True).generator(fake=fake).item() == pytest.approx(-(1 + 4) / 4)


def test_the_saturating_generator_turns_the_discriminators_own_term() -> None:
    real, fake = torch.zeros(2), torch.tensor([1.0, 4.0])
    objective = LeastSquares(a=-1.0, b=0.0, saturating=True)
    assert objective.generator(fake=fake) == -objective.discriminator(real=real, fake=fake)


def test_the_generators_loss_is_pearsons_divergence_at_the_optimum() -> None:
    """For b - c = 1, b - a = 2: twice (E_p + E_q)(D - c)²/2 is χ² of p + q from 2 q (Theorem 1 of the paper)."""
    p = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    q = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    objective = LeastSquares(a=-1.0, b=1.0, c=0.0)
    best = objective.optimal_score(real=p, fake=q)
    counts = {"p": torch.tensor([1, 2, 3, 4]), "q": torch.tensor([4, 3, 2, 1])}
    cost = sum(objective.generator(fake=torch.repeat_interleave(best, each)) for each in counts.values())
    pearson = ((2 * q - (p + q)).square() / (p + q)).sum()
    assert float(2 * cost) == pytest.approx(pearson.item())


@pytest.mark.parametrize(("a", "b", "middle"), [(0.0, 1.0, 0.5), (-1.0, 1.0, 0.0), (3.0, -1.0, 1.0)])
def test_the_boundary_lies_halfway(a: float, b: float, middle: float) -> None:
    assert LeastSquares(a=a, b=b).boundary == middle


def test_a_boundary_per_member() -> None:
    found = LeastSquares(a=torch.tensor([0.0, 2.0]).reshape(2, 1, 1), b=3.0).boundary
    assert isinstance(found, torch.Tensor)
    assert found.flatten().tolist() == [1.5, 2.5]


@pytest.mark.parametrize(
    ("objective", "rate"),
    [
        (LeastSquares(), 0),
        (LeastSquares(a=-1.0, b=1.0, c=1.0), 1j),
        (LeastSquares(a=1.0, c=4.0), 2),
        (LeastSquares(a=-3.0, saturating=True), 3j),
    ],
)
def test_dirac_eigenvalues_by_hand(objective: LeastSquares, rate: complex) -> None:
    """±√(a c): the game turns if the targets stand on either side of 0, and has a saddle if on one side."""
    assert objective.dirac_eigenvalues() == (rate, -rate)
