"""The original game: a discriminator that estimates probabilities, a generator that fools it.

Reference:
    | Generative adversarial nets (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661
"""

from dataclasses import replace

from .base import Method

__all__ = ["VANILLA", "VANILLA_SATURATING"]

VANILLA = Method(
    name="vanilla",
    summary="cross-entropy game, non-saturating generator",
    paper="Goodfellow et al., Generative adversarial nets (2014)",
    url="https://arxiv.org/abs/1406.2661",
    objective="vanilla",
    fixed={"saturating": False},
    defaults={"lr_g": 2e-4, "lr_d": 2e-4, "beta1": 0.5, "beta2": 0.999},
    differs=(
        "Adam instead of momentum SGD",
        "one discriminator update per step, as the paper's experiments, on networks of today",
    ),
    formulas=("−E log s_r − E log(1 − s_f)", "−E log s_f"),
    optimum="log 4 − 2 JS(p, q), at l = log p/q; 1.386 when nothing can be told apart",
    watch=(
        "loss_d: near 1.386 the discriminator is undecided, near 0 it has won",
        "score_real, score_fake: mean logits; far apart and growing, the generator is losing its gradient",
    ),
)

VANILLA_SATURATING = replace(
    VANILLA,
    name="vanilla-saturating",
    summary="cross-entropy game, minimax (saturating) generator",
    fixed={"saturating": True},
    formulas=(VANILLA.formulas[0], "E log(1 − s_f)"),
)
