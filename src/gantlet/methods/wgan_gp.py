"""WGAN-GP: the critic's gradient norm is pushed towards 1 between real and fake samples.

Reference:
    | Improved training of Wasserstein GANs (Gulrajani et al., 2017), https://arxiv.org/abs/1704.00028
"""

from dataclasses import replace

from .base import Method

__all__ = ["WGAN_GP", "WGAN_GP_RESNET", "WGAN_LP"]

WGAN_GP = Method(
    name="wgan-gp",
    summary="Wasserstein critic with the two-sided gradient penalty",
    paper="Gulrajani et al., Improved training of Wasserstein GANs (2017)",
    url="https://arxiv.org/abs/1704.00028",
    objective="wasserstein",
    penalties=("gradient",),
    defaults={"lr_g": 1e-4, "lr_d": 1e-4, "beta1": 0.0, "beta2": 0.9, "n_critic": 5},
    presets={"authors-mnist": {"beta1": 0.5, "beta2": 0.9, "batch_size": 50}, "seed": {"lr_trick": True}},
    differs=("nothing: n_critic is real, one interpolation coefficient per sample, norm per sample",),
    formulas=("E l_f − E l_r + λ E (‖∇D(x̂)‖₂ − 1)², x̂ = e r + (1 − e) f, one e ~ U[0, 1] per sample", "−E l_f"),
    optimum="−W₁(p, q), where the gradient norm is 1",
    watch=(
        "wasserstein_estimate: E l_r − E l_f, should fall as samples improve; below 0 the critic is worse than none",
        "gradient_penalty: near 0 when the gradient norm is 1 between real and fake",
    ),
)

WGAN_GP_RESNET = replace(
    WGAN_GP,
    name="wgan-gp-resnet",
    summary="WGAN-GP on the paper's residual networks",
    paper="Gulrajani et al., Improved training of Wasserstein GANs, appendix C (2017)",
    prefers="wgan-gp-resnet",
    presets={"seed": {"lr_trick": True, "latent_dim": 100, "latent": "shared", "bn_decay": 0.99}},
    differs=("on points, which have nothing to convolve, the task's own networks are used",),
)

WGAN_LP = replace(
    WGAN_GP,
    name="wgan-lp",
    summary="Wasserstein critic with the one-sided gradient penalty",
    paper="Petzka, Fischer & Lukovnikov, On the regularization of Wasserstein GANs (2018)",
    url="https://arxiv.org/abs/1709.08894",
    penalties=("one-sided-gradient",),
    presets={},
    differs=("interpolates as WGAN-GP; the paper also perturbs", "λ = 10 as WGAN-GP; the paper tries 1 to 100"),
    formulas=("E l_f − E l_r + λ E max(0, ‖∇D(x̂)‖₂ − 1)²", "−E l_f"),
    watch=(WGAN_GP.watch[0], "one_sided_penalty: 0 while no gradient norm is above 1"),
)
