"""Every penalty and constraint of the catalogue against what it promises."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from contracts.cases import MEMBERS, PENALTIES, Case
from contracts.penalty_checks import PENALTY_CHECKS
from gantlet.catalogue import FAMILIES, find
from gantlet.penalties.base import Constraint
from gantlet.settings import settings_of


@pytest.mark.parametrize("check", PENALTY_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", PENALTIES, ids=str)
def test_penalty(case: Case, check: Callable[[Case], None]) -> None:
    check(case)


def test_every_penalty_is_in_the_table() -> None:
    assert {case.name for case in PENALTIES} == set(FAMILIES["penalty"]), "contracts/cases.py needs a case of it"


@pytest.mark.parametrize("name", FAMILIES["penalty"])
def test_every_varying_setting_is_tried_per_member(name: str) -> None:
    settings = settings_of(find("penalty", name))
    assert set(MEMBERS[name]) == {key for key, entry in settings.items() if entry.varies}


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
