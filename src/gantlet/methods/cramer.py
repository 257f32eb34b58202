"""Cramér GAN: the energy distance between embedded samples.

Reference:
    | The Cramer distance as a solution to biased Wasserstein gradients (Bellemare et al., 2017), https://arxiv.org/abs/1705.10743
"""

from .base import Method

__all__ = ["CRAMER"]

CRAMER = Method(
    name="cramer",
    summary="energy distance of embedded samples",
    paper="Bellemare et al., The Cramer distance as a solution to biased Wasserstein gradients (2017)",
    url="https://arxiv.org/abs/1705.10743",
    objective="cramer",
    penalties=("gradient",),
    defaults={"lr_g": 1e-4, "lr_d": 1e-4, "beta1": 0.5, "beta2": 0.9, "n_critic": 5, "features": 16},
    differs=(
        "16 features instead of 256: distances are taken from differences of single features, which are exact and cost "
        "as many numbers",
        "both players play for the energy distance of real and fake batches; the authors' critic replaces one of its "
        "terms by a distance to the origin, to which Binkowski et al. (2018, appendix C) object",
    ),
    formulas=(
        "−𝓔(h(r), h(f)) + λ E (‖∇w(x̂)‖₂ − 1)², 𝓔(X, Y) = 2 E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖",
        "𝓔(h(r), h(f))",
    ),
    optimum="none in closed form; 0 where the embedded laws agree",
    watch=("energy_distance: around 0 when the critic sees no difference", "gradient_penalty: near 0"),
)
