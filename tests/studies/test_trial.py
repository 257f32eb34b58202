"""A loss, penalty or constraint of one's own is tried for one step before anything is written, and its fault is told in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

import terminal

OWN = """
from dataclasses import dataclass

from torch import nn

from gantlet.objectives.vanilla import Vanilla
from gantlet.penalties.r1 import R1


class Good(Vanilla):
    pass


class Raises:
    def discriminator(self, *, real, fake):
        return (fake - real).mean(-1)

    def generator(self, *, real=None, fake):
        raise KeyError("no such score")


class Whole:
    def discriminator(self, *, real, fake):
        return (fake - real).mean()

    def generator(self, *, real=None, fake):
        return -fake.mean()


class Positional:
    def discriminator(self, scores, others):
        return (others - scores).mean(-1)

    def generator(self, others):
        return -others.mean(-1)


class Empty:
    pass


@dataclass(frozen=True)
class Needy:
    floor: float

    def project(self, parameters):
        pass


@dataclass(frozen=True)
class Broken(R1):
    def __call__(self, *args, **kwargs):
        return 1 // 0


@dataclass(frozen=True)
class Clumsy:
    def project(self, parameters):
        raise IndexError("which?")
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    (tmp_path / "own.py").write_text(OWN)
    return f"{tmp_path}/own.py"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("{own}:Raises", "Raises failed: KeyError: 'no such score' (own.py, line 19). Nothing was written."),
        (
            "{own}:Whole",
            "Whole: the discriminator's loss of scores [1, 1, 32] is a tensor of shape [], expected [1, 1]: ",
        ),
        (
            "{own}:Positional",
            "Positional failed: TypeError: Positional.discriminator() got an unexpected keyword argument",
        ),
        ("{own}:Empty", "is neither a gantlet Method nor an objective with discriminator() and generator()."),
        ("vanilla penalties={own}:Empty", "is not a penalty: it has no player."),
        (
            "vanilla penalties={own}:Broken",
            "Broken failed: ZeroDivisionError: integer division or modulo by zero (own.py, line",
        ),
        ("vanilla constraint={own}:Empty", "is not a constraint: it has no project()."),
        (
            "vanilla constraint={own}:Needy",
            "Needy cannot be made with no arguments (Needy.__init__() missing 1 required",
        ),
        ("vanilla constraint={own}:Clumsy", "Clumsy failed: IndexError: which? (own.py, line"),
        ("vanilla network={own}:Empty", "is not a network: it has no generator()."),
        ("vanilla network={own}:Good", "is not a network: it has no provides."),
    ],
)
def test_what_is_wrong_with_ones_own_part_is_told_before_anything_is_written(
    words: str, sentence: str, own: str, tmp_path: Path
) -> None:
    found = terminal.gantlet(
        "run", "ring8", *words.format(own=own).split(), *terminal.TINY, "--out", tmp_path / "study", "--quiet"
    )
    assert (found.status, len(found.lines)) == (2, 1)
    assert sentence in found.err
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    "keys",
    ["", "pool=endless", "drop_last=false", "generators=2 team=choose", "pack=2 latent=pool", "accumulate=2"],
)
def test_a_good_part_is_tried_with_whatever_settings(keys: str, own: str, tmp_path: Path) -> None:
    terminal.planned(tmp_path / "study", f"{own}:Good", *keys.split(), seeds="1")
