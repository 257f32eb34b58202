"""Coulomb GAN: samples are charges, and the discriminator learns their potential.

Reference:
    | Coulomb GANs: Provably optimal Nash equilibria via potential fields (Unterthiner et al., 2018), https://arxiv.org/abs/1708.08819
"""

from .base import Method

__all__ = ["COULOMB"]

COULOMB = Method(
    name="coulomb",
    summary="the discriminator regresses to the potential of real and fake charges",
    paper="Unterthiner et al., Coulomb GANs: Provably optimal Nash equilibria via potential fields (2018)",
    url="https://arxiv.org/abs/1708.08819",
    objective="coulomb",
    defaults={"lr_g": 1e-4, "lr_d": 5e-5, "beta1": 0.9, "beta2": 0.999},
    presets={
        "seed": {
            "lr_g": 5e-4,
            "lr_d": 2.5e-4,
            "beta1": 0.5,
            "latent_dim": 32,
            "batch_size": 128,
            "latent": "shared",
            "bn_decay": 0.99,
        }
    },
    differs=(
        "no weight decay of 1e-7, and no noise on the discriminator's input (set instance_noise for it)",
        "the sign of the authors' code is flipped in both losses: the potential is high where fakes are too few",
    ),
    formulas=(
        "E (l_r − P(r))² + E (l_f − P(f))², P(a) = E k(a, r) − E k(a, f), k(a, b) = (‖a − b‖² + ε²)^(−(d−2)/2)",
        "−E l_f",
    ),
    optimum="0, at l = P; P vanishes everywhere where p = q",
    watch=(
        "potential_real, potential_fake: mean potentials; the authors call that of fakes no measure of convergence",
        "loss_d: how well the potential is known",
    ),
)
