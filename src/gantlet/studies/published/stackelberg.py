"""Stackelberg GAN: the mixture of eight Gaussians, and CIFAR-10.

Reference:
    | Stackelberg GAN: towards provable minimax equilibrium via multi-generator architectures (Zhang et al., 2018),
      https://arxiv.org/abs/1811.08010
"""

from __future__ import annotations

from math import nan

from .table import PublishedCell, PublishedTable

__all__ = ["STACKELBERG_CIFAR10", "STACKELBERG_MIXTURE8"]

_SOURCE = "Zhang et al. (2018), https://arxiv.org/abs/1811.08010"


def _drawn(generators: int) -> tuple[PublishedCell, ...]:
    """What is shown of a team beside a figure, for which no number was published."""
    setting = f"vanilla generators={generators}"
    return (PublishedCell(setting, "success", "rate", nan), PublishedCell(setting, "modes", "mean", nan))


STACKELBERG_MIXTURE8 = PublishedTable(
    name="stackelberg-mixture8",
    title="mixture of eight Gaussians, 1, 2, 4 and 8 generators 2-16-2",
    source=f"{_SOURCE}, figures: one run of each",
    task="mixture8",
    methods=("vanilla",),
    settings={"generators": [1, 2, 4, 8]},
    seeds=20,
    cells=(*_drawn(2), *_drawn(4), *_drawn(8)),
    notes=(
        "The paper prints no number here: figures of 2, 4, 6 and 8 generators show one run each. One's own numbers stand alone.",
        "One generator 2-16-2 has no figure; it is trained to compare with.",
        "Settings are the paper's generators with the mean of the team's losses and latents of each generator's own; the "
        "published script (--preset seed) sums and shares them, with 32 hidden units.",
    ),
)

STACKELBERG_CIFAR10 = PublishedTable(
    name="stackelberg-cifar10",
    title="CIFAR-10, ten generators: inception score and FID",
    source=f"{_SOURCE}, the table of CIFAR-10",
    task="cifar10",
    methods=("vanilla",),
    settings={"metrics": "features:inception-2015", "samples": 50_000},
    presets=("stackelberg",),
    seeds=1,
    cells=(
        PublishedCell("vanilla", "inception_score", "mean", 7.62),
        PublishedCell("vanilla", "fid", "mean", 26.76),
    ),
    notes=(
        "One published run without a spread: two runs or more of your own give an interval.",
        "Learning rates are those of the published command line; the code has another pair as its default, and the paper does "
        "not say which made the table.",
        "It needs CIFAR-10 (gantlet data download cifar10), the weights of the 2015 Inception (gantlet data weights) and a GPU.",
    ),
)
