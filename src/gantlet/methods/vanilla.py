"""The original game: a discriminator that estimates probabilities, a generator that fools it.

Reference:
    | Generative adversarial nets (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661
"""

from .base import Method

__all__ = ["VANILLA", "VANILLA_SATURATING"]

_PAPER = "Goodfellow et al., Generative adversarial nets (2014)"
_URL = "https://arxiv.org/abs/1406.2661"
_DEFAULTS = {"lr_g": 2e-4, "lr_d": 2e-4, "beta1": 0.5, "beta2": 0.999}
_DIFFERS = (
    "Adam instead of momentum SGD",
    "one discriminator update per step, as the paper's experiments, on networks of today",
)

_FORMULA = "−E log s_r − E log(1 − s_f)"
_OPTIMUM = "log 4 − 2 JS(p, q), at l = log p/q; 1.386 when nothing can be told apart"
_WATCH = (
    "loss_d: near 1.386 the discriminator is undecided, near 0 it has won",
    "score_real, score_fake: mean logits; far apart and growing, the generator is losing its gradient",
)

VANILLA = Method(
    name="vanilla",
    summary="cross-entropy game, non-saturating generator",
    paper=_PAPER,
    url=_URL,
    objective="vanilla",
    fixed={"saturating": False},
    defaults=_DEFAULTS,
    differs=_DIFFERS,
    formulas=(_FORMULA, "−E log s_f"),
    optimum=_OPTIMUM,
    watch=_WATCH,
)

VANILLA_SATURATING = Method(
    name="vanilla-saturating",
    summary="cross-entropy game, minimax (saturating) generator",
    paper=_PAPER,
    url=_URL,
    objective="vanilla",
    fixed={"saturating": True},
    defaults=_DEFAULTS,
    differs=_DIFFERS,
    formulas=(_FORMULA, "E log(1 − s_f)"),
    optimum=_OPTIMUM,
    watch=_WATCH,
)
