"""LSGAN: regression onto targets instead of classification.

Reference:
    | Least squares generative adversarial networks (Mao et al., 2017), https://arxiv.org/abs/1611.04076
"""

from .base import Method

__all__ = ["LEAST_SQUARES"]

LEAST_SQUARES = Method(
    name="least-squares",
    summary="least-squares game with targets a (fake), b (real), c (what the generator wants)",
    paper="Mao et al., Least squares generative adversarial networks (2017)",
    url="https://arxiv.org/abs/1611.04076",
    objective="least-squares",
    defaults={"lr_g": 1e-3, "lr_d": 1e-3, "beta1": 0.5, "beta2": 0.999},
    differs=("0-1 coding (a=0, b=c=1) by default; the paper also uses a=-1, b=1, c=0",),
    formulas=("½ E (l_r − b)² + ½ E (l_f − a)²", "½ E (l_f − c)², saturating=true: −½ E (l_f − a)²"),
    optimum="(b − a)²/4 · (1 − χ²(p, (p + q)/2)), at l = (b p + a q)/(p + q)",
    watch=("score_real, score_fake: both at (a + b)/2 when nothing can be told apart", "loss_d: then (b − a)²/4"),
)
