"""DRAGAN: the discriminator's gradient norm is pushed towards 1 around the real samples.

Reference:
    | On convergence and stability of GANs (Kodali et al., 2017), https://arxiv.org/abs/1705.07215
"""

from .base import Method

__all__ = ["DRAGAN"]

DRAGAN = Method(
    name="dragan",
    summary="cross-entropy game with a gradient penalty around real samples",
    paper="Kodali et al., On convergence and stability of GANs (2017)",
    url="https://arxiv.org/abs/1705.07215",
    objective="vanilla",
    fixed={"saturating": False},
    penalties=("dragan",),
    defaults={"lr_g": 1e-4, "lr_d": 1e-4, "beta1": 0.5, "beta2": 0.9},
    presets={
        # λ = 10, k = 1 on pixels in [0, 1]; on [-1, 1] slopes are half as steep, so that λ is four times and k half of it.
        "notebook": {
            "penalty_noise": "uniform_onesided",
            "penalty_weight": 40.0,
            "penalty_target": 0.5,
            "prior": "uniform",
            "latent_dim": 100,
            "batch_size": 128,
        },
        "seed": {
            "penalty_noise": "uniform_scaled",
            "prior": "normal",
            "latent_dim": 100,
            "batch_size": 128,
            "latent": "shared",
            "bn_decay": 0.99,
        },
    },
    differs=(
        "noise is two-sided and independent per number, as the authors later said was meant; penalty_noise has the "
        "notebook's, the TensorFlow comparison's and the paper's last version",
        "the gradient is that of the logit, as in the authors' code; the paper's first text has the probability's",
    ),
    formulas=("−E log s_r − E log(1 − s_f) + λ E (‖∇D(r + δ)‖₂ − k)²", "−E log s_f"),
    optimum="log 4 − 2 JS(p, q) without the penalty",
    watch=(
        "dragan_penalty: near 0 when the gradient norm around real samples is k",
        "loss_d: near 1.386 it is undecided",
    ),
)
