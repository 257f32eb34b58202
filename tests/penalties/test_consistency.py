"""Consistency regularisation: how images are mirrored and moved, and what is charged."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gantlet.objectives.base import DiscriminatorOutput
from gantlet.penalties.consistency import Consistency, mirrored_and_moved

# Rows (1 2 3), (4 5 6) and (7 8 9).
IMAGE = torch.arange(1.0, 10.0).reshape(1, 1, 1, 1, 3, 3)
STAY, MIDDLE = 0.9, 0.5


def moved(mirror: float, down: float, right: float, shift: int = 1) -> list[list[int]]:
    noise = torch.tensor([mirror, down, right]).reshape(1, 1, 1, 3)
    return mirrored_and_moved(IMAGE, noise, shift=shift)[0, 0, 0, 0].int().tolist()


def test_the_middle_of_the_draws_leaves_an_image_alone() -> None:
    assert moved(STAY, MIDDLE, MIDDLE) == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_a_mirror_exchanges_left_and_right() -> None:
    assert moved(0.1, MIDDLE, MIDDLE) == [[3, 2, 1], [6, 5, 4], [9, 8, 7]]


def test_a_move_repeats_the_border() -> None:
    assert moved(STAY, 0.0, MIDDLE) == [[4, 5, 6], [7, 8, 9], [7, 8, 9]]
    assert moved(STAY, 0.999, MIDDLE) == [[1, 2, 3], [1, 2, 3], [4, 5, 6]]
    assert moved(STAY, MIDDLE, 0.999) == [[1, 1, 2], [4, 4, 5], [7, 7, 8]]
    assert moved(STAY, MIDDLE, 0.0) == [[2, 3, 3], [5, 6, 6], [8, 9, 9]]


def test_a_move_ends_at_the_last_row_and_column() -> None:
    """Four pixels are asked for; of three rows and columns at least one stays."""
    assert moved(STAY, 0.0, 0.999, shift=4) == [[7, 7, 7], [7, 7, 7], [7, 7, 7]]
    one = mirrored_and_moved(torch.ones(1, 1, 1, 2, 1, 1), torch.zeros(1, 1, 1, 3), shift=4)
    assert torch.equal(one, torch.ones(1, 1, 1, 2, 1, 1))


def test_without_a_shift_images_are_only_mirrored() -> None:
    assert moved(STAY, 0.0, 0.999, shift=0) == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_every_move_is_equally_likely() -> None:
    """With a shift of 1 the centre of the result comes from each of nine places, in a ninth of 9·10⁴ draws (± 5 σ)."""
    noise = torch.rand(1, 1, 90_000, 3, generator=torch.Generator().manual_seed(0))
    centre = mirrored_and_moved(IMAGE.expand(1, 1, 90_000, 1, 3, 3), noise, shift=1)[..., 1, 1].flatten()
    counts = torch.bincount(centre.int())[1:]
    assert counts.tolist() == pytest.approx([10_000] * 9, abs=5 * (10_000 * 8 / 9) ** 0.5)


def test_colours_move_together_and_samples_apart() -> None:
    image = torch.cat([IMAGE, 10 * IMAGE], 3).expand(1, 1, 2, 2, 3, 3)
    noise = torch.tensor([[STAY, MIDDLE, MIDDLE], [0.1, 0.0, MIDDLE]]).reshape(1, 1, 2, 3)
    found = mirrored_and_moved(image, noise, shift=1)[0, 0]
    assert torch.equal(found[:, 1], 10 * found[:, 0])
    assert torch.equal(found[0, 0], IMAGE[0, 0, 0, 0])
    assert found[1, 0].int().tolist() == [[6, 5, 4], [9, 8, 7], [9, 8, 7]]


def charged(x: Tensor) -> DiscriminatorOutput:
    return DiscriminatorOutput(x[..., 0, 0, 0])  # the upper left pixel


@pytest.mark.parametrize("fakes", [False, True])
def test_the_cost_by_hand(fakes: bool) -> None:
    """The mirror takes 1 to 3 in the real image (4); the fakes, twice and three times it, lose 16 and 36."""
    fake = torch.cat([2 * IMAGE, 3 * IMAGE], 1)
    mirror = torch.tensor([0.1, MIDDLE, MIDDLE])
    noise = {"real": mirror.reshape(1, 1, 1, 3), "fake": mirror.expand(1, 2, 1, 3)}
    value = Consistency(weight=0.5, fakes=fakes)(charged, real=IMAGE, fake=fake, noise=noise)
    assert value.tolist() == [[2.0 + 8.0, 2.0 + 18.0] if fakes else [2.0, 2.0]]


def test_jitter_is_in_standard_deviations_of_the_batch() -> None:
    """Numbers 0 and 4 (σ = 2) move by ± 0.1 · 2; with D = x the cost is 0.2²."""
    x = torch.tensor([0.0, 4.0]).reshape(1, 1, 2, 1)
    noise = {"real": torch.tensor([1.0, -1.0]).reshape(1, 1, 2, 1)}
    value = Consistency(weight=1.0)(lambda x: DiscriminatorOutput(x.squeeze(-1)), real=x, fake=x, noise=noise)
    assert value.item() == pytest.approx(0.04)


def test_a_discriminator_with_batch_norm_is_welcome() -> None:
    """Each batch is scored alone, and the gradient goes through the statistics of both."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1)).double()

    def discriminate(x: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(torch.stack([network(batch).squeeze(-1) for batch in x[0]]).unsqueeze(0))

    real, jitter = torch.randn(2, 1, 1, 6, 3, dtype=torch.float64)
    value = Consistency(weight=2.0, jitter=0.5)(discriminate, real=real, fake=real, noise={"real": jitter})
    other = real + 0.5 * real.std(correction=0) * jitter
    expected = 2 * (network(real[0, 0]) - network(other[0, 0])).square().mean()
    assert value.item() == pytest.approx(expected.item())
    (found, *_) = torch.autograd.grad(value.sum(), list(network.parameters()))
    assert found.abs().max() > 0
