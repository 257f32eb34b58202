"""BEGAN: energies of real and fake samples in a balance that a state k keeps.

Reference:
    | BEGAN: Boundary equilibrium generative adversarial networks (Berthelot et al., 2017), https://arxiv.org/abs/1703.10717
"""

from .base import Method

__all__ = ["BEGAN"]

BEGAN = Method(
    name="began",
    summary="auto-encoder energies in equilibrium",
    paper="Berthelot, Schumm & Metz, BEGAN: Boundary equilibrium generative adversarial networks (2017)",
    url="https://arxiv.org/abs/1703.10717",
    objective="boundary-equilibrium",
    defaults={
        "lr_g": 1e-4,
        "lr_d": 1e-4,
        "beta1": 0.5,
        "beta2": 0.999,
        "batch_size": 16,
        "prior": "uniform",
        "latent_dim": 64,
        "energy": "l1",
        "lr_schedule": "on-plateau",
        "lr_decay": 0.5,
        "lr_every": 2000,
        "lr_floor": 0.2,
    },
    requires=frozenset({"autoencoder"}),
    prefers="began",
    presets={
        "seed": {
            "prior": "normal",
            "lr_schedule": "step",
            "lr_decay": 0.95,
            "lr_every": 3000,
            "latent": "shared",
            "bn_decay": 0.99,
        }
    },
    differs=(
        "a plateau is a mean of M over 2,000 updates that is not a new minimum; the paper does not define it",
        "without the paper's optional vanishing residuals",
        "preset=seed: learning rates 1e-4 · 0.95^⌊t/3000⌋, never below 2e-5, and normal latents",
    ),
    formulas=("L(r) − k L(f), L(x) = E |x − D(x)|", "L(f); then k ← clip(k + λ_k (γ L(r) − L(f)), 0, 1)"),
    optimum="none in closed form; in equilibrium L(f) = γ L(r)",
    watch=(
        "convergence: M = L(r) + |γ L(r) − L(f)|, should fall",
        "balance: γ L(r) − L(f), around 0 in equilibrium",
        "k: in [0, 1]; at 0 the discriminator only auto-encodes",
    ),
)
