"""The f-divergences: closed forms, conjugates as suprema, the order α on both sides of 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gantlet.errors import BadValue
from gantlet.objectives.f_divergence import FDivergence
from gantlet.objectives.vanilla import Vanilla
from gantlet.settings import settings_of

KINDS = settings_of(FDivergence)["divergence"].choices
ORDERS = (0.3, 0.5, 1.0, 1.5, 3.0)
EVERY = [FDivergence(kind) for kind in KINDS if kind != "alpha"] + [FDivergence("alpha", order) for order in ORDERS]

P = np.array([0.1, 0.2, 0.3, 0.4])
Q = np.array([0.35, 0.35, 0.2, 0.1])


def kl(p: Any, q: Any) -> float:
    return float((p * np.log(p / q)).sum())


CLOSED = [
    (FDivergence("kl"), kl(P, Q)),
    (FDivergence("reverse-kl"), kl(Q, P)),
    (FDivergence("js"), kl(P, (P + Q) / 2) + kl(Q, (P + Q) / 2)),
    (FDivergence("pearson"), ((P - Q) ** 2 / Q).sum()),
    (FDivergence("neyman"), ((P - Q) ** 2 / P).sum()),
    (FDivergence("squared-hellinger"), ((np.sqrt(P) - np.sqrt(Q)) ** 2).sum()),
    (FDivergence("total-variation"), abs(P - Q).sum() / 2),
    (FDivergence("alpha", 0.5), 2 * ((np.sqrt(P) - np.sqrt(Q)) ** 2).sum()),
    (FDivergence("alpha", 1.0), kl(P, Q)),
    (FDivergence("alpha", 2.0), ((P - Q) ** 2 / Q).sum() / 2),
]


@pytest.mark.parametrize(("objective", "value"), CLOSED, ids=lambda part: str(getattr(part, "divergence", "")))
def test_the_divergences_by_their_usual_names(objective: FDivergence, value: float) -> None:
    p, q = torch.from_numpy(P), torch.from_numpy(Q)
    assert objective.optimal_value(real=p, fake=q).item() == pytest.approx(-value, rel=1e-12)


@pytest.mark.parametrize("objective", EVERY, ids=lambda each: f"{each.divergence}-{each.order_alpha}")
def test_conjugates_are_suprema(objective: FDivergence) -> None:
    """f*(T) is the largest u T - f(u) over u > 0, on a fine grid that holds u = 1."""
    u = torch.from_numpy(np.exp(np.linspace(-14, 6, 40_001)))
    f = -torch.func.vmap(lambda each: objective.optimal_value(real=each[None], fake=torch.ones_like(each)[None]))(u)
    saturating = FDivergence(objective.divergence, objective.order_alpha, saturating=True)
    for v in (-1.9, -0.6, 0.0, 0.5, 1.9):
        score = torch.tensor([v], dtype=torch.float64)
        output, conjugate = -objective.generator(fake=score), -saturating.generator(fake=score)
        assert (u * output - f).max().item() == pytest.approx(conjugate.item(), abs=1e-5)


def test_js_is_vanilla_but_for_constants() -> None:
    source = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 9, generator=source, dtype=torch.float64)
    judged, made = (
        [getattr(each, player)(**given).item() for each in (FDivergence("js"), Vanilla())]
        for player, given in (("discriminator", {"real": real, "fake": fake}), ("generator", {"fake": fake}))
    )
    assert judged[0] == pytest.approx(judged[1] - math.log(4))
    assert made[0] == pytest.approx(made[1] - math.log(2))


def test_order_1_is_kl_with_scores_shifted_by_1() -> None:
    real, fake = torch.tensor([0.3, -2.0]), torch.tensor([1.0, 0.2])
    alpha = FDivergence("alpha", 1.0).discriminator(real=real, fake=fake)
    assert alpha.item() == pytest.approx(FDivergence("kl").discriminator(real=real + 1, fake=fake + 1).item())


@pytest.mark.parametrize("side", [-1, 1])
def test_order_1_is_approached_steadily(side: int) -> None:
    """float32: losses and slopes near α = 1 differ from the limit by no more than a multiple of the distance."""
    score = torch.tensor([-3.0, -0.5, 0.0, 1.0, 3.0])
    exact = losses_and_slopes(FDivergence("alpha", 1.0), score)
    for distance in (1e-2, 1e-4, 1e-7):
        near = losses_and_slopes(FDivergence("alpha", 1 + side * distance), score)
        gap = max(float((left - right).abs().max()) for left, right in zip(near, exact, strict=True))
        assert gap <= 200 * distance + 1e-5


def losses_and_slopes(objective: FDivergence, score: Tensor) -> list[Tensor]:
    leaf = score.clone().requires_grad_()
    losses = [objective.discriminator(real=leaf, fake=leaf), objective.generator(fake=leaf)]
    slopes = [torch.autograd.grad(loss.sum(), leaf)[0] for loss in losses]
    return [part.detach() for part in (*losses, *slopes)]


@pytest.mark.parametrize("saturating", [False, True])
def test_extreme_orders_stay_apart(saturating: bool) -> None:
    """α from 0.05 to 50 in one fleet, scores to ±1e4: nobody's nan, and a member of order 3 is finite."""
    order = torch.tensor([0.05, 0.999, 1.0, 1 + 1e-6, 3.0, 50.0]).reshape(-1, 1, 1)
    score = torch.tensor([-1e4, -200.0, -1.0, 0.0, 17.0, 200.0, 1e4]).expand(6, 1, 7)
    found = losses_and_slopes(FDivergence("alpha", order, saturating), score)
    assert not any(part.isnan().any() for part in found)
    assert all(part[4:].isfinite().all() for part in found)


@pytest.mark.parametrize("objective", EVERY, ids=lambda each: f"{each.divergence}-{each.order_alpha}")
def test_the_monitor_is_a_lower_bound(objective: FDivergence) -> None:
    """Of the divergence of two atoms with weights 1/4 and 3/4 from those with 1/2, whatever the scores."""
    p, q = torch.tensor([0.25, 0.75]).double(), torch.tensor([0.5, 0.5]).double()
    score = 2 * torch.randn(300, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    best = objective.optimal_score(real=p, fake=q)
    divergence = -objective.optimal_value(real=p, fake=q)
    seen = objective.monitors(real=score[:, [0, 1, 1, 1]], fake=score)["divergence_bound"]
    assert (seen <= divergence + 1e-12).all()
    reached = objective.monitors(real=best[[0, 1, 1, 1]], fake=best)["divergence_bound"]
    assert reached.item() == pytest.approx(divergence.item())


@pytest.mark.parametrize(
    ("objective", "rate"),
    [
        (FDivergence("kl"), 1j * math.exp(-0.5)),
        (FDivergence("kl", saturating=True), 1j * math.exp(-1)),
        (FDivergence("reverse-kl"), 1j),
        (FDivergence("js"), 0.5j),
        (FDivergence("total-variation", saturating=True), 0.5j),
        (FDivergence("alpha", 0.3), 1j),
    ],
    ids=str,
)
def test_dirac_eigenvalues_by_hand(objective: FDivergence, rate: complex) -> None:
    found = objective.dirac_eigenvalues()
    assert found[0] == pytest.approx(rate)
    assert found[1] == -found[0]


def test_theory_speaks_of_one_member() -> None:
    p = torch.tensor([0.5, 0.5])
    with pytest.raises(BadValue, match="order_alpha holds 2 values"):
        FDivergence("alpha", torch.ones(2, 1, 1)).optimal_value(real=p, fake=p)
