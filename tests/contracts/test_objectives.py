"""Every objective of the catalogue against everything that an objective promises."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contracts.cases import MEMBERS, OBJECTIVES, Case, name_of
from contracts.objective_checks import OBJECTIVE_CHECKS
from contracts.restated import RESTATED
from gantlet.catalogue import find
from gantlet.names import FAMILIES
from gantlet.settings import settings_of
from thinning import crossed


@pytest.mark.parametrize(("case", "check"), crossed(OBJECTIVES, OBJECTIVE_CHECKS), ids=name_of)
def test_objective(case: Case, check: Callable[[Case], None]) -> None:
    check(case)


def test_every_objective_is_in_the_tables() -> None:
    known = set(FAMILIES["objective"])
    assert {case.name for case in OBJECTIVES} == known, "contracts/cases.py needs a case of it"
    assert set(RESTATED) == known, "contracts/restated.py needs its formula"


@pytest.mark.parametrize("name", FAMILIES["objective"])
def test_every_varying_setting_is_tried_per_member(name: str) -> None:
    settings = settings_of(find("objective", name))
    assert set(MEMBERS[name]) == {key for key, entry in settings.items() if entry.varies}


@pytest.mark.parametrize("name", FAMILIES["objective"])
def test_every_choice_and_switch_is_tried(name: str) -> None:
    cases = [case.values for case in OBJECTIVES if case.name == name]
    for key, entry in settings_of(find("objective", name)).items():
        wanted = set(entry.choices) if entry.choices else {False, True} if entry.kind is bool else set()
        assert wanted <= {values[key] for values in cases}, f"no case has every value of {key}"
