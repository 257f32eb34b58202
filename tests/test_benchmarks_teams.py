"""The benchmark of teams: both sides play the same game, the bare products are those that run, ratios are of windows."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

sys.path.append(str(Path(__file__).resolve().parent.parent))

from benchmarks import __main__ as program
from benchmarks import teams
from benchmarks.sections import Section
from benchmarks.teams import GAMES, PUBLISHED, SMALL, Game, PlainTeam

from gantlet.studies.grid import axes_from_mapping
from gantlet.studies.spec import Request, expand
from gantlet.training.fleet import Fleet

PAIR = replace(PUBLISHED, generators=3, g_width=8, hidden=(12, 6), batch=16, goals={2: 1.0})
DEEP = replace(SMALL, generators=3, g_width=5, hidden=(7, 7), batch=16, goals={2: 1.0})
TINY = pytest.mark.parametrize("game", [PAIR, DEEP], ids=["published", "small"])


def load(plain: PlainTeam, fleet: Fleet, member: int) -> None:
    """Give the plain team the weights of a member."""
    team = len(plain.generators)
    pairs = [(module, fleet.generators, member * team + place) for place, module in enumerate(plain.generators)]
    for module, stack, row in [*pairs, (plain.discriminator, fleet.discriminators, member)]:
        for mine, theirs in zip(module.parameters(), stack.parameters.values(), strict=True):
            mine.data.copy_(theirs.detach()[row])


def counted(step: Callable[[], object]) -> int:
    """The floating point operations of the matrix products that really run."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


@TINY
def test_from_equal_weights_and_draws_both_sides_have_equal_losses(game: Game) -> None:
    fleet = teams.fleet(game, 2)
    loops = [PlainTeam(game, torch.zeros(game.batch, 2)) for _ in range(2)]
    for member, plain in enumerate(loops):
        load(plain, fleet, member)
    found: list[dict[str, Tensor]] = []
    for step in range(5):
        real, latents = fleet.feed.real(step), fleet._latents.at("generator", step)  # [S, 1, B, 2], [S, K, B, 2]
        for member, plain in enumerate(loops):
            plain.step(real[member, 0], latents[member, -1])
        before = {name: total.clone() for name, total in fleet.history.state()[0].items()}
        fleet.advance()
        found.append({name: total - before.get(name, 0) for name, total in fleet.history.state()[0].items()})
    for member, plain in enumerate(loops):
        losses_d, losses_g, judged = zip(*plain.logged, strict=True)
        assert list(losses_d) == pytest.approx([float(f["loss_d"][member].sum()) / 2 for f in found], rel=1e-5)
        assert list(losses_g) == pytest.approx([float(f["loss_g"][member].sum()) for f in found], rel=1e-5)
        assert len(set(losses_d)) == 5
        assert 0 < min(judged) < max(judged) < 1


def test_the_logged_value_is_that_of_the_discriminator_after_its_move() -> None:
    plain, real = PlainTeam(PAIR, torch.zeros(16, 2)), torch.randn(16, 2, generator=torch.Generator().manual_seed(1))
    before = plain.discriminator(real).mean().item()
    plain.step(real, real)
    assert plain.logged[0][2] == plain.discriminator(real).mean().item() != before


def test_the_plain_losses_at_a_discriminator_that_says_one_quarter() -> None:
    plain = PlainTeam(PAIR, torch.zeros(16, 2))
    last = plain.discriminator[-2]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, -torch.log(torch.tensor(3.0)))  # σ(-log 3) = 1/4
    plain.step(torch.zeros(16, 2), torch.zeros(16, 2))
    loss_d, loss_g, _ = plain.logged[0]
    quarter = torch.tensor(0.25, dtype=torch.float64)
    assert loss_g == pytest.approx(float(-3 * quarter.log()))
    assert loss_d == pytest.approx(float(-3 * (quarter.log() + (1 - quarter).log()) / 2))


def test_one_adam_moves_all_generators_and_the_pool_goes_by_once() -> None:
    points = torch.arange(64.0).reshape(32, 2)
    plain = PlainTeam(PAIR, points)
    before = [generator[0].weight.detach().clone() for generator in plain.generators]
    seen: list[Tensor] = []
    step = plain.step
    plain.step = lambda real, latents: (seen.append(real), step(real, latents))[1]
    plain.advance()
    plain.advance()
    assert sorted(torch.cat(seen)[:, 0].tolist()) == points[:, 0].tolist()
    assert all(
        not torch.equal(generator[0].weight, old) for generator, old in zip(plain.generators, before, strict=True)
    )


def test_the_games_are_what_the_command_line_resolves() -> None:
    values, small = (teams.resolved(game).values for game in GAMES)
    assert (values["network"], values["generators"], values["batch_size"]) == ("stackelberg-mixture", 8, 64)
    assert (values["g_hidden"], values["d_hidden"], values["output"], values["train_size"]) == (32, 512, "tanh", 8000)
    assert (values["lr_g"], values["lr_d"], values["beta1"], values["beta2"]) == (2e-4, 2e-4, 0.5, 0.999)
    (script,) = expand(
        Request("mixture8", ("vanilla",), tuple(axes_from_mapping({"generators": 8})), presets=("seed",))
    )
    assert values == script.values
    assert (small["network"], small["g_width"], small["g_depth"], small["output"]) == ("mlp", 16, 1, "tanh")
    assert (small["d_width"], small["d_depth"], small["d_slope"]) == (32, 4, 0.2)
    assert {game.hidden: game.goals for game in GAMES} == {(512, 256): {1: 3.0, 16: 4.0}, (32,) * 4: {16: 10.0}}


@pytest.mark.parametrize("game", GAMES, ids=str)
def test_both_sides_have_the_published_networks(game: Game) -> None:
    fleet, plain = teams.fleet(game, 1), PlainTeam(game, torch.zeros(64, 2))
    sizes = {(512, 256): (162, 133_121), (32,) * 4: (82, 3 * 32 + 3 * 33 * 32 + 33)}[game.hidden]
    for stack, modules in ((fleet.generators, plain.generators), (fleet.discriminators, [plain.discriminator])):
        want = sizes[modules is not plain.generators]
        assert all(sum(p.numel() for p in module.parameters()) == want for module in modules)
        assert sum(p.numel() for p in stack.parameters.values()) == want * len(modules)
    assert len(plain.generators) == fleet.generators.size == 8
    assert fleet.generators.route == "stacked"


def by_hand(game: Game, *, in_vain: bool) -> int:
    """A step's operations, layer by layer: forward, weights and inputs take 2·rows·i·o each."""
    team, rows, total = game.generators, game.batch, 0
    for place, (i, o) in enumerate(pairwise([2, game.g_width, 2])):
        total += 2 * team * rows * i * o * (3 + (place > 0))  # made, made again; weights, inputs
    for place, (i, o) in enumerate(pairwise([2, *game.hidden, 1])):
        total += 2 * team * rows * i * o * (2 + in_vain)
        total += 2 * (team + 1) * rows * i * o * (2 + (place > 0))
    return total


@TINY
def test_operations_are_those_of_the_layers(game: Game) -> None:
    expected = by_hand(game, in_vain=False)
    assert sum(networks * part.flops for networks, part in teams.passes(game)) == expected
    assert counted(teams.products(game, 3)) == 3 * expected
    assert counted(teams.fleet(game, 2).advance) == 2 * expected


@TINY
def test_the_plain_loop_also_differentiates_in_vain_and_judges_once_more(game: Game) -> None:
    once_more = sum(2 * game.batch * i * o for i, o in pairwise([2, *game.hidden, 1]))
    assert counted(PlainTeam(game, torch.randn(64, 2)).advance) == by_hand(game, in_vain=True) + once_more


def test_bare_products_are_the_networks_without_their_rectifiers(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Tensor, Tensor, Tensor]] = []
    bmm = torch.bmm
    monkeypatch.setattr(
        torch, "bmm", lambda left, right, out: (calls.append((left, right, out)), bmm(left, right, out=out))
    )
    teams.products(PAIR, 2)()
    first, second = calls[:2]  # of the generators: 2·3 networks at once
    torch.testing.assert_close(second[2], second[0] @ (first[0] @ first[1]))
    assert [tuple(out.shape) for _, _, out in calls[:4]] == [(6, 8, 16), (6, 2, 16), (6, 2, 8), (6, 8, 16)]


def test_a_ratio_is_the_median_over_rounds_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    # The first round is not counted; members: 1 is the plain loop, 2 are by turns gantlet and the products.
    rates = {1: iter([99.0, 10.0, 20.0, 10.0]), 2: iter([99.0, 99.0, 30.0, 50.0, 40.0, 60.0, 80.0, 70.0])}
    monkeypatch.setattr(
        teams,
        "_window",
        lambda _advance, members, _seconds: teams._Window(rate := next(rates[members]), rate / members),
    )
    threads = torch.get_num_threads()
    section = teams.compare(rounds=3, seconds=0.0, games=[PAIR])
    (found,) = section.numbers.values()
    assert found == {
        "plain": [10.0, 20.0, 10.0],
        "gantlet": [30.0, 40.0, 80.0],
        "products": [50.0, 60.0, 70.0],
        "ratio": 3.0,
        "per_cpu_second": 1.5,
    }
    name = "3 × 2-8-2 / 2-12-6-1, members: 2"
    assert section.rows == [(name, "10 (10 to 20)", "40 (30 to 80)", "3.00×", "1.50×", "5.00×")]
    assert section.notes[:-1] == [f"{name}: 3.00, goal ≥ 1: met."]
    assert torch.get_num_threads() == threads


def test_a_window_counts_whole_steps_of_all_members(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, steps = iter([0.0, 0.0, 0.4, 0.8, 1.25]), 0

    def advance() -> None:
        nonlocal steps
        steps += 1

    monkeypatch.setattr(teams.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(teams.time, "process_time", iter([2.0, 4.0]).__next__)
    window = teams._window(advance, 5, 1.0)
    assert steps == 3
    assert (window.rate, window.efficiency) == (5 * 3 / 1.25, 5 * 3 / 2.0)


def test_the_part_has_a_name_and_is_measured_for_real(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(teams, "compare", lambda **given: asked.update(given) or Section("teams", (), []))
    assert program.PARTS["teams"](4).title == "teams"
    assert asked["rounds"] == 4


def test_a_comparison_runs() -> None:
    section = teams.compare(rounds=1, seconds=0.0, games=[DEEP])
    assert section.header[-1] == "bare products"
    (found,) = section.numbers.values()
    assert found["gantlet"][0] > 0
