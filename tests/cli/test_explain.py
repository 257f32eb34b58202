"""``gantlet explain``: what a recipe says of itself, and what its parts' settings are."""

from __future__ import annotations

import pytest

from gantlet import catalogue
from gantlet.settings import settings_of
from terminal import gantlet


@pytest.mark.parametrize("name", catalogue.names("method"))
def test_a_method_is_explained(name: str) -> None:
    method = catalogue.find("method", name)
    done = gantlet("explain", name)
    assert (done.status, done.err) == (0, "")
    for said in (method.paper, method.url, *method.formulas, method.optimum, *method.watch, *method.differs):
        assert said in done.out
    for key in [*method.defaults, *(key for preset in method.presets.values() for key in preset)]:
        assert f"{key}=" in done.out


def test_settings_of_its_parts_are_there_with_the_method_s_own_defaults() -> None:
    said = gantlet("explain", "r3gan").out
    assert "r1_weight=2  " in said, "the recipe's value, not the penalty's own"
    for entry in settings_of(catalogue.find("penalty", "r2")).values():
        assert entry.help in said
    assert "clip=0.01  " in gantlet("explain", "wgan").out


def test_an_objective_of_one_s_own_is_explained_by_its_first_line() -> None:
    said = gantlet("explain", "gantlet.objectives.hinge:Hinge").out
    assert said.splitlines()[1].strip()
    assert "objective gantlet.objectives.hinge:Hinge" in said


def test_an_unknown_method_is_one_sentence() -> None:
    done = gantlet("explain", "wgan-pg")
    assert done.status == 2
    assert "Did you mean" in done.err
    assert "wgan-gp" in done.err
