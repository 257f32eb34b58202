"""R3GAN: today's baseline, a relativistic game with gradient penalties at real and at fake samples.

Reference:
    | The GAN is dead; long live the GAN! A modern baseline GAN (Huang et al., 2024), https://arxiv.org/abs/2501.05441
"""

from .base import Method

__all__ = ["R3GAN"]

R3GAN = Method(
    name="r3gan",
    summary="relativistic pairing with R1 and R2: today's baseline",
    paper="Huang et al., The GAN is dead; long live the GAN! A modern baseline GAN (2024)",
    url="https://arxiv.org/abs/2501.05441",
    objective="relativistic",
    penalties=("r1", "r2"),
    defaults={
        "lr_g": 2e-4,
        "lr_d": 2e-4,
        "beta1": 0.0,
        "beta2": 0.9,
        "beta2_schedule": "cosine",
        "beta2_end": 0.99,
        "r1_weight": 2.0,
        "r2_weight": 2.0,
        "penalty_schedule": "cosine",
        "penalty_floor": 0.1,
        "lr_schedule": "cosine",
        "lr_floor": 0.25,
        "ema": 0.999,
    },
    prefers="r3gan",
    differs=(
        "the ramp (the paper's burn-in: γ 2 to 0.2, β₂ 0.9 to 0.99, learning rates to a quarter, as the authors' CIFAR-10 run) "
        "lasts the whole run unless ramp_steps and lr_every say otherwise",
        "the average of the generators decays by a fixed share per step instead of one that grows with the run",
        "no augmentation, no class labels; networks as small as the task's images allow",
    ),
    formulas=("E log(1 + e^(l_f − l_r)) + γ/2 E ‖∇D(r)‖² + γ/2 E ‖∇D(f)‖²", "E log(1 + e^(l_r − l_f))"),
    optimum="log 2 when nothing can be told apart; locally convergent with both penalties",
    watch=(
        "loss_d, loss_g: both log 2 = 0.693 in equilibrium",
        "r1_penalty, r2_penalty: γ/2 times the mean squared gradient norms",
    ),
)
