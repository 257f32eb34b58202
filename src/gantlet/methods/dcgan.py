"""DCGAN: the cross-entropy game on convolutional networks, with the settings that made it work.

Reference:
    | Unsupervised representation learning with deep convolutional generative adversarial networks (Radford et al., 2016), https://arxiv.org/abs/1511.06434
"""

from .base import Method

__all__ = ["DCGAN"]

DCGAN = Method(
    name="dcgan",
    summary="cross-entropy game on convolutional networks",
    paper="Radford, Metz & Chintala, Unsupervised representation learning with deep convolutional GANs (2016)",
    url="https://arxiv.org/abs/1511.06434",
    objective="vanilla",
    fixed={"saturating": False},
    defaults={"lr_g": 2e-4, "lr_d": 2e-4, "beta1": 0.5, "beta2": 0.999, "prior": "uniform", "latent_dim": 100},
    prefers="dcgan",
    presets={"seed": {"prior": "normal", "init": "xavier", "first_norm": False, "latent": "shared", "bn_decay": 0.99}},
    differs=(
        "on points, which have nothing to convolve, the task's own networks are used",
        "preset=seed: normal latents, shared by both players, batch norm's decay 0.99, Xavier weights and no batch norm on the generator's first layer, as the "
        "TensorFlow comparison",
    ),
    formulas=("−E log s_r − E log(1 − s_f)", "−E log s_f"),
    optimum="log 4 − 2 JS(p, q), at l = log p/q; 1.386 when nothing can be told apart",
    watch=(
        "loss_d: near 1.386 the discriminator is undecided, near 0 it has won",
        "gradient_g: grows before a collapse",
    ),
)
