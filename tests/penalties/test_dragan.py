"""Where DRAGAN's four kinds of noise lead, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gantlet.errors import BadValue
from gantlet.objectives.base import DiscriminatorOutput
from gantlet.penalties.dragan import Dragan
from gantlet.settings import settings_of

# One member, two samples of two numbers, mean 0 and standard deviation 1/2.
REAL = torch.tensor([[0.5, -0.5], [0.5, -0.5]]).reshape(1, 1, 2, 2)


def points(pixel: list[float], share: list[float] | None = None, **options: str | float) -> Tensor:
    noise = {"pixel": torch.tensor(pixel).reshape(1, 1, 2, 2)}
    if share is not None:
        noise["share"] = torch.tensor(share).reshape(1, 1, 2)
    return Dragan(**options).points(REAL, noise).flatten()  # pyright: ignore[reportArgumentType]


def test_two_sided_noise_goes_both_ways_per_number() -> None:
    """u = 0, 1/2 and 1 are -1/4, 0 and +1/4: half of σ = 1/2."""
    assert points([0.0, 0.5, 1.0, 0.0]).tolist() == [0.25, -0.5, 0.75, -0.75]


def test_onesided_noise_is_an_interpolation_towards_a_larger_sample() -> None:
    """scale 2 and u = 1: x_p = x + 1; a = 1/4 for the first sample, 1 for the second."""
    found = points([1.0, 0.5, 1.0, 0.5], [0.25, 1.0], noise="uniform_onesided", scale=2.0)
    assert found.tolist() == [0.75, -0.375, 1.5, 0.0]


def test_scaled_noise_turns_a_whole_sample_and_is_clipped() -> None:
    """a = 0 is -1 and a = 1 is +1; with scale 2 the offset is ±u, and the result stays within [-1, 1]."""
    found = points([1.0, 0.25, 0.25, 1.0], [0.0, 1.0], noise="uniform_scaled", scale=2.0)
    assert found.tolist() == [-0.5, -0.75, 0.75, 0.5]
    found = points([1.0, 1.0, 1.0, 1.0], [0.0, 1.0], noise="uniform_scaled", scale=2.0)
    assert found.tolist() == [-0.5, -1.0, 1.0, 0.5]


def test_gaussian_noise_is_in_the_datas_units() -> None:
    """c = 10 on the scale of 0 to 255 is a deviation of 2·√10/255 on that of -1 to 1; the batch's own does not count."""
    scale = 2 * math.sqrt(10) / 255
    found = points([1.0, -1.0, 0.0, 2.0], noise="gaussian", scale=scale)
    expected = [0.5 + scale, -0.5 - scale, 0.5, -0.5 + 2 * scale]
    assert found.tolist() == pytest.approx(expected)
    assert scale == pytest.approx(0.0248, abs=1e-4)


@pytest.mark.parametrize("noise", ["two-sided", "uniform_onesided", "uniform_scaled", "gaussian"])
def test_no_noise_at_scale_zero(noise: str) -> None:
    """Then it is a gradient penalty at the real samples: |x| = √½ each."""
    penalty = Dragan(scale=0.0, noise=noise)  # pyright: ignore[reportArgumentType]
    drawn = {
        name: torch.rand(1, *draw.shape) for name, draw in penalty.draws(generators=3, batch=2, shape=(2,)).items()
    }
    value = penalty(
        lambda x: DiscriminatorOutput(x.square().sum(-1) / 2), real=REAL, fake=torch.zeros(1, 3, 2, 2), noise=drawn
    )
    assert value.tolist() == [[pytest.approx(10 * (math.sqrt(0.5) - 1) ** 2)] * 3]


def test_the_fakes_do_not_matter() -> None:
    noise = {"pixel": torch.rand(1, 1, 2, 2)}
    values = [
        Dragan()(lambda x: DiscriminatorOutput(x.square().sum(-1)), real=REAL, fake=fake, noise=noise)
        for fake in (torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), torch.nan))
    ]
    assert torch.equal(*values)


def test_another_kind_of_noise_is_refused() -> None:
    with pytest.raises(BadValue, match="noise=uniform is not one of two-sided, uniform_onesided"):
        settings_of(Dragan)["noise"].parse("uniform")
