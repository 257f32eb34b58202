"""Objectives by name, with checked options."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from gantlet import objectives
from gantlet.errors import BadValue, UnknownName
from gantlet.objectives.alpha import Alpha


def test_options_are_parsed_as_on_the_command_line() -> None:
    found = objectives.get("alpha", alpha_d="inf", alpha_g=2, saturating="yes", form="stable")
    assert found == Alpha(alpha_d=float("inf"), alpha_g=2.0, saturating=True, form="stable")
    assert objectives.get("gantlet.objectives.alpha:Alpha") == Alpha()


def test_every_name_builds() -> None:
    assert {type(objectives.get(name)).__name__ for name in objectives.names()} >= {
        "Vanilla",
        "LeastSquares",
        "Wasserstein",
        "Alpha",
        "Hinge",
        "Relativistic",
        "RelativisticAverage",
        "Energy",
        "BoundaryEquilibrium",
        "Coulomb",
        "FDivergence",
        "MMD",
        "Cramer",
    }


def test_a_tensor_per_member_passes_as_it_is() -> None:
    values = torch.tensor([0.5, float("inf")]).reshape(2, 1, 1)
    found = objectives.get("alpha", alpha_d=values)
    assert isinstance(found, Alpha)
    assert found.alpha_d is values


def test_unknown_names_offer_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"no objective called 'vanila'\. Did you mean 'vanilla'"):
        objectives.get("vanila")
    with pytest.raises(UnknownName, match=r"called 'alpha_q'\. Did you mean 'alpha_[dg]'"):
        objectives.get("alpha", alpha_q=1)
    with pytest.raises(UnknownName, match=r"setting of the objective 'wasserstein' called 'clip'\. Known: none"):
        objectives.get("wasserstein", clip=1)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("alpha", {"alpha_d": 0}, "alpha_d=0 is out of range: expected 0 < alpha_d"),
        ("alpha", {"alpha_d": "nan"}, "nan is never a setting"),
        ("alpha", {"form": "quick"}, "not one of faithful, stable"),
        ("alpha", {"saturating": torch.tensor([True])}, "one choice for all members: expected true | false"),
        ("alpha", {"alpha_g": torch.tensor([0.5, -1.0])}, "alpha_g=-1.0 is out of range"),
        ("least-squares", {"a": float("inf")}, "not finite"),
        ("vanilla", {"smoothing": 0.5}, "expected 0 ≤ smoothing < 0.5"),
        ("energy", {"margin": 0}, "expected 0 < margin"),
        ("boundary-equilibrium", {"gamma": 1.5}, "expected 0 ≤ gamma ≤ 1"),
        ("coulomb", {"dimension": 2}, "expected 2 < dimension"),
        ("f-divergence", {"divergence": "chi2"}, "not one of kl, reverse-kl, js"),
        ("f-divergence", {"order_alpha": 0}, "expected 0 < order_alpha"),
        ("mmd", {"kernel": "laplace"}, "not one of gaussian, rational-quadratic"),
        ("gantlet.objectives.base:Need", {}, "is not an objective"),
        ("no.such.module:Name", {}, "cannot be imported"),
    ],
)
def test_bad_options_are_named(name: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(BadValue) as caught:
        objectives.get(name, **options)
    assert words in str(caught.value)


def test_the_package_alone_does_not_import_torch() -> None:
    code = "import sys, gantlet.objectives as o; o.names(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
