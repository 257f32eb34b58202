"""The (α_D, α_G) experiments.

Reference:
    | Addressing GAN training instabilities via tunable classification losses (Welfert et al., 2023),
      https://arxiv.org/abs/2310.18291, and the authors' published per-seed records
"""

from __future__ import annotations

from .table import PublishedCell, PublishedTable

__all__ = ["ALPHA_RING", "ALPHA_RING_NONSATURATING", "ALPHA_STACKED"]

_SOURCE = "Welfert et al. (2023), https://arxiv.org/abs/2310.18291"


def _cells(setting: str, *, success: float, failure: float, modes: float, quality: float) -> tuple[PublishedCell, ...]:
    return (
        PublishedCell(setting, "success", "rate", success),
        PublishedCell(setting, "failure", "rate", failure),
        PublishedCell(setting, "modes", "mean", modes),
        PublishedCell(setting, "high_quality", "mean", quality),
    )


ALPHA_RING = PublishedTable(
    name="alpha-ring",
    title="ring of eight Gaussians, saturating, α_G = 1: α_D = 0.3 and 0.5 against 1",
    source=f"{_SOURCE}, the authors' records of 200 seeds",
    task="ring8",
    methods=("alpha",),
    settings={"evaluations": 4, "alpha_d": [0.3, 0.5, 1.0], "alpha_g": 1.0, "saturating": True},
    presets=("seed",),
    seeds=200,
    cells=(
        *_cells("alpha alpha_d=0.3", success=0.87, failure=0.02, modes=7.57, quality=0.921),
        *_cells("alpha alpha_d=0.5", success=0.795, failure=0.045, modes=7.17, quality=0.913),
        *_cells("alpha alpha_d=1.0", success=0.465, failure=0.295, modes=4.70, quality=0.646),
    ),
)

ALPHA_RING_NONSATURATING = PublishedTable(
    name="alpha-ring-ns",
    title="ring of eight Gaussians, non-saturating, (α_D, α_G) = (1, 1)",
    source=f"{_SOURCE}, the authors' records of 200 seeds",
    task="ring8",
    methods=("alpha",),
    settings={"evaluations": 4, "alpha_d": 1.0, "alpha_g": 1.0, "saturating": False},
    presets=("seed",),
    seeds=200,
    cells=(
        PublishedCell("alpha", "success", "rate", 0.22),
        PublishedCell("alpha", "modes", "mean", 5.89),
    ),
)

ALPHA_STACKED = PublishedTable(
    name="alpha-stacked-mnist",
    title="Stacked MNIST, learning rate 1e-3, 50 epochs: (1, 1) against (1, 2)",
    source=f"{_SOURCE}, table VI",
    task="stacked-mnist",
    methods=("alpha",),
    settings={"evaluations": 4, "alpha_d": 1.0, "alpha_g": [1.0, 2.0], "lr": 1e-3, "epochs": 50},
    presets=("paper",),
    seeds=100,
    cells=(
        PublishedCell("alpha alpha_g=1.0", "modes", "mean", 541, 315),
        PublishedCell("alpha alpha_g=2.0", "modes", "mean", 690, 200),
    ),
    notes=(
        "The published runs used settings of Adam that are not known; results were bimodal.",
        "It needs MNIST's files: alpha-stacked-mnist:FOLDER, or gantlet data import mnist.",
    ),
)
