"""The hinge game: samples beyond the margin have no say.

Reference:
    | Geometric GAN (Lim & Ye, 2017), https://arxiv.org/abs/1705.02894
"""

from .base import Method

__all__ = ["HINGE"]

HINGE = Method(
    name="hinge",
    summary="hinge losses with margins at ±1",
    paper="Lim & Ye, Geometric GAN (2017)",
    url="https://arxiv.org/abs/1705.02894",
    objective="hinge",
    defaults={"lr_g": 2e-4, "lr_d": 2e-4, "beta1": 0.5, "beta2": 0.999},
    differs=("Adam with the settings of its time instead of RMSprop",),
    formulas=("E max(0, 1 − l_r) + E max(0, 1 + l_f)", "−E l_f"),
    optimum="2 (1 − TV(p, q)), at l = sign(p − q)",
    watch=("margin_real, margin_fake: shares of samples inside the margin; 0 and 0: the discriminator learns nothing",),
)
