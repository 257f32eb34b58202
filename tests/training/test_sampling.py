"""Sampling: who makes which sample, in evaluation mode, the same for all members and in any chunks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import games
from gantlet.training import sampling
from gantlet.training.batch_loader import fixed_latents
from gantlet.training.blueprint import Player
from gantlet.training.sampling import decision, draw_latents, sample, scores


def test_all_members_are_given_the_same_latents_and_owners_are_uniform() -> None:
    fleet = games.fleet((1, 2), k=3)
    draw = draw_latents(fleet, 6000)
    assert draw.latents.equal(fixed_latents(6000, 3, "normal", name="latent/test"))
    counts = torch.bincount(draw.owners, minlength=3)
    assert int(counts.sum()) == 6000
    assert counts.float().sub(2000).abs().max() < 4 * (6000 * 2 / 9) ** 0.5  # four standard deviations
    assert not draw.latents.equal(draw_latents(fleet, 6000, name="other").latents)


def test_each_sample_comes_from_its_owner() -> None:
    fleet = games.train(games.fleet((1, 2), k=3), 2)
    draw = draw_latents(fleet, 20)
    made = sample(fleet, draw, [1, 0])
    assert made.shape == (2, 20, 2)
    for place, slot in enumerate((1, 0)):
        for row, owner in enumerate(draw.owners.tolist()):
            network = slot * 3 + owner
            own = {name: value[network : network + 1].detach() for name, value in fleet.generators.parameters.items()}
            z = draw.latents[row : row + 1].double()
            torch.testing.assert_close(made[place, row], fleet.generators.evaluate(network, own, z)[0])


def test_the_average_is_sampled_if_and_only_if_there_is_one() -> None:
    averaged, plain = (games.train(games.fleet((1,), ema=ema), 3) for ema in (0.9, 0.0))
    draw = draw_latents(averaged, 10)
    assert not sample(averaged, draw, [0]).equal(sample(plain, draw, [0]))
    assert averaged.average is not None
    with torch.no_grad():
        for name, value in averaged.generators.parameters.items():
            value.copy_(averaged.average[name])
    averaged.average = None
    copied = sample(averaged, draw, [0])
    again = games.train(games.fleet((1,), ema=0.9), 3)
    torch.testing.assert_close(copied, sample(again, draw, [0]))


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = games.train(games.fleet((1, 2)), 2)
    draw, x = draw_latents(fleet, 37), torch.randn(37, 2)
    whole = sample(fleet, draw, [0, 1]), scores(fleet, x, [0, 1])
    monkeypatch.setattr(sampling, "_CHUNK", 5)
    for one, other in zip(whole, (sample(fleet, draw, [0, 1]), scores(fleet, x, [0, 1])), strict=True):
        torch.testing.assert_close(one, other)


def test_a_generator_without_a_share_makes_nothing() -> None:
    fleet = games.fleet((1,), k=3)
    draw = draw_latents(fleet, 1)
    assert sample(fleet, draw, [0]).shape == (1, 1, 2)


def test_scores_are_asked_of_shared_or_own_samples() -> None:
    fleet = games.train(games.fleet((1, 2)), 2)
    x = torch.randn(9, 2, generator=torch.Generator().manual_seed(1))
    shared = scores(fleet, x, [0, 1])
    own = scores(fleet, torch.stack([x, x.flip(0)]), [0, 1])
    assert shared.shape == (2, 9)
    torch.testing.assert_close(own[0], shared[0])
    torch.testing.assert_close(own[1], shared[1].flip(0))
    assert not shared[0].equal(shared[1])
    assert not shared.requires_grad


def test_evaluation_mode_is_used_and_left_as_it_was() -> None:
    def make() -> nn.Module:
        return nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))

    fleet = games.train(games.fleet((1,), generator=Player(make, games.adam(1), batch_statistics=True)), 3)
    draw = draw_latents(fleet, 12)
    before = {name: value.clone() for name, value in fleet.generators.buffers.items()}
    whole = sample(fleet, draw, [0])
    single = sample(fleet, type(draw)(draw.latents[:1], draw.owners[:1]), [0])
    torch.testing.assert_close(single[0, 0], whole[0, 0])  # no sample sees the others
    assert all(value.equal(before[name]) for name, value in fleet.generators.buffers.items())


def test_a_decision_map_has_rows_for_y_and_columns_for_x() -> None:
    fleet = games.train(games.fleet((1, 2)), 2)
    xs, ys, values = decision(fleet, 1, 1.5, points=7)
    assert xs.equal(torch.linspace(-1.5, 1.5, 7))
    for row, column in ((0, 6), (6, 0), (3, 5)):
        point = torch.stack([xs[column], ys[row]]).unsqueeze(0)
        torch.testing.assert_close(values[row, column], scores(fleet, point, [1])[0, 0])
