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
from benchmarks import team_benchmark, teams, workers
from benchmarks.baselines import Candidate
from benchmarks.sections import Section
from benchmarks.teams import PUBLISHED, SMALL, Game, PlainTeam
from benchmarks.worker import Done

from gantlet.requests.grid import axes_from_mapping
from gantlet.requests.resolve import Request, expand
from gantlet.training.fleet import Fleet

GAMES = tuple(teams.GAMES.values())
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
        real, latents = (
            fleet.loader.real(step),
            fleet.inputs._latents.at("generator", step),
        )  # [S, 1, B, 2], [S, K, B, 2]
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


def test_one_adam_moves_all_generators_and_the_points_go_by_once_in_their_order() -> None:
    points = torch.arange(78.0).reshape(39, 2)  # two batches of 16, and 7 that are left out
    plain = PlainTeam(PAIR, points)
    before = [generator[0].weight.detach().clone() for generator in plain.generators]
    seen: list[Tensor] = []
    step = plain.step
    plain.step = lambda real, latents: (seen.append(real), step(real, latents))[1]
    for _ in range(3):
        plain.advance()
    assert torch.equal(torch.cat(seen), torch.cat([points[:32], points[:16]]))
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
    assert values == script.values | {"success": values["success"]}  # how it is judged is no part of the game
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
    assert fleet.generators.form == "stacked"


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


class Told:
    """Workers that work as fast as they are told, by kind, processes and threads; the first window is not counted."""

    rates: dict[tuple[str, int, int], list[int]]

    def __init__(self, candidates: list[Candidate]) -> None:
        self.candidates = list(candidates)
        first = self.candidates[0]
        self._left = iter([999, *self.rates[first.kind, len(self.candidates), first.threads]])

    def wait_until_ready(self) -> None:
        pass

    def dismiss(self) -> None:
        pass

    def window(self, seconds: float) -> list[Done]:
        steps = next(self._left)
        return [Done(steps, 1.0, 0.5 * candidate.threads, 0, 0) for candidate in self.candidates]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, int, int], list[int]]:
    Told.rates = {
        ("plain", 1, 2): [20, 30, 25],
        ("plain", 1, 1): [10, 20, 15],
        ("gantlet", 2, 1): [30, 40, 20],  # of each process, by the fleet's steps
        ("bfloat16", 2, 1): [45, 60, 50],
        ("bfloat16", 1, 1): [30, 30, 30],
        ("bfloat16", 1, 2): [60, 90, 90],
        ("products", 2, 1): [50, 50, 50],
        ("gantlet", 1, 1): [15, 21, 16],
        ("products", 1, 1): [24, 24, 24],
        ("gantlet", 1, 2): [50, 100, 75],
        ("products", 1, 2): [100, 100, 100],
    }
    monkeypatch.setattr(workers, "Workers", Told)
    monkeypatch.setattr(team_benchmark, "cores", lambda: 2)
    return Told.rates


def test_many_seeds_are_compared_as_they_run_and_on_one_thread(told: dict[tuple[str, int, int], list[int]]) -> None:
    section = team_benchmark.compare(rounds=3, seconds=0.0, games=[PAIR])
    name = "3 × 2-8-2 / 2-12-6-1, members: 2"
    ratios = {side: found["ratio"] for side, found in section.numbers[name].items()}
    assert ratios == {
        "script, threads: 2": 1.0,
        "script, threads: 1": 15 / 25,
        "gantlet as it runs": 2 * 30 / 25,
        "bfloat16 as it runs": 4.0,
        "products as it runs": 4.0,
        "gantlet, 1 process × 1 thread": 2 * 16 / 25,
        "bfloat16, 1 process × 1 thread": 2 * 30 / 25,
        "products, 1 process × 1 thread": 2 * 24 / 25,
    }
    assert section.rows[0] == (name, "", "", "", "")
    assert section.rows[3] == ("  gantlet as it runs", "60 (40 to 80)", "2.40×", "2.40×", "0.60")
    assert section.notes[1:] == [
        f"{name}, as it runs: 2.40, goal ≥ 1: met.",
        f"{name}, in bfloat16: 4.00, goal ≥ 1: met.",
        "  That is 2 processes × 1 thread against 'script, threads: 2', where a step's products alone, in float32, would "
        "give 4.00×; one thread against one thread: 2.13×, the products alone 3.20×.",
    ]


def test_the_base_is_the_faster_script_and_a_lone_team_has_all_threads(
    told: dict[tuple[str, int, int], list[int]],
) -> None:
    told["plain", 1, 2] = [1, 2, 1]  # threads collapse beside another program
    section = team_benchmark.compare(rounds=3, seconds=0.0, games=[replace(PAIR, goals={1: 6.0})])
    assert section.notes[1:] == [
        "3 × 2-8-2 / 2-12-6-1, members: 1, as it runs: 5.00, goal ≥ 6: missed.",
        "3 × 2-8-2 / 2-12-6-1, members: 1, in bfloat16: 6.00, goal ≥ 6: met.",
        "  That is 1 process × 2 threads against 'script, threads: 1', where a step's products alone, in float32, would "
        "give 6.67×; one thread against one thread: 1.07×, the products alone 1.60×.",
    ]


@TINY
def test_a_process_can_be_each_side_of_a_team(game: Game, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(teams.GAMES, game.name, game)
    threads = torch.get_num_threads()
    one, other = (counted(Candidate("gantlet", game.name, n, threads, age=1).make()) for n in (1, 2))
    assert (one, other) == (by_hand(game, in_vain=False), 2 * by_hand(game, in_vain=False))
    assert counted(Candidate("bfloat16", game.name, 2, threads, age=1).make()) == other
    assert counted(Candidate("products", game.name, 2, threads, age=0).make()) == other
    assert counted(Candidate("plain", game.name, threads=threads, age=0).make()) > by_hand(game, in_vain=True)


def test_seeds_of_side_by_side_processes_follow_each_other() -> None:
    first, second = (teams.fleet(PAIR, 2, first_seed=seed) for seed in (1, 2))
    assert (first.blueprint.seeds, second.blueprint.seeds) == ((1, 2), (2, 3))


def test_the_part_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(team_benchmark, "compare", lambda **given: asked.update(given) or Section("teams", (), []))
    assert program.PARTS["teams"](4).title == "teams"
    assert asked["rounds"] == 4


class Here(Told):
    """Workers in this very process."""

    def __init__(self, candidates: list[Candidate]) -> None:
        self.candidates = list(candidates)
        self._advance = [replace(candidate, threads=torch.get_num_threads()).make() for candidate in candidates]

    def window(self, seconds: float) -> list[Done]:
        for advance in self._advance:
            advance()
        return [Done(1, 1.0, 1.0, 0, 0) for _ in self.candidates]


def test_a_comparison_really_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(teams.GAMES, DEEP.name, DEEP)
    monkeypatch.setattr(workers, "Workers", Here)
    monkeypatch.setattr(team_benchmark, "cores", lambda: 2)
    section = team_benchmark.compare(rounds=1, seconds=0.0, games=[DEEP])
    (found,) = section.numbers.values()
    assert [side["ratio"] for side in found.values()] == [1.0, 1.0, *[2.0] * 6]  # a step each, 2 members
