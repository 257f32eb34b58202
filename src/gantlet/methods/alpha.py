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
    formulas=(
        "E ℓ_αD(s_r) + E ℓ_αD(1 − s_f), ℓ_α(s) = α/(α − 1) · (1 − s^((α−1)/α))",
        "E ℓ_αG(s_f), saturating=true: −E ℓ_αG(1 − s_f)",
    ),
    optimum="at s = p^αD/(p^αD + q^αD); log 4 − 2 JS(p, q) for α_D = 1",
    watch=(
        "loss_d: α_D/(α_D − 1) · 2 (1 − 2^(1/α_D − 1)) when nothing can be told apart",
        "gradient_g: 0 where s is clamped",
    ),
)
