"""CR-GAN: the discriminator's scores of a sample and of its augmentation are pushed together.

Reference:
    | Consistency regularization for generative adversarial networks (Zhang et al., 2020), https://arxiv.org/abs/1910.12027
"""

from .base import Method

__all__ = ["CR_GAN"]

CR_GAN = Method(
    name="cr-gan",
    summary="spectrally normalised hinge game with consistency regularisation",
    paper="Zhang et al., Consistency regularization for generative adversarial networks (2020)",
    url="https://arxiv.org/abs/1910.12027",
    objective="hinge",
    penalties=("consistency",),
    defaults={"lr_g": 2e-4, "lr_d": 2e-4, "beta1": 0.5, "beta2": 0.999, "spectral_norm": True},
    requires=frozenset({"no_batch_statistics"}),
    differs=("points are jittered, as they have neither sides nor pixels to shift",),
    formulas=("hinge + λ E (l(r) − l(T(r)))², T flips and shifts", "−E l_f"),
    optimum="2 (1 − TV(p, q)) without the penalty",
    watch=("consistency_penalty: λ times how far apart the scores of a sample and its augmentation are",),
)
