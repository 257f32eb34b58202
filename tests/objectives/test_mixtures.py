"""Kernel mixtures: values by hand, and derivatives of every order against autograd of the plain formula."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gantlet.objectives.mixtures import ALPHAS, SIGMAS, Mixture, mixture

KINDS: tuple[Mixture, ...] = ("gaussian", "rational-quadratic")


def plain(t: Tensor, kind: Mixture) -> Tensor:
    if kind == "gaussian":
        return sum((torch.exp(-t / (2 * sigma**2)) for sigma in SIGMAS), torch.zeros_like(t))
    return sum(((1 + t / (2 * alpha)) ** -alpha for alpha in ALPHAS), torch.zeros_like(t))


def test_values_by_hand() -> None:
    t = torch.tensor([2.0], dtype=torch.float64)
    assert mixture(t, "gaussian").item() == pytest.approx(sum(math.exp(-1 / s**2) for s in (1, 2, 4, 8, 16)))
    by_hand = 6**-0.2 + 3**-0.5 + 2**-1 + 1.5**-2 + 1.2**-5
    assert mixture(t, "rational-quadratic").item() == pytest.approx(by_hand)


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_up_to_the_third_are_those_of_the_formula(kind: Mixture) -> None:
    t = torch.tensor([0.0, 1e-3, 0.7, 30.0], dtype=torch.float64)
    ends: list[list[Tensor]] = []
    for function in (mixture, plain):
        at = t.clone().requires_grad_()
        value, found = function(at, kind), []
        for _ in range(3):
            (value,) = torch.autograd.grad(value.sum(), at, create_graph=True)
            found.append(value.detach())
        ends.append(found)
    for own, autograds in zip(*ends, strict=True):
        torch.testing.assert_close(own, autograds, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_a_nan_stays_one_and_far_is_nothing(kind: Mixture) -> None:
    far = mixture(torch.tensor([torch.nan, 1e8]), kind)
    assert far[0].isnan()
    assert far[1] < 0.1
