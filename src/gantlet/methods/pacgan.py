"""PacGAN: the discriminator scores several samples as one, so that mode collapse shows.

Reference:
    | PacGAN: The power of two samples in generative adversarial networks (Lin et al., 2018), https://arxiv.org/abs/1712.04086
"""

from .base import Method

__all__ = ["PACGAN"]

PACGAN = Method(
    name="pacgan",
    summary="cross-entropy game on packs of two samples",
    paper="Lin et al., PacGAN: The power of two samples in generative adversarial networks (2018)",
    url="https://arxiv.org/abs/1712.04086",
    objective="vanilla",
    fixed={"saturating": False},
    defaults={"lr_g": 2e-4, "lr_d": 2e-4, "beta1": 0.5, "beta2": 0.999, "pack": 2},
    differs=("the batch is cut into packs; the paper draws as many packs as the batch has samples",),
    formulas=("−E log s(r₁, r₂) − E log(1 − s(f₁, f₂))", "−E log s(f₁, f₂)"),
    optimum="log 4 − 2 JS(p², q²): that of pairs",
    watch=("loss_d: near 1.386 pairs cannot be told apart",),
)
