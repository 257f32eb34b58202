"""Micro-batches: an update adds up their gradients, and is the update of the whole batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

import game_cases
import games
from division_cases import divisible
from gantlet.errors import Refused
from gantlet.training.blueprint import Player
from gantlet.training.checkpoint import restore, snapshot
from gantlet.training.division import Division
from gantlet.training.fleet import Fleet

CASES = divisible(2)


def pair(changes: dict[str, Any], parts: int, seeds: tuple[int, ...] = (1, 2), route: str = "stacked") -> list[Fleet]:
    """A fleet that computes batches at once, and one that does so in parts."""
    whole = games.sheet(seeds, **changes)
    whole = replace(whole, execution=replace(whole.execution, route=route))
    divided = replace(whole, sizes=replace(whole.sizes, accumulate=parts))
    return [Fleet(each, games.dataset()) for each in (whole, divided)]


def gap(one: Fleet, other: Fleet) -> float:
    """The largest relative difference of anything that a checkpoint holds, but for what only history shows."""
    left, right = snapshot(one)[0], snapshot(other)[0]
    assert left.keys() == right.keys()
    return max(
        float((left[name].double() - right[name].double()).norm() / right[name].double().norm().clamp(min=1.0))
        for name in left
    )


@pytest.mark.parametrize("name", CASES)
def test_micro_batches_add_up_to_the_batch(name: str) -> None:
    whole, divided = pair(CASES[name], 4, route="loop" if name in ("team", "lecam") else "stacked")
    for _ in range(3):
        whole.advance()
        divided.advance()
    assert gap(divided, whole) < 1e-10
    assert not whole.divergences
    before = games.fleet((1, 2), **CASES[name])
    assert all(
        games.difference(games.parameters(divided, player, 0), games.parameters(before, player, 0)) > 1e-4
        for player in game_cases.PLAYERS
    )


def test_in_float32_they_add_up_to_it_within_rounding() -> None:
    # Parameters on which no loss depends (a critic's last bias) have a gradient of rounding alone, which Adam magnifies to
    # whole steps unless eps is well above it.
    rule = {
        player: Player(getattr(games.sheet(), player).build, games.adam(2, eps=1e-3)) for player in game_cases.PLAYERS
    }
    changes = CASES["lazy r3gan"] | rule | {"execution": replace(game_cases.DOUBLE, dtype=torch.float32)}
    whole, divided = pair(changes, 2)
    for _ in range(20):
        whole.advance()
        divided.advance()
    assert gap(divided, whole) < 1e-6


@pytest.mark.parametrize("name", ["coulomb", "energy"])
def test_a_loss_over_pairs_of_samples_is_not_what_its_parts_add_up_to(name: str) -> None:
    whole, divided = (games.train(each, 2) for each in pair(game_cases.cases(2)[name], 2))
    assert gap(divided, whole) > 1e-4  # which is why it is refused


def test_batch_norm_normalises_each_micro_batch_and_its_statistics_are_averaged() -> None:
    whole, divided = pair(game_cases.batch_norm(1, d_norm=False), 2, seeds=(1,), route="loop")
    latents = divided.inputs.latents("generator", lambda: 0, 0), divided.inputs.latents("generator", lambda: 0, 1)
    layer = {name: value[0] for name, value in divided.generators.parameters.items()}
    hidden = [(part.squeeze() @ layer["0.weight"].T + layer["0.bias"]).detach() for part in latents]
    divided.advance()
    mean = torch.stack([part.mean(0) for part in hidden]).mean(0)
    variance = torch.stack([part.var(0) for part in hidden]).mean(0)
    assert len(hidden[0]) == 4
    torch.testing.assert_close(divided.generators.buffers["1.running_mean"][0], 0.1 * mean)
    torch.testing.assert_close(divided.generators.buffers["1.running_var"][0], 0.9 + 0.1 * variance)
    assert divided.generators.buffers["1.num_batches_tracked"].item() == 1
    whole.advance()
    assert gap(divided, whole) > 1e-4


def test_a_divided_fleet_goes_on_from_its_checkpoint() -> None:
    _, straight = pair(CASES["team"], 2)
    _, begun = pair(CASES["team"], 2)
    _, resumed = pair(CASES["team"], 2)
    games.train(straight, 6)
    restore(resumed, *snapshot(games.train(begun, 3)))
    games.train(resumed, 3)
    assert gap(resumed, straight) == 0


def test_static_steps_are_divided_as_stacked_ones() -> None:
    changes = CASES["lazy r3gan"]
    _, stacked = pair(changes, 2)
    _, static = pair(changes, 2, route="static")
    games.train(stacked, 12)
    games.train(static, 12)
    static.settle()
    assert gap(static, stacked) == 0


def test_ranks_share_each_micro_batch_of_one_process() -> None:
    batch = torch.arange(24)
    for groups in (1, 2):
        alone = Division(parts=3, groups=groups)
        for part in range(3):
            shares = [Division(3, 2, rank, groups) for rank in (0, 1)]
            held = torch.cat([each.part(each.mine(batch, 0), 0, part) for each in shares])
            assert set(held.tolist()) == set(alone.part(alone.mine(batch, 0), 0, part).tolist())
    assert Division(3, 2, 1).called("generator", 2) == "generator/5of6"


def test_a_draw_of_which_two_axes_grow_with_the_batch_is_refused() -> None:
    with pytest.raises(Refused, match=r"more than one axis"):
        Division(parts=2).cut(torch.zeros(1, 4, 4), (2, 2), 0)
