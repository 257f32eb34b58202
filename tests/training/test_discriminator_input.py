"""What a discriminator sees: packs and instance noise, in training and in evaluation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import games
from gantlet.networks.mlp import MLP
from gantlet.training.blueprint import Execution, InstanceNoise, Player, Sizes
from gantlet.training.discriminator_input import DiscriminatorInput, packed, packed_shape
from gantlet.training.feed import Feed
from gantlet.training.fleet import Fleet
from gantlet.training.randomness import KeyedRandom
from gantlet.training.sampling import decision, scores
from gantlet.training.schedules import Schedule

FAMILY = MLP(g_width=7, g_depth=2, d_width=5, d_depth=2)


def packing(members: int = 3, pack: int = 2) -> dict[str, Any]:
    """Changes of a blueprint whose discriminators judge packs."""
    shape = packed_shape((2,), pack)
    return {
        "sizes": Sizes(batch=8, latent=3, steps=20, pack=pack),
        "discriminator": Player(lambda: FAMILY.discriminator(shape=shape), games.adam(members)),
    }


def test_neighbours_stand_side_by_side() -> None:
    images = torch.arange(2 * 1 * 4 * 3 * 2 * 2.0).reshape(2, 1, 4, 3, 2, 2)
    both = packed(images, 2)
    assert both.shape == (2, 1, 2, *packed_shape((3, 2, 2), 2))
    for s in range(2):
        for b in range(2):
            assert torch.equal(both[s, 0, b], torch.cat([images[s, 0, 2 * b], images[s, 0, 2 * b + 1]]))


def test_a_packed_score_belongs_to_every_sample_of_its_pack() -> None:
    fleet = games.fleet(**packing())
    x = torch.randn(5, 2, dtype=torch.float64)  # an odd number: the last is scored beside the first
    said = scores(fleet, x, [0, 2])
    assert said.shape == (2, 5)
    pairs = torch.cat([x, x[:1]]).reshape(3, 4)
    for place, slot in enumerate((0, 2)):
        weights = {name: p.detach()[slot] for name, p in fleet.discriminators.parameters.items()}
        expected = torch.func.functional_call(FAMILY.discriminator(shape=(4,)).double(), weights, (pairs,))
        torch.testing.assert_close(said[place], expected.repeat_interleave(2)[:5])
    each = scores(fleet, x.expand(3, -1, -1), [0, 1, 2])
    torch.testing.assert_close(each[0], said[0])


def test_the_map_of_a_packed_discriminator_shows_each_point_twice() -> None:
    fleet = games.fleet(**packing())
    xs, ys, values = decision(fleet, 1, 2.0, points=5)
    corner = torch.stack([xs[3], ys[1]]).double().repeat(2, 1)
    torch.testing.assert_close(values[1, 3], scores(fleet, corner, [1])[0, 0])


FEED = Feed(lambda: 0, device=torch.device("cpu"), dtype=torch.float64)


def noise_of(name: str, update: int) -> Tensor:
    draws = KeyedRandom((1, 2), device=torch.device("cpu"), dtype=torch.float64)
    view = DiscriminatorInput(draws, FEED, noise=InstanceNoise(1.0))
    return view(torch.zeros(2, 3, 400, 2, dtype=torch.float64), name=name, update=lambda: update, step=lambda: 0)


def test_instance_noise_is_normal_keyed_and_independent_by_member_update_and_player() -> None:
    first = noise_of("d/real", 3)
    assert torch.equal(first, noise_of("d/real", 3))
    for other in (noise_of("d/real", 4), noise_of("d/fake", 3), first.flip(0)):
        correlation = (first * other).mean()
        assert abs(correlation) < 5 / first.numel() ** 0.5
    assert first.std() == pytest.approx(1, abs=0.05)


def test_instance_noise_is_per_member_and_fades() -> None:
    draws = KeyedRandom((1, 1), device=torch.device("cpu"), dtype=torch.float64)
    scale = torch.tensor([0.5, 0.0], dtype=torch.float64).reshape(2, 1, 1)
    view = DiscriminatorInput(draws, FEED, noise=InstanceNoise(scale, Schedule("linear", every=10)))
    x = torch.ones(2, 1, 6, 2, dtype=torch.float64)
    full, half, none = (view(x, name="d/real", update=lambda: 0, step=lambda at=step: at) - x for step in (0, 5, 10))
    assert torch.equal(full[1], torch.zeros_like(full[1]))
    torch.testing.assert_close(half, full / 2)
    assert not none.any()
    assert full[0].abs().max() > 0.1


def test_the_generator_feels_its_own_gradient_through_the_noise() -> None:
    """Noise is added, so that dL/dx is that at the noisy point: a step differs from the noiseless one, and is finite."""
    plain, noisy = games.fleet(), games.fleet(noise=InstanceNoise(0.3))
    for fleet in (plain, noisy):
        games.train(fleet, 3)
    assert games.difference(games.parameters(noisy, "generator", 0), games.parameters(plain, "generator", 0)) > 1e-4
    assert not noisy.divergences


@pytest.mark.parametrize("dtype", [torch.float32])
def test_bfloat16_products_stay_close_to_float32(dtype: torch.dtype) -> None:
    """bfloat16 keeps 8 bits: losses of the first steps agree to a few of 2^-8, parameters stay float32."""
    found: list[dict[str, float]] = []
    for mixed in (False, True):
        fleet = Fleet(
            games.sheet(steps=1000, execution=Execution(route="stacked", dtype=dtype, mixed=mixed)), games.dataset()
        )
        games.train(fleet, 1)
        rows = fleet.history.take()
        found.append(
            {name: value for slot, name, value in zip(rows.slot, rows.name, rows.value, strict=True) if slot == 0}
        )
        assert all(p.dtype is dtype for p in fleet.generators.parameters.values())
    exact, rough = found
    for name in ("loss_d", "loss_g"):
        assert rough[name] == pytest.approx(exact[name], rel=2e-2)
        assert rough[name] != exact[name], "nothing was computed in bfloat16"
