"""Typed settings are the values that a record keeps, and the catalogue is asked once for each name."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gantlet import catalogue
from gantlet.errors import BadGrid, UnknownName
from gantlet.requests.parts import Catalogue, keys_of
from gantlet.requests.resolve import resolve
from gantlet.settings import settings_of
from gantlet.studies.plan import plan_of, recorded_setting
from terminal import planned
from terminal import resolve as expanded

PAIRS = [
    *(("ring8", method) for method in ("vanilla", "alpha", "wgan", "wgan-gp", "lecam", "pacgan", "dragan", "mmd")),
    ("mixture8", "least-squares"),
    ("digits", "began"),
    ("digits", "sngan"),
    ("cifar10", "dcgan"),
    ("points:any.npy", "r3gan"),
    ("images:any.npy", "hinge"),
]


@pytest.mark.parametrize(("task", "method"), PAIRS)
def test_typed_settings_hold_every_value_once(task: str, method: str) -> None:
    (found,) = expanded(task, method)
    declared = keys_of(task, method)
    assert found.values.keys() == found.sources.keys() <= declared.keys()
    for name, value in found.values.items():
        assert type(value) is declared[name].setting.kind, name
    for name in settings_of(found.training):
        assert found.values[name] == getattr(found.training, name)
    for name in settings_of(found.source):
        assert found.values[name] == getattr(found.source, name)
    for name in settings_of(found.family):
        assert found.values[name] == getattr(found.family, name)
    for name, value in found.method.fixed.items():
        assert getattr(found.objective, name) == value
        assert name not in found.values
    assert len(found.penalties) == len(found.method.penalties)


@pytest.mark.parametrize(("task", "method"), PAIRS)
def test_a_recorded_setting_is_the_same_setting_again(task: str, method: str) -> None:
    (found,) = expanded(task, method, "lr_g=0.003")
    kept = recorded_setting(found)
    again = resolve(
        Catalogue(),
        task=kept.task,
        method=kept.method,
        label=kept.label,
        values=kept.values,
        sources=kept.sources,
    )
    assert (again.values, again.sources, again.label) == (found.values, found.sources, found.label)
    assert (again.training, again.source, again.family) == (found.training, found.source, found.family)
    assert (again.cut, again.varying) == (found.cut, found.varying)


# Look-ups


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, str]]:
    """How often each name is looked up."""
    counted: Counter[tuple[str, str]] = Counter()
    find = catalogue.find

    def note(family: str, name: str) -> Any:
        counted[family, name] += 1
        return find(family, name)

    monkeypatch.setattr(catalogue, "find", note)
    return counted


def test_a_hundred_settings_look_each_name_up_a_few_times(lookups: Counter[tuple[str, str]], folder: Path) -> None:
    rates = ",".join(f"0.{place:03d}" for place in range(1, 51))
    study = planned(folder, "wgan-gp,wgan", f"lr_g={rates}")
    assert len(study.plan.settings) == 100
    study.record()
    assert {("task", "ring8"), ("method", "wgan-gp"), ("penalty", "gradient")} <= lookups.keys()
    assert max(lookups.values()) <= 3, lookups.most_common(3)


def test_a_plan_is_read_back_with_a_few_look_ups(lookups: Counter[tuple[str, str]], folder: Path) -> None:
    study = planned(folder, "wgan-gp", f"lr_g={','.join(f'0.{place:03d}' for place in range(1, 101))}")
    record = study.record()
    lookups.clear()
    plan_of(record)
    assert max(lookups.values()) <= 3, lookups.most_common(3)


# Other names


@pytest.mark.parametrize(
    ("word", "key", "value", "note"),
    [
        ("lambda_gp=3", "penalty_weight", 3.0, "note: lambda_gp is read as penalty_weight"),
        ("learning_rate=0.5", "lr_g", 0.5, "note: learning_rate is read as lr"),
        ("z_dim=7", "latent_dim", 7, "note: z_dim is read as latent_dim"),
        ("n_dis=2", "n_critic", 2, "note: n_dis is read as n_critic"),
        ("burn_in=9", "ramp_steps", 9, "note: burn_in is read as ramp_steps"),
        ("optimizer=sgd", "optimiser", "sgd", "note: optimizer is read as optimiser"),
        (
            *("lr_schedule=on-stall", "lr_schedule", "on-plateau"),
            "note: lr_schedule=on-stall is read as lr_schedule=on-plateau",
        ),
    ],
)
def test_other_names_mean_the_present_ones(
    word: str, key: str, value: object, note: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "gantlet"):
        (found,) = expanded("ring8", "wgan-gp", word)
    assert (found.values[key], found.sources[key]) == (value, "user")
    said = [record.getMessage() for record in caplog.records]
    assert said == [note]


@pytest.mark.parametrize(
    ("words", "key", "names"),
    [
        (("penalty_weight=3", "lambda_gp=7"), "penalty_weight", ("penalty_weight", "lambda_gp")),
        (("lr_g=3e-3", "learning_rate=7e-3"), "lr_g", ("lr_g", "learning_rate")),
        (("iters=7", "steps=3"), "steps", ("iters", "steps")),
        (("network=mlp", "network=mlp"), "network", ("network", "network")),
    ],
)
def test_a_key_may_not_be_set_again_under_another_name(
    words: tuple[str, str], key: str, names: tuple[str, str]
) -> None:
    with pytest.raises(BadGrid, match=f"sets {key} twice, by '{names[0]}' and by '{names[1]}'"):
        expanded("ring8", "wgan-gp", *words)


def test_an_unknown_key_lists_the_methods_own_keys_first() -> None:
    with pytest.raises(UnknownName) as caught:
        expanded("ring8", "alpha", "qqq=1")
    listed = str(caught.value).partition("Known: ")[2].split(", ")
    own = [name for name, key in keys_of("ring8", "alpha").items() if key.part == "objective"]
    assert {"alpha_d", "alpha_g"} <= set(own)
    assert listed[: len(own)] == own
    assert "batch_size" in listed[len(own) :]
