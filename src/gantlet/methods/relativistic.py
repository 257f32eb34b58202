"""Relativistic games: how much more real is the one than the other?

Reference:
    | The relativistic discriminator: a key element missing from standard GAN (Jolicoeur-Martineau, 2018), https://arxiv.org/abs/1807.00734
"""

from dataclasses import replace

from .base import Method

__all__ = ["RELATIVISTIC", "RELATIVISTIC_AVERAGE"]

RELATIVISTIC = Method(
    name="relativistic",
    summary="relativistic pairing: scores enter as differences",
    paper="Jolicoeur-Martineau, The relativistic discriminator (2018)",
    url="https://arxiv.org/abs/1807.00734",
    objective="relativistic",
    defaults={"lr_g": 2e-4, "lr_d": 2e-4, "beta1": 0.5, "beta2": 0.999},
    differs=("one discriminator update per step on all tasks",),
    formulas=("E log(1 + e^(l_f − l_r))", "E log(1 + e^(l_r − l_f))"),
    optimum="log 2 when nothing can be told apart; the level of the scores is free",
    watch=("loss_d, loss_g: both log 2 = 0.693 in equilibrium",),
)

RELATIVISTIC_AVERAGE = replace(
    RELATIVISTIC,
    name="relativistic-average",
    summary="relativistic average: each score against the other side's mean",
    objective="relativistic-average",
    formulas=(
        "−E log σ(l_r − E l_f) − E log(1 − σ(l_f − E l_r))",
        "−E log(1 − σ(l_r − E l_f)) − E log σ(l_f − E l_r)",
    ),
    optimum="log 4 when nothing can be told apart; the level of the scores is free",
    watch=("loss_d, loss_g: both log 4 = 1.386 in equilibrium",),
)
