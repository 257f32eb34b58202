"""Losses and penalties with one thing wrong each, as published code had them: what ``gantlet conform`` must name.

    gantlet conform examples/classic_mistakes.py:norm_over_the_batch --as gradient

Each function's docstring says what is wrong. ``MISTAKES`` has the objective or penalty each was meant to be, and words of the
sentence that names it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits, softplus


def halved(real: Tensor, fake: Tensor) -> Tensor:
    """The mean of both terms, where the objective is their sum."""
    return (softplus(-real).mean() + softplus(fake).mean()) / 2


def swapped(real: Tensor, fake: Tensor) -> Tensor:
    """Real samples are labelled fake, and fake ones real."""
    return softplus(real).mean() + softplus(-fake).mean()


def summed(real: Tensor, fake: Tensor) -> Tensor:
    """A sum over the batch, so that the learning rate depends on its size."""
    return softplus(-real).sum() + softplus(fake).sum()


def not_reduced(real: Tensor, fake: Tensor) -> Tensor:
    """One loss per sample."""
    return softplus(-real) + softplus(fake)


def double_sigmoid(real: Tensor, fake: Tensor) -> Tensor:
    """A loss of logits is given probabilities."""
    s_real, s_fake = real.sigmoid(), fake.sigmoid()
    on_real = binary_cross_entropy_with_logits(s_real, torch.ones_like(s_real))
    return on_real + binary_cross_entropy_with_logits(s_fake, torch.zeros_like(s_fake))


def wants_probabilities(real: Any, fake: Any) -> Any:
    """A loss of probabilities is given logits."""
    return -np.log(real).mean() - np.log(1 - fake).mean()


def both_labelled_real(real: Tensor, fake: Tensor) -> Tensor:
    """The fake term has the label 1."""
    return softplus(-real).mean() + softplus(-fake).mean()


def by_broadcasting(real: Tensor, fake: Tensor) -> Tensor:
    """Scores ``(B, 1)`` against ``(B,)``: every real score meets every fake one."""
    return softplus(fake - real[:, None]).mean()


def cut_off(real: Tensor, fake: Tensor) -> Tensor:
    """The fake scores, not the fake samples, are detached."""
    return softplus(-real).mean() + softplus(fake.detach()).mean()


def naive_logarithm(real: Tensor, fake: Tensor) -> Tensor:
    """The logarithm of a rounded probability is infinite at a score of 40."""
    return -real.sigmoid().log().mean() - (1 - fake.sigmoid()).log().mean()


def generator_climbs(fake: Tensor) -> Tensor:
    """The generator's loss has the wrong sign."""
    return -softplus(-fake).mean()


def generator_saturates(fake: Tensor) -> Tensor:
    """The game's own value, where -log s was meant."""
    return torch.log(1 - fake.sigmoid() + 1e-12).mean()


def critic_without_sign(real: Tensor, fake: Tensor) -> Tensor:
    """The critic lowers its estimate of the distance."""
    return real.mean() - fake.mean()


def square_forgotten(real: Tensor, fake: Tensor) -> Tensor:
    """Least squares without squares."""
    return 0.5 * (real - 1).mean() + 0.5 * fake.mean()


def absolute_error(real: Tensor, fake: Tensor) -> Tensor:
    """The absolute error in place of its square."""
    return 0.5 * (real - 1).abs().mean() + 0.5 * fake.abs().mean()


def hinge_of_the_mean(real: Tensor, fake: Tensor) -> Tensor:
    """The hinge of the batch's mean energy, not sample by sample."""
    return real.mean() + (10 - fake.mean()).relu()


def hinge_forgotten(real: Tensor, fake: Tensor) -> Tensor:
    """No maximum with 0."""
    return (1 - real).mean() + (1 + fake).mean()


def one_term_halved(real: Tensor, fake: Tensor) -> Tensor:
    """A factor ½ on the fake term alone."""
    target = torch.zeros_like(fake)
    return softplus(-real).mean() + 0.5 * binary_cross_entropy(fake.sigmoid(), target)


Critic = Callable[[Tensor], Tensor]


def _between(real: Tensor, fake: Tensor) -> Tensor:
    share = torch.rand(len(real), *[1] * (real.ndim - 1), dtype=real.dtype)
    return (share * real + (1 - share) * fake).requires_grad_()


def _slope(discriminate: Critic, at: Tensor, *, graph: bool = True) -> Tensor:
    return torch.autograd.grad(discriminate(at).sum(), at, create_graph=graph)[0]


def _safe_norm(slope: Tensor) -> Tensor:
    return (slope.flatten(1).square().sum(1) + 1e-12).sqrt()


def norm_over_the_batch(discriminate: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """One norm of all samples' gradients together."""
    return 10 * (_slope(discriminate, _between(real, fake)).norm() - 1) ** 2


def norm_over_channels(discriminate: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """The norm along axis 1: right for flat samples, each pixel's own for images."""
    return 10 * ((_slope(discriminate, _between(real, fake)).norm(2, dim=1) - 1) ** 2).mean()


def mean_over_pixels(discriminate: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """R1 as the mean over all numbers, too small by the size of a sample."""
    return 10 / 2 * _slope(discriminate, real.requires_grad_()).square().mean()


def without_the_half(discriminate: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """R1 with γ in place of γ/2."""
    return 10 * _slope(discriminate, real.requires_grad_()).flatten(1).square().sum(1).mean()


def at_the_wrong_samples(discriminate: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """R1 at the fake samples."""
    return 10 / 2 * _slope(discriminate, fake.requires_grad_()).flatten(1).square().sum(1).mean()


def no_root(discriminate: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """The squared norm is compared with 1."""
    return 10 * ((_slope(discriminate, _between(real, fake)).flatten(1).square().sum(1) - 1) ** 2).mean()


def bare_root(discriminate: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """A square root without an ε: NaN where the discriminator is constant."""
    norm = _slope(discriminate, _between(real, fake)).flatten(1).square().sum(1).sqrt()
    return 10 * ((norm - 1) ** 2).mean()


def no_graph(discriminate: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """create_graph is missing: the penalty is a number that teaches nothing."""
    return 10 * ((_safe_norm(_slope(discriminate, _between(real, fake), graph=False)) - 1) ** 2).mean()


def square_outside(discriminate: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """The mean norm is pushed towards 1, not each norm."""
    return 10 * (_safe_norm(_slope(discriminate, _between(real, fake))).mean() - 1) ** 2


def no_square(discriminate: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """A gap that can be negative."""
    return 10 * (_safe_norm(_slope(discriminate, _between(real, fake))) - 1).mean()


def of_the_mean_score(discriminate: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """The gradient of the mean score: each sample's own, divided by the batch's size."""
    at = _between(real, fake)
    (slope,) = torch.autograd.grad(discriminate(at).mean(), at, create_graph=True)
    return 10 * ((_safe_norm(slope) - 1) ** 2).mean()


def one_draw_for_all(discriminate: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """One share mixes the whole batch."""
    share = torch.rand((), dtype=real.dtype)
    at = (share * real + (1 - share) * fake).requires_grad_()
    return 10 * ((_safe_norm(_slope(discriminate, at)) - 1) ** 2).mean()


def a_draw_per_pixel(discriminate: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """A share for each number of a sample: points off the line."""
    share = torch.rand_like(real)
    at = (share * real + (1 - share) * fake).requires_grad_()
    return 10 * ((_safe_norm(_slope(discriminate, at)) - 1) ** 2).mean()


def one_sided_noise(discriminate: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """DRAGAN whose noise only ever adds."""
    at = (real + 0.5 * real.std() * torch.rand_like(real)).requires_grad_()
    return 10 * ((_safe_norm(_slope(discriminate, at)) - 1) ** 2).mean()


def diagonal_left_in(codes: Tensor) -> Tensor:
    """The pulling-away term with each code compared with itself, divided by N²."""
    unit = codes / codes.norm(dim=1, keepdim=True)
    return 0.1 * (unit @ unit.T).square().mean()


def divided_by_all(codes: Tensor) -> Tensor:
    """The pulling-away term divided by N² in place of N(N - 1)."""
    unit = codes / codes.norm(dim=1, keepdim=True)
    cosines = (unit @ unit.T).square()
    return 0.1 * (cosines.sum() - cosines.diagonal().sum()) / len(codes) ** 2


MISTAKES: dict[str, tuple[str, str]] = {
    "halved": ("vanilla", "exactly half"),
    "swapped": ("vanilla", "real and fake are swapped"),
    "summed": ("vanilla", "summed over the batch"),
    "not_reduced": ("vanilla", "one loss per sample"),
    "double_sigmoid": ("vanilla", "a sigmoid is applied twice"),
    "wants_probabilities": ("vanilla", "takes probabilities, but scores are logits"),
    "both_labelled_real": ("vanilla", "have the label real"),
    "by_broadcasting": ("relativistic", "every real score meets every fake one"),
    "cut_off": ("vanilla", "no gradient of the discriminator's loss reaches the fake scores"),
    "naive_logarithm": ("vanilla", "not finite at scores of ±40"),
    "generator_climbs": ("vanilla", "has the wrong sign"),
    "generator_saturates": ("vanilla", "saturating=true, not false"),
    "critic_without_sign": ("wasserstein", "has the wrong sign"),
    "square_forgotten": ("least-squares", "the square is missing"),
    "absolute_error": ("least-squares", "absolute error in place of its square"),
    "hinge_of_the_mean": ("energy", "hinge is taken of the mean energy"),
    "hinge_forgotten": ("hinge", "the hinge is missing"),
    "one_term_halved": ("vanilla", "the term of the fake scores is halved"),
    "norm_over_the_batch": ("gradient", "over the whole batch instead of per sample"),
    "norm_over_channels": ("gradient", "along axis 1 only"),
    "mean_over_pixels": ("r1", "mean over pixels instead of sum"),
    "without_the_half": ("r1", "exactly twice"),
    "at_the_wrong_samples": ("r1", "taken at the fake samples"),
    "no_root": ("gradient", "the square root is missing"),
    "bare_root": ("gradient", "add a small ε"),
    "no_graph": ("gradient", "create_graph=True"),
    "square_outside": ("gradient", "the mean over the batch is taken before the square"),
    "no_square": ("gradient", "the square is missing"),
    "of_the_mean_score": ("gradient", "that of the mean score"),
    "one_draw_for_all": ("gradient", "one draw mixes the whole batch"),
    "a_draw_per_pixel": ("gradient", "one draw per sample is right"),
    "one_sided_noise": ("dragan", "the noise is one-sided"),
    "diagonal_left_in": ("pulling-away", "the diagonal is left in"),
    "divided_by_all": ("pulling-away", "divided by N², not by the N(N - 1) pairs"),
}
"""By function: what it was meant to be, and words that name its mistake."""
