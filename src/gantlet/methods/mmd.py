"""MMD GAN: the critic embeds samples, and a kernel compares the embeddings.

Reference:
    | Demystifying MMD GANs (Binkowski et al., 2018), https://arxiv.org/abs/1801.01401
"""

from .base import Method

__all__ = ["MMD"]

MMD = Method(
    name="mmd",
    summary="squared maximum mean discrepancy of embedded samples",
    paper="Binkowski et al., Demystifying MMD GANs (2018)",
    url="https://arxiv.org/abs/1801.01401",
    objective="mmd",
    penalties=("gradient",),
    options={"kernel": "rational-quadratic"},
    defaults={
        "lr_g": 1e-4,
        "lr_d": 1e-4,
        "beta1": 0.5,
        "beta2": 0.9,
        "n_critic": 5,
        "features": 16,
        "penalty_weight": 1.0,
    },
    differs=(
        "the gradient penalty acts on the critic between single samples, two-sided, as the paper's",
        "without the paper's decay of learning rates by a three-sample test",
    ),
    formulas=("−MMD²(h(r), h(f)) + λ E (‖∇w(x̂)‖₂ − 1)², w the critic (witness function)", "MMD²(h(r), h(f))"),
    optimum="none in closed form; 0 where the embedded laws agree",
    watch=("mmd2: the unbiased estimate, around 0 when the critic sees no difference", "gradient_penalty: near 0"),
)
