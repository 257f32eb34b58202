"""Every metric of the catalogue against what a metric promises: columns, samples, a card, and company that changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
import torch

from contracts.metric_cases import DATA, MEMBERS, inputs_of
from gantlet.data.base import Dataset
from gantlet.errors import BadData
from gantlet.metrics import get
from gantlet.metrics.base import NEEDS, Metric, MetricInput
from gantlet.metrics.compose import compose
from gantlet.names import FAMILIES
from thinning import leading

NAMES = list(DATA)
every_metric = pytest.mark.parametrize("name", NAMES)
GIVEN = {"scores": ("fake_scores", "real_scores", "boundary"), "owners": ("owners",)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Dataset]]:
    """The data sets by metric, a cache of the module's own for the classifiers, and a small extractor."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gantlet.metrics.feature_metric._DEFAULT", "contracts.metric_cases:Colours")
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield {name: make() for name, make in DATA.items()}


def needs(name: str) -> frozenset[str]:
    return getattr(get(name), "needs")  # noqa: B009 - optional for third parties, not here


def test_no_metric_is_forgotten() -> None:
    assert set(DATA) == set(FAMILIES["metric"])
    words = frozenset[str]().union(*map(needs, NAMES))
    assert words == NEEDS


@every_metric
def test_it_gives_one_plain_value_per_member_for_each_declared_column(
    name: str, data: dict[str, Dataset], device: torch.device
) -> None:
    metric = get(name).of(data[name])
    assert isinstance(metric, Metric)
    inputs = inputs_of(data[name])
    for owners in (inputs.owners, None):
        result = metric(replace(inputs, fake=inputs.fake.to(device), owners=owners))
        assert set(result) == {column.name for column in metric.columns if owners is not None or not column.teams}
        for column, values in result.items():
            assert len(values) == MEMBERS, column
            assert all(type(value) in (int, float, bool, list) for value in values), column
        assert any(len(set(map(str, values))) == MEMBERS for values in result.values()), "members are told apart"


@every_metric
def test_its_card_is_json_and_every_column_has_help(name: str, data: dict[str, Dataset]) -> None:
    metric = get(name).of(data[name])
    facts = json.loads(json.dumps(metric.facts, allow_nan=False))
    assert 1 <= facts["samples"] <= metric.samples
    assert all(column.help for column in metric.columns)


@every_metric
def test_a_member_alone_has_the_same_numbers(name: str, data: dict[str, Dataset]) -> None:
    metric, inputs = get(name).of(data[name]), inputs_of(data[name])
    values = {entry.name: getattr(inputs, entry.name) for entry in fields(inputs)}
    second = MetricInput(**{key: v[1:2] if isinstance(v, torch.Tensor) else v for key, v in values.items()})
    assert str(metric(second)) == str({column: values[1:2] for column, values in metric(inputs).items()})


@every_metric
def test_it_uses_nothing_that_it_does_not_say_it_needs(name: str, data: dict[str, Dataset]) -> None:
    metric, inputs = get(name).of(data[name]), inputs_of(data[name])
    for need, given in GIVEN.items():
        without: Any = replace(inputs, **dict.fromkeys(given))
        assert (str(metric(without)) == str(metric(inputs))) == (need not in needs(name)), need


@every_metric
def test_data_without_what_it_needs_are_refused(name: str, data: dict[str, Dataset]) -> None:
    bare = replace(data[name], mixture=None, train_labels=None, test_labels=None, origin=None)
    if needs(name) & {"labels", "mixture"}:
        with pytest.raises(BadData, match=r"needs? labels|have none"):
            get(name).of(bare)
    else:
        assert get(name).of(bare).columns


@pytest.mark.parametrize(
    "name", leading(sorted(NAMES, key=["two-sample", "mixture", "classifier"].__contains__, reverse=True), 3)
)
def test_composed_with_others_it_equals_itself(name: str, data: dict[str, Dataset]) -> None:
    inputs = inputs_of(data[name])
    alone = get(name).of(data[name])(inputs)
    others = [other for other in ("two-sample", "classification-error") if other != name]
    others = others[1:] if name == "thumbnails" else others  # the same columns, of the whole images
    for names in ([name, *others], [*others, name]):
        together = compose(names, data[name])(inputs)
        assert len(together) > len(alone)
        assert str({column: together[column] for column in alone}) == str(alone)


@every_metric
def test_samples_that_carry_gradients_are_taken(name: str, data: dict[str, Dataset]) -> None:
    metric, inputs = get(name).of(data[name]), inputs_of(data[name])
    with_graph = replace(inputs, fake=inputs.fake.clone().requires_grad_() * 1.0)
    assert str(metric(with_graph)) == str(metric(inputs))
