"""The (α_D, α_G) experiments.

Reference:
    | Addressing GAN training instabilities via tunable classification losses (Welfert et al., 2023),
      https://arxiv.org/abs/2310.18291, and the authors' published per-seed records
"""

from __future__ import annotations

from .table import PublishedCell, PublishedTable

__all__ = ["ALPHA_RING", "ALPHA_RING_NONSATURATING", "ALPHA_STACKED", "ALPHA_STACKED_100", "LEAST_SQUARES_STACKED"]

_SOURCE = "Welfert et al. (2023), https://arxiv.org/abs/2310.18291"

_STACKED: dict[str, object] = {"evaluations": 1, "drop_last": False}
"""The script's loaders keep the last batch of an epoch, of 32 images: 1,563 steps an epoch. 25,000 images are read at the end only."""

_CLASSIFIER = "Digits are read by gantlet's classifier; the authors' had the same layers and other weights."


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
    settings={"alpha_d": 1.0, "alpha_g": [1.0, 2.0], "lr": 1e-3, "epochs": 50, **_STACKED},
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

ALPHA_STACKED_100 = PublishedTable(
    name="alpha-stacked-mnist-100",
    title="Stacked MNIST, learning rate 5e-4, 100 epochs: (1, 1) against (2, 2)",
    source=f"{_SOURCE}, table VII",
    task="stacked-mnist",
    methods=("alpha",),
    settings={"alpha": [1.0, 2.0], **_STACKED},
    presets=("paper",),
    seeds=100,
    cells=(
        PublishedCell("alpha alpha=1.0", "modes", "mean", 665, 161),
        PublishedCell("alpha alpha=2.0", "modes", "mean", 724, 101),
    ),
    notes=(_CLASSIFIER, "It needs MNIST's files: alpha-stacked-mnist-100:FOLDER, or gantlet data import mnist."),
)

LEAST_SQUARES_STACKED = PublishedTable(
    name="least-squares-stacked-mnist",
    title="Stacked MNIST, LSGAN, learning rate 1e-3, 50 epochs",
    source=f"{_SOURCE}, the authors' records of 100 seeds",
    task="stacked-mnist",
    methods=("least-squares",),
    settings={"lr": 1e-3, "epochs": 50, **_STACKED},
    presets=("paper",),
    seeds=100,
    cells=(PublishedCell("least-squares", "modes", "mean", 644.4, 251.0),),
    notes=(
        "Mean and deviation are of the column of all confidences and one sample; 12 of the 100 runs have fewer than 100 modes.",
        _CLASSIFIER,
        "It needs MNIST's files: least-squares-stacked-mnist:FOLDER, or gantlet data import mnist.",
    ),
)
