"""Every penalty and constraint of the catalogue against what it promises."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from contracts.cases import name_of
from contracts.penalty_cases import PENALTIES, PENALTY_MEMBERS, PROMISES, PenaltyCase
from contracts.penalty_checks import PENALTY_CHECKS
from contracts.penalty_restated import RESTATED_PENALTIES
from gantlet.catalogue import find
from gantlet.names import FAMILIES
from gantlet.penalties.base import Constraint
from gantlet.settings import settings_of
from thinning import crossed


@pytest.mark.parametrize(("case", "check"), crossed(PENALTIES, PENALTY_CHECKS), ids=name_of)
def test_penalty(case: PenaltyCase, check: Callable[[PenaltyCase], None]) -> None:
    check(case)


def test_every_penalty_is_in_the_tables() -> None:
    known = set(FAMILIES["penalty"])
    assert {case.name for case in PENALTIES} == known, "contracts/penalty_cases.py needs a case of it"
    assert set(PROMISES) == known, "contracts/penalty_cases.py needs what it promises"
    assert set(RESTATED_PENALTIES) == known, "contracts/penalty_restated.py needs its formula"


@pytest.mark.parametrize("name", FAMILIES["penalty"])
def test_every_varying_setting_is_tried_per_member(name: str) -> None:
    settings = settings_of(find("penalty", name))
    assert set(PENALTY_MEMBERS[name]) == {key for key, entry in settings.items() if entry.varies}


@pytest.mark.parametrize("name", FAMILIES["penalty"])
def test_every_choice_and_switch_is_tried(name: str) -> None:
    cases = [case.values for case in PENALTIES if case.name == name]
    for key, entry in settings_of(find("penalty", name)).items():
        wanted = set(entry.choices) if entry.choices else {False, True} if entry.kind is bool else set()
        assert wanted <= {values[key] for values in cases}, f"no case has every value of {key}"


def test_labels_tell_penalties_apart() -> None:
    labels = [promise.label for promise in PROMISES.values()]
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("name", FAMILIES["constraint"])
def test_a_constraint_is_a_projection(name: str) -> None:
    """Twice is once, what it made it leaves alone, and members do not see each other."""
    constraint = find("constraint", name)()
    assert isinstance(constraint, Constraint)
    parameter = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0))
    before = parameter.clone()
    once = constraint.project(parameter)
    assert torch.equal(parameter, before), "the parameter itself was changed"
    assert not torch.equal(once, parameter)
    assert torch.equal(constraint.project(once), once)
    for s in range(4):
        assert torch.equal(constraint.project(parameter[s : s + 1]), once[s : s + 1])
