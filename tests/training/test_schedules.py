"""Schedules: the published ones step by step, in the learning rates that the optimisers really use."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch

import games
from contracts.doubles import BalanceLike
from gantlet.errors import Refused
from gantlet.objectives.wasserstein import Wasserstein
from gantlet.penalties.gradient import GradientPenalty
from gantlet.training.blueprint import Tuning
from gantlet.training.fleet import Fleet
from gantlet.training.schedules import ReduceOnPlateau, Schedule
from gantlet.training.step import PenaltyContext


def rates(fleet: Fleet, player: str = "generator") -> list[Any]:
    groups = fleet.optimisers[player]._torch.param_groups  # pyright: ignore[reportPrivateUsage]
    return [(group["lr"], group["betas"]) for group in groups]


def test_began_s_fixed_schedule_counted_step_by_step() -> None:
    """1e-4 · 0.95^⌊t/3000⌋, never below 2e-5."""
    schedule = Schedule("step", decay=0.95, every=3000, floor=0.2)
    for t in range(0, 130_000, 500):
        assert 1e-4 * schedule.factor(t) == pytest.approx(max(2e-5, 1e-4 * 0.95 ** (t // 3000)), rel=1e-12)


def test_the_cosine_falls_by_half_its_way_in_half_its_time_and_stays() -> None:
    schedule = Schedule("cosine", every=200, floor=0.1)
    assert schedule.factor(0) == 1
    assert schedule.factor(100) == pytest.approx(0.55)
    assert [schedule.factor(t) for t in (200, 1000)] == [pytest.approx(0.1)] * 2
    slopes = [schedule.factor(t + 1) - schedule.factor(t) for t in range(200)]
    assert min(slopes) == pytest.approx(-0.9 * math.pi / 400, rel=1e-3)


def test_learning_rates_and_beta2_reach_the_optimisers_of_both_players() -> None:
    tuning = Tuning(
        lr=Schedule("step", decay=0.5, every=2), beta2=Schedule("cosine", every=4, floor=0.0), beta2_end=0.99
    )
    fleet = games.fleet(tuning=tuning)
    for t in range(6):
        fleet.advance()
        share = (1 + math.cos(math.pi * min(t, 4) / 4)) / 2
        for player in ("generator", "discriminator"):
            ((lr, betas),) = rates(fleet, player)
            assert lr == pytest.approx(1e-3 * 0.5 ** (t // 2))
            assert betas == (0.5, pytest.approx(0.99 + share * (0.9 - 0.99)))


def test_a_tuned_fleet_moves_as_torch_does_with_those_rates() -> None:
    """Half the rate from the third step on: the same numbers as a fleet whose optimisers are built anew with it."""
    tuned = games.fleet(tuning=Tuning(lr=Schedule("step", decay=0.5, every=2)))
    plain = games.fleet()
    games.train(tuned, 2)
    games.train(plain, 2)
    assert torch.equal(games.parameters(tuned, "generator", 0), games.parameters(plain, "generator", 0))
    for optimiser in plain.optimisers.values():
        optimiser.tune([0.5] * 3)
    held = [games.parameters(fleet, "generator", 0).clone() for fleet in (tuned, plain)]
    tuned.advance()
    object.__setattr__(plain, "_tune", lambda: None)
    plain.advance()
    moves = [games.parameters(f, "generator", 0) - before for f, before in zip((tuned, plain), held, strict=True)]
    assert torch.equal(*moves)


def test_a_stall_halves_the_rate_of_the_member_that_stalls_alone() -> None:
    plateau = ReduceOnPlateau(decay=0.5, every=2, floor=0.2)
    state = plateau.init(2)
    measures = [(4, 4), (4, 4), (3, 4), (3, 4), (2, 4), (2, 4), (1, 3), (1, 3), (1, 3), (1, 3)]
    for t, pair in enumerate(measures):
        state = plateau.update(state, torch.tensor(pair, dtype=torch.float32).reshape(2, 1, 1), update=t)
    # member 0 stalled once (1 after 1); member 1 at the second, third and fifth windows: 0.125, held at the floor
    assert state["factor"].flatten().tolist() == [0.5, pytest.approx(0.2)]


def test_a_fleet_lowers_rates_where_convergence_stalls() -> None:
    objective = BalanceLike(gamma=0.5, rate=0.1)
    fleet = games.fleet(
        objective=objective, steps=60, tuning=Tuning(lr=ReduceOnPlateau(decay=0.5, every=3, floor=0.01))
    )
    seen: list[tuple[float, ...]] = []
    for _ in range(60):
        fleet.advance()
        seen.append(tuple(fleet.state["stall/factor"].flatten().tolist()))
    assert seen[0] == (1.0, 1.0, 1.0)
    assert len({factor for row in seen for factor in row}) > 1, "no member ever stalled"
    for before, after in pairwise(seen):
        assert all(
            new in (old, 0.5 * old) or new == pytest.approx(0.01) for old, new in zip(before, after, strict=True)
        )
    fleet.advance()  # the rates of the next step are the factors after the last one
    spans = fleet.optimisers["discriminator"]._runs  # pyright: ignore[reportPrivateUsage]
    by_member = {run.start: lr for run, (lr, _) in zip(spans, rates(fleet, "discriminator"), strict=True)}
    assert by_member[0] == pytest.approx(1e-3 * seen[-1][0])


def test_a_stall_needs_a_measure() -> None:
    class Quiet(BalanceLike):
        def update(self, state: Any, *, real: Any, fake: Any) -> Any:
            return super().update(state, real=real, fake=fake)[0], {}

    with pytest.raises(Refused, match="Use lr_schedule=step or cosine"):
        games.fleet(objective=Quiet(), tuning=Tuning(lr=ReduceOnPlateau())).advance()


def test_a_lazy_penalty_comes_every_n_updates_with_n_times_its_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its mean over updates is that of one applied always, times what the schedule makes of the weight."""
    found: list[dict[str, Any]] = []
    original = PenaltyContext.__init__

    def note(self: PenaltyContext, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        found.append({"update": self.update, "factor": self.factor})

    monkeypatch.setattr(PenaltyContext, "__init__", note)
    penalty = GradientPenalty(weight=2.0, every=3)
    tuning = Tuning(penalty=Schedule("cosine", every=12, floor=0.5))
    fleet = games.fleet(objective=Wasserstein(), penalties=(penalty,), tuning=tuning, steps=1000)
    games.train(fleet, 6)
    assert [entry["factor"] for entry in found[::2]] == [
        pytest.approx(Schedule("cosine", every=12, floor=0.5).factor(t)) for t in range(6)
    ]
    rows = fleet.history.take()
    logged = {step for step, name in zip(rows.step, rows.name, strict=True) if name == "gradient_penalty"}
    assert logged == {1, 4}


def test_a_lazy_penalty_is_scaled() -> None:
    def value(**options: Any) -> float:
        penalty = GradientPenalty(weight=2.0, **options)
        fleet = games.fleet(objective=Wasserstein(), penalties=(penalty,), steps=1000)
        fleet.advance()
        rows = fleet.history.take()
        return next(v for name, v in zip(rows.name, rows.value, strict=True) if name == "gradient_penalty")

    assert value(every=5) == pytest.approx(5 * value(), rel=1e-12)
