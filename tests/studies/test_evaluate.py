"""Judging: each member by its own samples and scores, however many are judged at once."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import arena
from gantlet.metrics.base import Column, Outcome
from gantlet.objectives.alpha import Alpha
from gantlet.objectives.least_squares import LeastSquares
from gantlet.objectives.wasserstein import Wasserstein
from gantlet.studies import evaluate as module
from gantlet.studies.evaluate import as_history, evaluate
from gantlet.training.blueprint import per_member
from gantlet.training.sampling import draw_latents, sample, scores


class Notes:
    """A metric that keeps what it is shown and reports each member's mean sample."""

    samples = 12
    columns = (Column("mean", "the mean"),)
    facts: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self) -> None:
        self.seen: list[Outcome] = []

    def __call__(self, outcome: Outcome) -> dict[str, list[Any]]:
        self.seen.append(outcome)
        return {"mean": outcome.fake.flatten(1).mean(1).tolist()}


def test_rows_stand_in_the_order_of_the_slots() -> None:
    fleet, notes = arena.train(arena.fleet((1, 2, 3)), 3), Notes()
    rows = evaluate(fleet, notes, arena.dataset(), [2, 0], 0)
    fakes = sample(fleet, draw_latents(fleet, 12), [2, 0]).float()
    assert [row["mean"] for row in rows] == fakes.flatten(1).mean(1).tolist()
    assert rows[0] != rows[1]


@pytest.mark.parametrize(("count", "judged"), [(0, 12), (5, 5), (40, 40)])
def test_as_many_fakes_are_judged_as_asked(count: int, judged: int) -> None:
    notes = Notes()
    evaluate(arena.fleet((1, 2)), notes, arena.dataset(), [0, 1], count)
    assert notes.seen[0].fake.shape == (2, judged, 2)


def test_scores_are_those_of_the_members_own_discriminator() -> None:
    fleet, notes = arena.train(arena.fleet((1, 2)), 3), Notes()
    evaluate(fleet, notes, arena.dataset(), [0, 1], 8)
    (seen,) = notes.seen
    assert seen.real_scores is not None
    assert seen.fake_scores is not None
    for slot in (0, 1):
        assert torch.equal(seen.real_scores[slot], scores(fleet, arena.dataset().test, [slot])[0])
        fake = sample(fleet, draw_latents(fleet, 8), [slot])[0]
        assert torch.equal(seen.fake_scores[slot], scores(fleet, fake, [slot])[0])
    assert seen.boundary == 0.0
    assert seen.owners is None


def test_a_critic_is_not_asked() -> None:
    notes = Notes()
    evaluate(arena.fleet((1,), objective=Wasserstein()), notes, arena.dataset(), [0], 8)
    assert (notes.seen[0].fake_scores, notes.seen[0].real_scores, notes.seen[0].boundary) == (None, None, None)


def test_members_undecided_at_different_scores_are_judged_apart() -> None:
    fleet = arena.fleet((1, 2, 3))
    a, b = (per_member(values, fleet.blueprint.execution) for values in ((0.0, 0.0, -1.0), (1.0, 1.0, 1.0)))
    notes = Notes()
    evaluate(arena.fleet((1, 2, 3), objective=LeastSquares(a=a, b=b, c=b)), notes, arena.dataset(), [0, 1, 2], 8)
    assert [(len(seen.fake), seen.boundary) for seen in notes.seen] == [(2, 0.5), (1, 0.0)]


def test_many_members_are_judged_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet, together, apart = arena.train(arena.fleet((1, 2, 3)), 2), Notes(), Notes()
    whole = evaluate(fleet, together, arena.dataset(), [0, 1, 2], 10)
    monkeypatch.setattr(module, "_NUMBERS", 2 * 10 * 2)  # room for two members
    assert evaluate(fleet, apart, arena.dataset(), [0, 1, 2], 10) == whole
    assert [len(seen.fake) for seen in apart.seen] == [2, 1]


def test_a_team_says_who_made_each_sample() -> None:
    notes = Notes()
    fleet = arena.fleet((1, 2), k=3)
    evaluate(fleet, notes, arena.dataset(), [0, 1], 30)
    owners = notes.seen[0].owners
    assert owners is not None
    assert torch.equal(owners, draw_latents(fleet, 30).owners.expand(2, -1))
    assert set(owners[0].tolist()) == {0, 1, 2}


def test_a_varying_alpha_is_undecided_at_zero_for_all() -> None:
    fleet = arena.fleet((1, 2))
    alpha = per_member((0.3, 1.0), fleet.blueprint.execution)
    notes = Notes()
    evaluate(arena.fleet((1, 2), objective=Alpha(alpha_d=alpha)), notes, arena.dataset(), [0, 1], 8)
    assert [seen.boundary for seen in notes.seen] == [0.0]


def test_only_numbers_enter_the_history() -> None:
    rows = [{"modes": 3, "kl": 0.5, "success": True, "per": [1, 2], "none": None, "word": "x"}, {"modes": 4}]
    history = as_history(7, [5, 2], rows)
    entries = list(zip(history.slot, history.step, history.name, history.value, strict=True))
    assert entries == [(5, 7, "modes", 3.0), (5, 7, "kl", 0.5), (5, 7, "success", 1.0), (2, 7, "modes", 4.0)]
    assert all(type(value) is float for value in history.value)
