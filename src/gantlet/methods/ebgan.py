"""EBGAN: an auto-encoder's reconstruction error is the energy that separates real from fake.

Reference:
    | Energy-based generative adversarial networks (Zhao et al., 2017), https://arxiv.org/abs/1609.03126
"""

from dataclasses import replace

from .base import Method

__all__ = ["EBGAN", "EBGAN_PT"]

EBGAN = Method(
    name="ebgan",
    summary="energy of an auto-encoder with a margin",
    paper="Zhao, Mathieu & LeCun, Energy-based generative adversarial networks (2017)",
    url="https://arxiv.org/abs/1609.03126",
    objective="energy",
    defaults={"lr_g": 1e-3, "lr_d": 1e-3, "beta1": 0.5, "beta2": 0.999, "energy": "l2"},
    requires=frozenset({"autoencoder"}),
    prefers="ebgan",
    presets={"seed": {"margin": 20.0, "hinge": "batch", "latent_dim": 100, "latent": "shared", "bn_decay": 0.99}},
    differs=(
        "the hinge is per sample, as in the paper; hinge=batch (preset seed) takes it of the batch's mean, as the TensorFlow comparison",
    ),
    formulas=("E[E(r)] + E max(0, m − E(f)), E(x) = ‖Dec(Enc(x)) − x‖₂", "E[E(f)]"),
    optimum="m · Σ min(p, q), at energy m where p < q and 0 elsewhere; m when nothing can be told apart",
    watch=(
        "energy_real, energy_fake: reconstruction errors; fakes should end near the margin",
        "hinge: 0 means that fakes are pushed no further",
    ),
)

EBGAN_PT = replace(
    EBGAN,
    name="ebgan-pt",
    summary="EBGAN with the pulling-away term on the codes of fakes",
    penalties=("pulling-away",),
    formulas=(EBGAN.formulas[0], "E[E(f)] + w PT, PT = 1/(N(N − 1)) Σ_{i≠j} cos²(S_i, S_j) of the fakes' codes S"),
    optimum="m · Σ min(p, q), at energy m where p < q and 0 elsewhere",
    watch=(
        "pulling_away: w PT; 0 for orthogonal codes, w for equal ones; pulling_away_unweighted: PT, also at penalty_weight=0",
        "energy_real, energy_fake, hinge: as for ebgan",
    ),
)
