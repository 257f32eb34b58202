"""Families of parts: alike in what they answer, and nothing is imported before it is asked for."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from gantlet import catalogue
from gantlet.errors import BadValue, UnknownName
from gantlet.families import Registry
from gantlet.names import FAMILIES

ROOMS = {
    "objectives": "objective",
    "penalties": "penalty",
    "networks": "network",
    "data": "data",
    "metrics": "metric",
    "metrics.features": "extractor",
    "methods": "method",
    "tasks": "task",
    "reports.printed": "figure",
    "penalties.constraints": "constraint",
    "data.readers": "reader",
    "data.named": "card",
    "studies.executors": "executor",
}


@pytest.mark.parametrize(("room", "kind"), ROOMS.items(), ids=list(ROOMS))
def test_every_family_answers_alike(room: str, kind: str) -> None:
    module = importlib.import_module(f"gantlet.{room}")
    assert module.names() == catalogue.names(kind)
    assert module.names()
    for name in module.names() if kind != "metric" else ():  # a metric is made for a data set, by its task
        found = catalogue.find(kind, name)
        made = module.get(name)
        if kind == "reader":  # it is made from a path
            assert made is found
            continue
        assert isinstance(made, found) if isinstance(found, type) else made == found
    with pytest.raises(UnknownName, match=f"no {kind} called 'nosuchpart'"):
        module.get("nosuchpart")
    if kind != "metric":
        with pytest.raises(UnknownName, match=f"setting of the {kind} '{module.names()[0]}' called 'wings'"):
            module.get(module.names()[0], wings=2)
    with pytest.raises(AttributeError, match=f"no {kind} defined as 'Wings'"):
        _ = module.Wings


def test_every_family_is_at_the_top_by_the_name_that_the_list_has() -> None:
    import gantlet

    for kind in FAMILIES:
        family = getattr(gantlet, catalogue.plural(kind))
        assert family.names() == catalogue.names(kind)
        with pytest.raises(UnknownName, match=f"There is no {kind} called 'nosuchpart'"):
            family.get("nosuchpart")


def test_a_class_is_found_by_its_name_in_the_package() -> None:
    from gantlet import objectives
    from gantlet.objectives.alpha import Alpha

    assert objectives.Alpha is Alpha


def test_what_was_found_in_the_package_stays_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a fresh process: importing the module ``gantlet.data.digits`` puts it where its function is looked up."""
    monkeypatch.delitem(sys.modules, "gantlet.data.digits", raising=False)
    monkeypatch.delitem(sys.modules, "gantlet.data")
    monkeypatch.setattr("gantlet.data", None)
    data = importlib.import_module("gantlet.data")
    assert "digits" not in vars(data)
    first = data.digits
    assert (data.digits is first, first().reader, first.__name__) == (True, "digits", "digits")
    assert "gantlet.data.digits" in sys.modules


@pytest.mark.parametrize(
    ("room", "lacking"),
    [
        ("objectives", r"an objective: it has no discriminator\(\)\."),
        ("networks", r"a network: it has no generator\(\)\."),
        ("methods", r"a method: it has no objective\."),
        ("tasks", r"a task: it has no source\."),
        ("studies.executors", r"an executor: it has no run\(\)\."),
    ],
)
def test_what_a_path_names_must_be_such_a_part(room: str, lacking: str) -> None:
    for path in ("gantlet.errors:BadData", "math:pi"):
        with pytest.raises(BadValue, match=f"'{path}' is not {lacking}"):
            importlib.import_module(f"gantlet.{room}").get(path)


def test_importing_every_family_imports_nothing_heavy() -> None:
    """In a fresh process: torch, numpy and pandas take seconds."""
    rooms = ", ".join(f"gantlet.{room}" for room in ROOMS)
    asks = "; ".join(f"gantlet.{room}.names()" for room in ROOMS)
    heavy = "sorted({'torch', 'numpy', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules))"
    code = f"import sys, gantlet, {rooms}; {asks}; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_tensor_of_choices_is_refused_and_one_of_numbers_checked() -> None:
    import torch

    alpha = Registry("objective").get("alpha", alpha_d=torch.tensor([0.5, 1.0]))
    assert alpha.alpha_d.tolist() == [0.5, 1.0]
    with pytest.raises(BadValue, match=r"alpha_d=-1\.0 is out of range"):
        Registry("objective").get("alpha", alpha_d=torch.tensor([0.5, -1.0]))
