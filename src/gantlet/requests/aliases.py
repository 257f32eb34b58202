"""Other names of keys: short ones for both players, those that keys had before, and those that papers use.

Old names keep working on the command line, in study files and in old studies; a key that exists under such a name wins.
"""

from __future__ import annotations

from typing import Any

__all__ = ["PLAYERS", "renamed", "renamed_value"]

PLAYERS = {"lr": ("lr_g", "lr_d"), "alpha": ("alpha_d", "alpha_g")}
"""Short keys that set both players."""

_RENAMED = {
    # earlier names
    "fit": "resize",
    "precrop": "center_crop",
    "max_bad": "max_corrupt",
    "memory": "in_memory",
    "burn_in": "ramp_steps",
    # names of papers and of other programs
    **dict.fromkeys(
        ("lambda", "lambda_gp", "lambda_", "lam", "gp", "gp_weight", "gp_lambda", "gradient_penalty"), "penalty_weight"
    ),
    **dict.fromkeys(("learning_rate", "rate_of_learning"), "lr"),
    **dict.fromkeys(("d_lr", "lr_discriminator", "lr_critic"), "lr_d"),
    **dict.fromkeys(("g_lr", "lr_generator"), "lr_g"),
    **dict.fromkeys(("b1", "adam_beta1"), "beta1"),
    **dict.fromkeys(("b2", "adam_beta2"), "beta2"),
    **dict.fromkeys(("batch", "bs", "batchsize"), "batch_size"),
    **dict.fromkeys(("n_epochs", "num_epochs"), "epochs"),
    **dict.fromkeys(("n_steps", "num_steps", "iterations", "iters", "n_iter"), "steps"),
    **dict.fromkeys(("nz", "z_dim", "num_z", "noise_dim"), "latent_dim"),
    **dict.fromkeys(("n_dis", "d_steps", "critic_iters"), "n_critic"),
    **dict.fromkeys(("ema_decay", "ema_beta"), "ema"),
    **dict.fromkeys(("n_generators", "num_gens", "n_paths_G"), "generators"),
    "optimizer": "optimiser",
}

_RENAMED_VALUES: dict[tuple[str, str], str] = {
    ("in_memory", "resident"): "true",
    ("in_memory", "streamed"): "false",
    ("lr_schedule", "on-stall"): "on-plateau",
}


def renamed(key: str) -> str:
    """What a key that had another name is called now.

    Example:
        >>> renamed("lambda_gp"), renamed("lr_g")
        ('penalty_weight', 'lr_g')
    """
    return _RENAMED.get(key, key)


def renamed_value(key: str, value: Any) -> Any:
    """What a value of a key is called now.

    Example:
        >>> renamed_value("lr_schedule", "on-stall"), renamed_value("steps", 5)
        ('on-plateau', 5)
    """
    return _RENAMED_VALUES.get((key, str(value)), value)
