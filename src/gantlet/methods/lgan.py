"""Lipschitz GAN: the discriminator's largest gradient norm in the batch is penalised.

Reference:
    | Lipschitz generative adversarial nets (Zhou et al., 2019), https://arxiv.org/abs/1902.05687
"""

from .base import Method

__all__ = ["LGAN"]

LGAN = Method(
    name="lgan",
    summary="cross-entropy game with the max-gradient penalty",
    paper="Zhou et al., Lipschitz generative adversarial nets (2019)",
    url="https://arxiv.org/abs/1902.05687",
    objective="vanilla",
    fixed={"saturating": False},
    penalties=("max-gradient",),
    defaults={"lr_g": 1e-4, "lr_d": 1e-4, "beta1": 0.0, "beta2": 0.9},
    differs=("cross-entropy, one of the losses that the paper's theorem admits",),
    formulas=("−E log s_r − E log(1 − s_f) + λ max ‖∇D(x̂)‖₂²", "−E log s_f"),
    optimum="the best discriminator of bounded gradient norm; its gradient points from fakes to real samples (paper, theorem 3)",
    watch=("max_gradient_penalty: λ times the largest squared gradient norm of the batch",),
)
