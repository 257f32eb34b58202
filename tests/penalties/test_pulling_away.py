"""The pulling-away term: 0 for orthogonal codes, 1 for parallel ones, and it pulls apart."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gantlet.errors import Refused
from gantlet.objectives.base import DiscriminatorOutput
from gantlet.penalties.pulling_away import PullingAway


def term(code: Tensor, weight: float = 1.0) -> Tensor:  # [B, d] or [K, B, d] -> [K]
    code = code.reshape(1, -1, *code.shape[-2:])
    output = DiscriminatorOutput(torch.zeros(code.shape[:3]), code=code)
    return PullingAway(weight=weight)(lambda x: output, fake_output=output)[0]


def test_orthogonal_codes_cost_nothing() -> None:
    assert term(torch.diag(torch.tensor([1.0, -5.0, 0.3]))).item() == 0


@pytest.mark.parametrize("size", [2, 3, 64])
def test_equal_codes_cost_the_weight(size: int) -> None:
    """Whatever the batch: the sum has N (N - 1) terms of 1, the diagonal does not count."""
    assert term(torch.tensor([[0.3, -2.0, 1.0]]).repeat(size, 1), 0.1).item() == pytest.approx(0.1, rel=1e-5)


def test_opposite_codes_are_parallel() -> None:
    assert term(torch.tensor([[1.0, 2.0], [-2.0, -4.0]])).item() == pytest.approx(1)


def test_codes_at_sixty_degrees() -> None:
    """cos² 60° = 1/4; with a third code orthogonal to the first and at 30° to the second: (1/4 + 0 + 3/4)/3."""
    codes = torch.tensor([[1.0, 0.0], [0.5, 0.75**0.5], [0.0, 7.0]])
    assert term(codes[:2]).item() == pytest.approx(0.25)
    assert term(codes).item() == pytest.approx(1 / 3)


def test_each_generator_has_its_own_term() -> None:
    """Two generators that make the same pair of orthogonal codes are not pulled away from one another."""
    assert term(torch.eye(2).repeat(2, 1, 1)).tolist() == [0.0, 0.0]


def test_codes_of_any_rank_are_flattened() -> None:
    code = torch.zeros(1, 1, 2, 2, 3)
    code[0, 0, 0, 0, 0] = code[0, 0, 1, 1, 0] = 2.0  # equal rows of different channels are orthogonal
    output = DiscriminatorOutput(torch.zeros(1, 1, 2), code=code)
    assert PullingAway()(lambda x: output, fake_output=output).item() == 0


def test_one_sample_has_no_pairs() -> None:
    assert term(torch.tensor([[1.0, 2.0]])).item() == 0


def test_a_code_of_zeros_has_no_direction_and_a_finite_gradient() -> None:
    code = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    value = term(code).sum()
    assert value.item() == pytest.approx(1 / 3)
    (found,) = torch.autograd.grad(value, code)
    assert found.isfinite().all()


def test_descent_pulls_directions_apart() -> None:
    torch.manual_seed(0)
    code = (torch.tensor([[1.0, 0.9], [0.9, 1.0]])).requires_grad_()
    for _ in range(100):
        (slope,) = torch.autograd.grad(term(code).sum(), code)
        code = (code - 0.3 * slope).detach().requires_grad_()
    assert term(code).item() < 1e-3


def test_a_discriminator_without_a_code_is_refused() -> None:
    with pytest.raises(Refused, match="needs the code of an auto-encoding discriminator"):
        PullingAway()(DiscriminatorOutput, fake_output=DiscriminatorOutput(torch.zeros(1, 1, 4)))
