"""R3GAN's ablation on Stacked MNIST: the relativistic and the plain game, with both gradient penalties or one.

Reference:
    | The GAN is dead; long live the GAN! A modern baseline GAN (Huang et al., 2024), https://arxiv.org/abs/2501.05441
"""

from __future__ import annotations

from .table import PublishedCell, PublishedTable

__all__ = ["R3GAN_STACKED"]

R3GAN_STACKED = PublishedTable(
    name="r3gan-stacked-mnist",
    title="Stacked MNIST: relativistic or plain game, with R1 and R2 or R1 alone",
    source="Huang et al. (2024), https://arxiv.org/abs/2501.05441, table 1: one run of each",
    task="stacked-mnist",
    methods=("r3gan", "vanilla"),
    settings={
        "penalties": ["r1+r2", "r1"],
        "network": "stacked-mnist-plain",
        "lr": 2e-4,
        "beta1": 0.0,
        "beta2": 0.9,
        "reuse_fake": False,
    },
    seeds=8,
    cells=(
        PublishedCell("r3gan penalties=r1+r2", "modes", "mean", 1000, n=1),
        PublishedCell("r3gan penalties=r1+r2", "reverse_kl", "mean", 0.0781, n=1),
        PublishedCell("vanilla penalties=r1+r2", "modes", "mean", 693, n=1),
        PublishedCell("vanilla penalties=r1+r2", "reverse_kl", "mean", 0.9270, n=1),
        PublishedCell("r3gan penalties=r1", "diverged", "rate", 1.0, n=1),
        PublishedCell("vanilla penalties=r1", "diverged", "rate", 1.0, n=1),
    ),
    departs="networks, rates and length are gantlet's; the paper says of its own that they are small ResNets without normalisation",
    notes=(
        "diverged counts runs whose losses were not finite; a run can fail otherwise, which modes shows.",
        "It needs MNIST's files: r3gan-stacked-mnist:FOLDER, or gantlet data import mnist.",
    ),
)
