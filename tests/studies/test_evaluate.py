"""Evaluation: each member by its own samples and scores, however many are evaluated at once."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import games
from gantlet.metrics.base import NEEDS, MetricColumn, MetricInput
from gantlet.metrics.compose import Composed
from gantlet.objectives.alpha import Alpha
from gantlet.objectives.least_squares import LeastSquares
from gantlet.objectives.wasserstein import Wasserstein
from gantlet.studies import evaluate as module
from gantlet.studies.evaluate import as_history, evaluate
from gantlet.training.blueprint import per_member
from gantlet.training.sampling import draw_latents, sample, scores


class Notes:
    """A metric that keeps what it is shown and reports each member's mean sample."""

    facts: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, samples: int = 12, name: str = "mean", needs: frozenset[str] = NEEDS) -> None:
        self.samples, self.columns, self.needs = samples, (MetricColumn(name, "the mean"),), needs
        self.seen: list[MetricInput] = []

    def __call__(self, inputs: MetricInput) -> dict[str, list[Any]]:
        self.seen.append(inputs)
        return {self.columns[0].name: inputs.fake.flatten(1).mean(1).tolist()}


def composed(*notes: Notes) -> Composed:
    return Composed({str(place): each for place, each in enumerate(notes)})


def test_rows_stand_in_the_order_of_the_slots() -> None:
    fleet, notes = games.train(games.fleet((1, 2, 3)), 3), Notes()
    rows = evaluate(fleet, composed(notes), games.dataset(), [2, 0], 0)
    fakes = sample(fleet, draw_latents(fleet, 12), [2, 0]).float()
    assert [row["mean"] for row in rows] == fakes.flatten(1).mean(1).tolist()
    assert rows[0] != rows[1]


@pytest.mark.parametrize(("count", "evaluated"), [(0, 12), (5, 5), (40, 40)])
def test_as_many_fakes_are_evaluated_as_asked(count: int, evaluated: int) -> None:
    notes = Notes()
    evaluate(games.fleet((1, 2)), composed(notes), games.dataset(), [0, 1], count)
    assert notes.seen[0].fake.shape == (2, evaluated, 2)


def test_scores_are_those_of_the_members_own_discriminator() -> None:
    fleet, notes = games.train(games.fleet((1, 2)), 3), Notes()
    evaluate(fleet, composed(notes), games.dataset(), [0, 1], 8)
    (seen,) = notes.seen
    assert seen.real_scores is not None
    assert seen.fake_scores is not None
    for slot in (0, 1):
        assert torch.equal(seen.real_scores[slot], scores(fleet, games.dataset().test, [slot])[0])
        fake = sample(fleet, draw_latents(fleet, 8), [slot])[0]
        assert torch.equal(seen.fake_scores[slot], scores(fleet, fake, [slot])[0])
    assert seen.boundary == 0.0
    assert seen.owners is None


def test_a_critic_is_not_asked() -> None:
    notes = Notes()
    evaluate(games.fleet((1,), objective=Wasserstein()), composed(notes), games.dataset(), [0], 8)
    assert (notes.seen[0].fake_scores, notes.seen[0].real_scores, notes.seen[0].boundary) == (None, None, None)


def test_members_undecided_at_different_scores_are_evaluated_apart() -> None:
    fleet = games.fleet((1, 2, 3))
    a, b = (per_member(values, fleet.blueprint.execution) for values in ((0.0, 0.0, -1.0), (1.0, 1.0, 1.0)))
    notes = Notes()
    evaluate(
        games.fleet((1, 2, 3), objective=LeastSquares(a=a, b=b, c=b)), composed(notes), games.dataset(), [0, 1, 2], 8
    )
    assert [(len(seen.fake), seen.boundary) for seen in notes.seen] == [(2, 0.5), (1, 0.0)]


def test_many_members_are_evaluated_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet, together, apart = games.train(games.fleet((1, 2, 3)), 2), Notes(), Notes()
    whole = evaluate(fleet, composed(together), games.dataset(), [0, 1, 2], 10)
    monkeypatch.setattr(module, "_NUMBERS", 2 * 10 * 2)  # room for two members
    assert evaluate(fleet, composed(apart), games.dataset(), [0, 1, 2], 10) == whole
    assert [len(seen.fake) for seen in apart.seen] == [2, 1]


def test_a_team_says_who_made_each_sample() -> None:
    notes = Notes()
    fleet = games.fleet((1, 2), k=3)
    evaluate(fleet, composed(notes), games.dataset(), [0, 1], 30)
    owners = notes.seen[0].owners
    assert owners is not None
    assert torch.equal(owners, draw_latents(fleet, 30).owners.expand(2, -1))
    assert set(owners[0].tolist()) == {0, 1, 2}


def test_a_varying_alpha_is_undecided_at_zero_for_all() -> None:
    fleet = games.fleet((1, 2))
    alpha = per_member((0.3, 1.0), fleet.blueprint.execution)
    notes = Notes()
    evaluate(games.fleet((1, 2), objective=Alpha(alpha_d=alpha)), composed(notes), games.dataset(), [0, 1], 8)
    assert [seen.boundary for seen in notes.seen] == [0.0]


def test_each_metric_gets_as_many_samples_as_it_wants_and_the_same_ones_as_alone() -> None:
    fleet = games.train(games.fleet((1, 2)), 3)
    few, many, alone = Notes(8, "few"), Notes(20, "many"), Notes(8, "few")
    rows = evaluate(fleet, composed(few, many), games.dataset(), [0, 1], 0)
    assert [list(row) for row in rows] == [["few", "many"]] * 2
    assert (few.seen[0].fake.shape[1], many.seen[0].fake.shape[1]) == (8, 20)
    single = evaluate(fleet, composed(alone), games.dataset(), [0, 1], 0)
    assert [row["few"] for row in rows] == [row["few"] for row in single]
    evaluate(fleet, composed(few, many), games.dataset(), [0, 1], 5)
    assert few.seen[-1] is many.seen[-1]
    assert few.seen[-1].fake.shape[1] == 5


def test_scores_are_computed_only_where_a_metric_needs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet, notes = games.fleet((1,)), Notes(needs=frozenset({"samples"}))
    monkeypatch.setattr(module, "scores", lambda *_: pytest.fail("scores were computed"))
    evaluate(fleet, composed(notes), games.dataset(), [0], 8)
    assert notes.seen[0].fake_scores is None


@pytest.mark.parametrize("count", [0, 8])
def test_without_metrics_nothing_is_drawn(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "draw_latents", lambda *_: pytest.fail("latents were drawn"))
    assert evaluate(games.fleet((1, 2)), Composed({}), games.dataset(), [0, 1], count) == [{}, {}]


def test_only_numbers_enter_the_history() -> None:
    rows = [{"modes": 3, "kl": 0.5, "success": True, "per": [1, 2], "none": None, "word": "x"}, {"modes": 4}]
    history = as_history(7, [5, 2], rows)
    entries = list(zip(history.slot, history.step, history.name, history.value, strict=True))
    assert entries == [(5, 7, "modes", 3.0), (5, 7, "kl", 0.5), (5, 7, "success", 1.0), (2, 7, "modes", 4.0)]
    assert all(type(value) is float for value in history.value)
