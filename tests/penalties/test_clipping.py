"""Weight clipping: the box, members of different boxes, every rank of parameter."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gantlet.penalties.clipping import WeightClipping


def test_the_box_by_hand() -> None:
    parameter = torch.tensor([[-1.0, -0.01, 0.0, 0.005, 0.02]])
    expected = torch.tensor([[-0.01, -0.01, 0.0, 0.005, 0.01]])
    assert torch.equal(WeightClipping().project(parameter), expected)


@pytest.mark.parametrize("clip", [torch.tensor([0.1, 2.0]), torch.tensor([0.1, 2.0]).reshape(2, 1, 1)])
@pytest.mark.parametrize("shape", [(2,), (2, 3), (2, 2), (2, 3, 4), (2, 3, 2, 4, 4)])
def test_each_member_has_its_own_box(clip: Tensor, shape: tuple[int, ...]) -> None:
    """Scalars, biases, matrices and kernels; also where the next axis is as long as the member axis."""
    found = WeightClipping(clip=clip).project(torch.full(shape, -5.0))
    assert torch.equal(found[0], torch.full(shape[1:], -0.1))
    assert torch.equal(found[1], torch.full(shape[1:], -2.0))


def test_one_tensor_for_all_members() -> None:
    found = WeightClipping(clip=torch.tensor(0.5)).project(torch.tensor([[3.0, -0.2], [-3.0, 0.2]]))
    assert torch.equal(found, torch.tensor([[0.5, -0.2], [-0.5, 0.2]]))


def test_nan_stays_nan() -> None:
    """A diverged member must not look healthy after the projection."""
    for clip in (0.01, torch.tensor([0.01])):
        assert WeightClipping(clip=clip).project(torch.tensor([[torch.nan]])).isnan().all()
