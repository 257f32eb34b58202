"""``gantlet conform``: exit status, JSON, and the first mistake as a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from terminal import gantlet

MINE = """
import numpy as np

def d_loss(real, fake):
    return np.logaddexp(0, -real).mean() + np.logaddexp(0, fake).mean()

def g_loss(fake):
    return np.logaddexp(0, -fake).mean() / 2

class Alpha:
    def __init__(self, alpha_d=1.0):
        self.u = 1 - 1 / alpha_d
    def discriminator(self, *, real, fake):
        s, t = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(fake))
        return -((s**self.u - 1) / self.u).mean() - ((t**self.u - 1) / self.u).mean()
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    return file


def test_a_right_loss_ends_with_0_and_a_wrong_one_with_1(mine: Path) -> None:
    right = gantlet("conform", f"{mine}:d_loss", "--as", "vanilla")
    assert (right.status, right.out.splitlines()[-1]) == (0, "It conforms.")
    wrong = gantlet("conform", f"{mine}:d_loss,g_loss", "--as", "vanilla")
    assert wrong.status == 1
    assert "It does not conform: the generator's loss is exactly half of what it should be" in wrong.out


def test_settings_and_json(mine: Path) -> None:
    told = gantlet("conform", f"{mine}:Alpha", "--as", "alpha", "alpha_d=0.3", "--json")
    record = json.loads(told.out)
    assert told.status == 0
    assert (record["reference"], record["options"], record["passed"], record["first"]) == (
        "alpha",
        {"alpha_d": 0.3},
        True,
        None,
    )
    assert {test["test"] for test in record["tests"]} >= {"values of the discriminator's loss", "optimum"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--as", "vanila"), "Did you mean 'vanilla'"),
        ((), "--as NAME"),
        (("--as", "alpha", "alpha_d"), "expected KEY=VALUE"),
        (("--as", "alpha", "thing=1"), "'thing=1' is not a setting"),
        (("--as", "alpha", "alpha_d=-1"), "alpha_d=-1 is out of range"),
        (("--as", "gradient", "--shape", "a"), "--shape a is not a shape"),
    ],
)
def test_what_is_wrong_in_a_request_is_one_sentence(mine: Path, arguments: tuple[str, ...], words: str) -> None:
    told = gantlet("conform", f"{mine}:d_loss", *arguments)
    assert told.status == 2
    assert words in told.err
    assert "Traceback" not in told.err


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    told = gantlet("conform", f"{tmp_path / 'none.py'}:Loss", "--as", "vanilla")
    assert told.status == 2
    assert "there is no file" in told.err
