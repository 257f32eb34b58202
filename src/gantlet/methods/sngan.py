"""SNGAN: every layer of the discriminator has spectral norm 1.

Reference:
    | Spectral normalization for generative adversarial networks (Miyato et al., 2018), https://arxiv.org/abs/1802.05957
"""

from .base import Method

__all__ = ["SNGAN"]

SNGAN = Method(
    name="sngan",
    summary="hinge game, spectral normalisation of the discriminator",
    paper="Miyato et al., Spectral normalization for generative adversarial networks (2018)",
    url="https://arxiv.org/abs/1802.05957",
    objective="hinge",
    defaults={"lr_g": 2e-4, "lr_d": 2e-4, "beta1": 0.0, "beta2": 0.9, "n_critic": 5, "spectral_norm": True},
    requires=frozenset({"no_batch_statistics"}),
    presets={"standard-cnn": {"beta1": 0.5, "beta2": 0.999, "n_critic": 1}},
    differs=(
        "the task's networks instead of the paper's residual ones",
        "singular vectors follow by a Krylov space of 8 instead of one power iteration, which keeps norms within 1 % of 1",
    ),
    formulas=("E max(0, 1 − l_r) + E max(0, 1 + l_f), every weight divided by its largest singular value", "−E l_f"),
    optimum="2 (1 − TV(p, q)) without the constraint",
    watch=(
        "margin_real, margin_fake: shares of samples inside the margin",
        "score_real, score_fake: bounded by the Lipschitz constant",
    ),
)
