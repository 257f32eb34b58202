"""gantlet's own parts conform; everybody's classic mistakes are named; plain Python and NumPy are welcome."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import softplus

import gantlet
from contracts.cases import OBJECTIVES, Case, name_of
from contracts.penalty_cases import PENALTIES, PenaltyCase
from gantlet.api.conform import conform
from gantlet.catalogue import load_path
from gantlet.conformance.penalty_forms import FORMS
from gantlet.errors import BadValue, UnknownName

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MISTAKES: dict[str, tuple[str, str]] = load_path(f"{EXAMPLES / 'classic_mistakes.py'}:MISTAKES")
QUICK = ("vanilla", "alpha", "energy", "boundary-equilibrium", "mmd")


@pytest.mark.parametrize("name", MISTAKES)
def test_a_classic_mistake_is_named(name: str) -> None:
    reference, words = MISTAKES[name]
    found = conform(f"{EXAMPLES / 'classic_mistakes.py'}:{name}", reference)
    assert not found.passed
    assert words in found.first


@pytest.mark.parametrize("name", QUICK)
def test_an_objective_of_gantlets_own_conforms(name: str) -> None:
    found = conform(gantlet.objectives.get(name), name)
    assert found.first == ""
    assert {finding.test for finding in found.findings} >= {
        "values of the discriminator's loss",
        "values of the generator's loss",
        "gradient of the generator's loss",
    }


@pytest.mark.slow
@pytest.mark.parametrize("case", OBJECTIVES, ids=name_of)
def test_every_objective_conforms_under_every_option(case: Case) -> None:
    assert conform(case.build(), case.name, **case.options).first == ""


@pytest.mark.parametrize("case", [case for case in PENALTIES if case.name in FORMS], ids=name_of)
def test_every_penalty_conforms(case: PenaltyCase) -> None:
    assert conform(case.build(), case.name, **case.options).first == ""


class PlainVanilla:
    """Nothing but Python's own numbers, with a gradient of its own."""

    def discriminator(self, *, real: Any, fake: Any) -> float:
        on_real = [math.log1p(math.exp(-score)) for score in real]
        return sum(on_real) / len(on_real) + sum(math.log1p(math.exp(score)) for score in fake) / len(fake)

    def generator(self, *, fake: Any, real: Any = None) -> float:
        return sum(math.log1p(math.exp(-score)) for score in fake) / len(fake)

    def generator_gradient(self, *, fake: Any) -> Any:
        return -1 / (1 + np.exp(fake)) / len(fake)


class WrongGradient(PlainVanilla):
    def generator_gradient(self, *, fake: Any) -> Any:
        return -1 / (1 + np.exp(fake))


def test_plain_python_is_given_numpy_arrays_and_its_own_gradient_is_checked() -> None:
    found = conform(PlainVanilla, "vanilla")
    assert (found.framework, found.first) == ("NumPy", "")
    assert "the offered gradient of the generator's loss in the fake scores is 5 times the slope" in (
        conform(WrongGradient(), "vanilla").first
    )


class AlphaOfMine:
    """An objective with parameters: they are handed on."""

    def __init__(self, alpha_d: float = 1.0, alpha_g: float = 1.0) -> None:
        self.alpha_d, self.alpha_g = alpha_d, alpha_g

    def loss(self, alpha: float, s: Any) -> Any:
        return -np.log(s) if alpha == 1 else alpha / (alpha - 1) * (1 - s ** (1 - 1 / alpha))

    def discriminator(self, *, real: Any, fake: Any) -> Any:
        s_real, not_fake = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(fake))
        return self.loss(self.alpha_d, s_real).mean(-1) + self.loss(self.alpha_d, not_fake).mean(-1)

    def generator(self, *, fake: Any, real: Any = None) -> Any:
        return self.loss(self.alpha_g, 1 / (1 + np.exp(-fake))).mean(-1)


def test_settings_reach_both_sides_and_a_wrong_one_is_named() -> None:
    assert conform(AlphaOfMine, "alpha", alpha_d=0.3, form="stable").first == ""
    wrong = conform(AlphaOfMine(alpha_d=1.0), "alpha", alpha_d=0.5)
    assert "is that of alpha with alpha_d=1, not 0.5" in wrong.first


def d_loss(real_logits: Any, fake_logits: Any) -> Any:
    return np.logaddexp(0, -real_logits).mean() + np.logaddexp(0, fake_logits).mean()


def g_loss(fake_logits: Any) -> Any:
    return np.logaddexp(0, -fake_logits).mean()


def pair(real: Any, fake: Any) -> tuple[Any, Any]:
    return d_loss(real, fake), g_loss(fake)


def not_reduced(fake: Any) -> Any:
    return np.logaddexp(0, -fake)


def nameless(x: Any, y: Any) -> Any:
    return x - y


def broken(real: Any, fake: Any) -> Any:
    raise ZeroDivisionError("division by zero")


def test_functions_alone_together_and_in_pairs() -> None:
    assert {f.test for f in conform(g_loss, "vanilla").findings} >= {"values of the generator's loss"}
    for thing in (d_loss, g_loss, [d_loss, g_loss], pair):
        assert conform(thing, "vanilla").first == ""
    assert "one loss per sample" in conform(not_reduced, "vanilla").first


def in_single(real: Any, fake: Any) -> Any:
    return softplus(-real.float()).mean() + softplus(fake.float()).mean()


def naive(real: Any, fake: Any) -> float:
    def sigma(score: float) -> float:
        return 1 / (1 + math.exp(-score))

    on_real = sum(-math.log(sigma(score)) for score in real) / len(real)
    return on_real + sum(-math.log(1 - sigma(score)) for score in fake) / len(fake)


def of_six(real: Any, fake: Any) -> Any:
    if len(real) != 6:
        raise ValueError("the batch is 6")
    return d_loss(real, fake)


class HingeModule(torch.nn.Module):
    def forward(self, real: Any, fake: Any) -> Any:
        return torch.relu(1 - real).mean() + torch.relu(1 + fake).mean()


class HingeGeneratorModule(torch.nn.Module):
    def forward(self, fake: Any) -> Any:
        return -fake.mean()


def test_a_loss_that_computes_in_32_bits_is_not_held_to_the_slopes_of_64() -> None:
    assert conform(in_single, "vanilla").first == ""


def test_an_error_that_a_loss_raises_is_a_finding() -> None:
    far = conform(naive, "vanilla")
    assert "loss raises an error (ValueError: math domain error) at scores of ±40" in far.first
    size = conform(of_six, "vanilla").first
    assert size == "the discriminator's loss raised an error at moderate scores: ValueError: the batch is 6"


def test_a_module_of_pytorch_is_called_by_the_parameters_of_its_forward() -> None:
    for module, player in ((HingeModule(), "discriminator"), (HingeGeneratorModule(), "generator")):
        found = conform(module, "hinge")
        assert found.first == ""
        assert f"values of the {player}'s loss" in {finding.test for finding in found.findings}


def test_a_wrong_divisor_shows_at_unequal_batches_only() -> None:
    def discriminator_loss(real: Any, fake: Any) -> Any:
        return (np.logaddexp(0, -real).sum() + np.logaddexp(0, fake).sum()) / len(real)

    assert "averaged over its own batch" in conform(discriminator_loss, "vanilla").first


def test_a_penalty_as_a_function_of_gradients() -> None:
    def right(gradients: Any) -> Any:
        return 10 * ((np.sqrt((gradients**2).sum((1, 2, 3))) - 1) ** 2).mean()

    def rows(gradients: Any) -> Any:
        return 10 * ((np.sqrt((gradients**2).sum(-1)) - 1) ** 2).mean()

    def unweighted(gradients: Any) -> Any:
        return right(gradients) / 10

    def dead(gradients: torch.Tensor) -> torch.Tensor:
        return 10 * ((gradients.flatten(1).square().sum(1).sqrt() - 1) ** 2).mean()

    assert conform(right, "gradient").first == ""
    assert "along the last axis only" in conform(rows, "gradient").first
    assert "lacks its weight 10" in conform(unweighted, "gradient").first
    assert conform(unweighted, "gradient", weight=1).first == ""
    assert "infinite slope at 0" in conform(dead, "gradient").first


def test_code_without_automatic_gradients_asks_the_discriminator_for_one() -> None:
    def r1(discriminate: Any, real: Any, fake: Any) -> Any:
        return 5 * (discriminate.gradient(real) ** 2).sum((1, 2, 3)).mean()

    def half(discriminate: Any, real: Any, fake: Any) -> Any:
        return r1(discriminate, real, fake) / 2

    found = conform(r1, "r1")
    assert (found.framework, found.first) == ("NumPy", "")
    assert "exactly half" in conform(half, "r1").first


def test_what_cannot_be_tested_is_refused() -> None:
    with pytest.raises(BadValue, match="what its parameter 'x' stands for is not known"):
        conform(nameless, "vanilla")
    with pytest.raises(BadValue, match=r"called with arrays of NumPy, PyTorch\. NumPy: ZeroDivisionError"):
        conform(broken, "vanilla")
    with pytest.raises(BadValue, match="has neither discriminator"):
        conform(3, "vanilla")
    with pytest.raises(UnknownName, match="Did you mean 'alpha_g' or 'alpha_d'"):
        conform(d_loss, "alpha", alpha=0.3)
    with pytest.raises(UnknownName, match=r"called 'vanila'\. Did you mean 'vanilla'"):
        conform(d_loss, "vanila")
    with pytest.raises(BadValue, match="has no known answers here"):
        conform(d_loss, "consistency")
