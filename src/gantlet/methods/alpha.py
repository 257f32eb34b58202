"""(α_D, α_G)-GANs: each player with its own α-loss.

References:
    | Towards addressing GAN training instabilities: dual-objective GANs with tunable parameters (Welfert et al., 2023),
      https://arxiv.org/abs/2302.14320
    | Addressing GAN training instabilities via tunable classification losses (Welfert et al., 2023),
      https://arxiv.org/abs/2310.18291
"""

from .base import Method

__all__ = ["ALPHA"]

ALPHA = Method(
    name="alpha",
    summary="α-losses of the two players' own (α_D, α_G)",
    paper="Welfert et al., Addressing GAN training instabilities via tunable classification losses (2023)",
    url="https://arxiv.org/abs/2310.18291",
    objective="alpha",
    defaults={"lr_g": 1e-4, "lr_d": 1e-4, "beta1": 0.9, "beta2": 0.999},
    presets={"seed": {"latent": "pool", "reuse_fake": True}},
    differs=(
        "fresh latents by default; preset=seed keeps the experiments' fixed pool of latents",
        "non-saturating generator by default; saturating=true for Tables I and II",
    ),
)
