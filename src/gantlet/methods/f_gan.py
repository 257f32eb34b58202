"""f-GANs: each f-divergence by its variational bound.

Reference:
    | f-GAN: Training generative neural samplers using variational divergence minimization (Nowozin et al., 2016),
      https://arxiv.org/abs/1606.00709
"""

from .base import Method

__all__ = ["F_ALPHA", "F_HELLINGER", "F_JS", "F_KL", "F_NEYMAN", "F_PEARSON", "F_REVERSE_KL", "F_TV"]


def _row(name: str, divergence: str, *, called: str, value: str) -> Method:
    return Method(
        name=name,
        summary=f"variational bound of the {called}",
        paper="Nowozin, Cseke & Tomioka, f-GAN: Training generative neural samplers (2016)",
        url="https://arxiv.org/abs/1606.00709",
        objective="f-divergence",
        fixed={"divergence": divergence},
        defaults={"lr_g": 1e-4, "lr_d": 1e-4, "beta1": 0.5, "beta2": 0.999},
        differs=("the generator raises E T(f) (the paper's section 3.2); saturating=true for the bound itself",),
        formulas=("−E T(r) + E f*(T(f)), T = g_f(l)", "−E T(f), saturating=true: −E f*(T(f))"),
        optimum=f"−{value}, at T = f'(p/q)",
        watch=(f"divergence_bound: a lower bound of {value}, 0 when nothing can be told apart",),
    )


F_KL = _row("f-kl", "kl", called="Kullback-Leibler divergence", value="KL(p‖q)")
F_REVERSE_KL = _row("f-reverse-kl", "reverse-kl", called="reverse Kullback-Leibler divergence", value="KL(q‖p)")
F_JS = _row("f-js", "js", called="Jensen-Shannon divergence", value="2 JS(p, q)")
F_PEARSON = _row("f-pearson", "pearson", called="Pearson χ² divergence", value="χ²(p‖q)")
F_NEYMAN = _row("f-neyman", "neyman", called="Neyman χ² divergence", value="χ²(q‖p)")
F_HELLINGER = _row("f-hellinger", "squared-hellinger", called="squared Hellinger distance", value="H²(p, q)")
F_TV = _row("f-tv", "total-variation", called="total variation distance", value="TV(p, q)")
F_ALPHA = _row("f-alpha", "alpha", called="α-divergence", value="D_α(p‖q)")
