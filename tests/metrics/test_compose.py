"""Several metrics as one, and what is said where they do not fit together or are not metrics at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import terminal
from gantlet.data.base import Dataset
from gantlet.data.gaussians import Ring8
from gantlet.errors import BadData, BadValue, TooFewSamples, UnknownName
from gantlet.metrics import chosen, names
from gantlet.metrics.base import MetricColumn, MetricInput
from gantlet.metrics.compose import Composed, compose, joined
from gantlet.metrics.mixture import MixtureMetric
from gantlet.studies.cache import Cache
from gantlet.studies.result_row import COLUMNS

RING = Ring8(train_size=10, test_size=200).load()
TINY = replace(RING, test=RING.test[:7])


class Given:
    """A metric that returns what it is told to."""

    facts: dict[str, Any] = {"of": "given"}  # noqa: RUF012

    def __init__(self, *columns: str, samples: int = 5, values: dict[str, Any] | None = None) -> None:
        self.samples, self.values = samples, values
        self.columns = tuple(MetricColumn(name, "given") for name in columns)

    def __call__(self, inputs: MetricInput) -> dict[str, list[Any]]:
        default = {column.name: [len(inputs.fake[0])] * len(inputs.fake) for column in self.columns}
        return default if self.values is None else self.values


def evaluated(metric: Composed, members: int = 2) -> dict[str, list[Any]]:
    return metric(MetricInput(fake=RING.test.expand(members, -1, -1)))


# Choosing


def test_the_key_names_metrics_in_order() -> None:
    assert chosen("two-sample+mixture") == ("two-sample", "mixture")
    assert chosen("", ("a", "b")) == ("a", "b")
    assert chosen("none", ("a",)) == ()


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ("mixtrue", UnknownName, "no metric called 'mixtrue'. Did you mean 'mixture'"),
        (
            "fid9",
            UnknownName,
            "Known: classification-error, classifier, features, mixture, stacked-modes, thumbnails, two-sample",
        ),
        ("mixture+mixture", BadValue, "names a metric twice"),
        ("mixture+", UnknownName, "no metric called ''"),
        ("none+mixture", UnknownName, "no metric called 'none'"),
        ("gantlet.metrics.base:MetricInput", BadValue, "is not a metric: expected a class with columns"),
    ],
)
def test_what_is_not_a_metric_is_refused(asked: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        chosen(asked)


def test_the_family_lists_its_names() -> None:
    assert {"mixture", "classification-error"} <= set(names())


# Composing


def test_columns_and_cards_stand_side_by_side_in_the_order_of_the_names() -> None:
    both = compose(("classification-error", "mixture"), RING)
    assert [column.name for column in both.columns][:2] == ["classification_error", "modes"]
    assert list(both.facts) == ["classification-error", "mixture"]
    assert both.facts["mixture"] == MixtureMetric.of(RING).facts
    assert compose(("mixture",), RING).facts == MixtureMetric.of(RING).facts
    assert both.needs == {"samples", "scores", "owners", "mixture"}


def test_columns_of_teams_are_last_and_only_a_team_has_them() -> None:
    inputs = MetricInput(fake=RING.test[None], owners=torch.arange(200)[None] % 4)
    team = list(compose(("mixture", "classification-error"), RING)(inputs))
    one = list(compose(("mixture", "classification-error"), RING)(replace(inputs, owners=None)))
    assert one[-2:] == ["failure", "classification_error"]
    assert team == [*one, "modes_by_generator", "best_generator_modes", "team_balance", "team_overlap"]


def test_metrics_that_want_equally_many_samples_stand_together() -> None:
    parts = Composed({"a": Given("a", samples=3), "b": Given("b", samples=9), "c": Given("c", samples=3)})
    assert (parts.samples, [list(part.metrics) for part in parts.by_samples()]) == (9, [["a", "c"], ["b"]])


def test_nothing_composed_is_nothing() -> None:
    empty = compose((), RING)
    assert (empty.columns, empty.samples, empty.facts, empty.by_samples(), empty.owning) == ((), 0, {}, [], None)
    assert evaluated(empty) == {}


def test_the_first_that_knows_who_made_what_says_so() -> None:
    both = compose(("two-sample", "mixture"), RING)
    assert both.owning is both.metrics["mixture"]
    assert compose(("two-sample",), RING).owning is None


def test_settings_with_different_metrics_are_recorded_together() -> None:
    one, other = (
        Composed({"a": Given("x"), "b": Given("y")}, ("n",)),
        Composed({"b": Given("z"), "c": Given("w")}, ("n",)),
    )
    whole = joined([one, other])
    assert ([column.name for column in whole.columns], whole.notes) == (["x", "y", "w"], ("n",))
    assert whole.facts["notes"] == ["n"]


def test_two_metrics_with_one_column_are_refused() -> None:
    with pytest.raises(BadValue, match="'two-sample' and 'thumbnails' both have a column 'energy_distance'"):
        compose(("two-sample", "thumbnails"), Dataset(*[torch.randn(20, 1, 8, 8)] * 2))


def test_a_column_whose_name_is_reserved_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, column="mine")
    with pytest.raises(BadValue, match=r"'own.py:Own' has a column 'mine', which the results already have"):
        compose(("own.py:Own",), RING, reserved=("mine",))


@pytest.mark.parametrize("column", [*COLUMNS, "lr_g"])
def test_a_column_that_the_rows_of_results_have_is_refused(
    column: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, column=column)
    (ring,) = terminal.resolve("ring8", "vanilla", "metrics=own.py:Own", "train_size=300", "test_size=300")
    with pytest.raises(BadValue, match=rf"'own.py:Own' has a column '{column}', which the results already have"):
        Cache().metrics(ring)


# Too few samples


def test_too_few_samples_leave_out_what_the_task_chose_and_refuse_what_the_user_named() -> None:
    left = compose(("two-sample", "mixture"), TINY)
    assert list(left.metrics) == ["mixture"]
    assert "'two-sample' is left out. Precision and recall need 8 held-out samples; there are 7." in left.notes[0]
    assert left.facts["notes"] == list(left.notes)
    with pytest.raises(TooFewSamples, match="need 8 held-out samples; there are 7"):
        compose(("two-sample",), TINY, chosen_by_user=True)
    images = Dataset(*[torch.zeros(2, 3, 8, 8)] * 2)
    assert compose(("thumbnails",), images).metrics == {}


def test_other_faults_are_refused_whoever_chose() -> None:
    with pytest.raises(BadData, match="needs labels"):
        compose(("classifier",), Dataset(*[torch.zeros(30, 1, 28, 28)] * 2))
    with pytest.raises(BadData, match="'thumbnails' compares images"):
        compose(("thumbnails",), RING)


# Metrics of one's own


def write(folder: Path, *, column: str = "mine", samples: str = "4", made: str = "cls()") -> None:
    (folder / "own.py").write_text(
        "from gantlet.metrics.base import MetricColumn\n"
        "class Own:\n"
        f"    columns = (MetricColumn({column!r}, 'of my own'),)\n"
        f"    samples, facts = {samples}, {{}}\n"
        "    @classmethod\n"
        f"    def of(cls, dataset): return {made}\n"
        "    def __call__(self, inputs): return {self.columns[0].name: inputs.fake.mean((1, 2))}\n"
    )


@pytest.mark.parametrize(
    ("made", "samples", "message"),
    [
        ("1 / 0", "4", "'own.py:Own' could not be made: ZeroDivisionError: division by zero"),
        ("dataset", "4", "made a Dataset that is not a metric"),
        ("cls()", "0", "samples .a whole number from 1"),
        ("cls()", "'many'", "samples .a whole number from 1"),
    ],
)
def test_a_metric_of_ones_own_that_cannot_be_made_is_refused_in_a_sentence(
    made: str, samples: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, made=made, samples=samples)
    with pytest.raises(BadValue, match=message):
        compose(("own.py:Own",), RING)


def test_tensors_and_numbers_of_numpy_become_plain() -> None:
    for values in (torch.tensor([1.0, 2.0]), np.array([1.0, 2.0]), [np.float64(1), torch.tensor(2.0)]):
        found = evaluated(Composed({"a": Given("x", values={"x": values})}))
        assert found == {"x": [1.0, 2.0]}
        assert [type(value) for value in found["x"]] == [float, float]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"y": [1, 2]}, "'a' returned the columns y, but declares x"),
        ({}, "'a' returned the columns none, but declares x"),
        ({"x": [1, 2, 3]}, "returned 3 values of 'x' for 2 members"),
    ],
)
def test_results_that_were_not_announced_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(BadValue, match=message):
        evaluated(Composed({"a": Given("x", values=values)}))
