"""LSGAN as its authors train it: their networks, learning rate and latents.

Reference:
    | Least squares generative adversarial networks (Mao et al., 2017), https://arxiv.org/abs/1611.04076
"""

from .base import Method

__all__ = ["LSGAN"]

LSGAN = Method(
    name="lsgan",
    summary="least-squares game on the paper's networks",
    paper="Mao et al., Least squares generative adversarial networks (2017)",
    url="https://arxiv.org/abs/1611.04076",
    objective="least-squares",
    fixed={"saturating": False},
    defaults={"lr_g": 1e-3, "lr_d": 1e-3, "beta1": 0.5, "beta2": 0.999, "prior": "uniform"},
    prefers="lsgan",
    presets={
        "authors": {"latent_dim": 1024, "batch_size": 64},
        "seed": {"latent_dim": 1024, "prior": "normal", "latent": "shared", "bn_decay": 0.99},
    },
    differs=(
        "the latent's size is the task's; the authors' 1,024 numbers (preset=authors) train worse than 100",
        "sizes that 16 does not divide, and points, are played on the task's own networks",
    ),
    formulas=("½ E (l_r − b)² + ½ E (l_f − a)²", "½ E (l_f − c)²"),
    optimum="(b − a)²/4 · (1 − χ²(p, (p + q)/2)), at l = (b p + a q)/(p + q)",
    watch=("score_real, score_fake: both at (a + b)/2 when nothing can be told apart", "loss_d: then (b − a)²/4"),
)
