"""WGAN-GP: the critic's gradient norm is pulled to 1 between real and fake samples.

Reference:
    | Improved training of Wasserstein GANs (Gulrajani et al., 2017), https://arxiv.org/abs/1704.00028
"""

from .base import Method

__all__ = ["WGAN_GP"]

WGAN_GP = Method(
    name="wgan-gp",
    summary="Wasserstein critic with the two-sided gradient penalty",
    paper="Gulrajani et al., Improved training of Wasserstein GANs (2017)",
    url="https://arxiv.org/abs/1704.00028",
    objective="wasserstein",
    penalties=("gradient",),
    defaults={"lr_g": 1e-4, "lr_d": 1e-4, "beta1": 0.0, "beta2": 0.9, "n_critic": 5},
    presets={"authors-mnist": {"beta1": 0.5, "beta2": 0.9, "batch_size": 50}},
    differs=("nothing: n_critic is real, one interpolation coefficient per sample, norm per sample",),
)
