"""What metrics measure of members on a device, against the same members on the CPU."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from gantlet.data.base import Dataset
from gantlet.metrics.base import Metric
from gantlet.metrics.compose import Composed, compose
from gantlet.metrics.feature_metric import FeaturesMetric
from gantlet.metrics.features.modules import ModuleExtractor
from gantlet.metrics.features.pixels import quantised
from gantlet.studies.evaluate import evaluate
from gantlet.training.fleet import Fleet

__all__ = ["evaluations_of", "farthest"]


class _Pooled(nn.Module):
    """An extractor with fixed weights, for whatever images."""

    any_device = True
    mix: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer(
            "mix", torch.randn(48, 16, dtype=torch.float32, generator=torch.Generator().manual_seed(1))
        )

    def forward(self, pixels: Tensor) -> Tensor:  # [N, 3, H, W] -> [N, 16]
        return adaptive_avg_pool2d(pixels, 4).flatten(1) @ self.mix


def evaluations_of(
    method: str, fleet: Fleet, reference: Fleet, data: Dataset, wrong: list[dict[str, Any]]
) -> dict[str, float | None]:
    """By metric, how far the columns of two members lie from those of the same members on the CPU.

    Points by their mixture and by distances of two samples in double precision, images by the scores on a network's features,
    which are in single precision.
    """
    names = ("mixture", "two-sample") if data.shape == (2,) else ("two-sample", "features")
    found: dict[str, float | None] = {}
    fleet.settle()
    for name in names:
        why, most = "", 1e-3 if name == "features" else 1e-6
        try:
            if name == "features":
                test, train = (quantised(side[:256], data.pixel_range) for side in (data.test, data.train))
                made: Metric = FeaturesMetric(
                    ModuleExtractor(_Pooled().eval(), "pooled"), test, train, data.pixel_range
                )
            else:
                made = compose([name], data).metrics[name]
            metrics = Composed({name: made})
            here, there = (evaluate(each, metrics, data, [0, 1], 256) for each in (fleet, reference))
            pairs = [(mine[column], row[column]) for mine, row in zip(here, there, strict=True) for column in row]
            found[f"{method}/{name}"] = farthest([(x, y) for x, y in pairs if isinstance(y, int | float)])
        except Exception as error:  # what is wrong with one metric must not hide the others
            found[f"{method}/{name}"], why = None, f"{type(error).__name__}: {error}".partition("\n")[0][:300]
        difference = found[f"{method}/{name}"]
        if difference is None or not difference <= most:
            wrong.append({"what": f"{method}/{name}", "difference": difference, "why": why})
    return found


def farthest(pairs: Sequence[tuple[float, float]]) -> float:
    """The largest difference of pairs, of large values relative; of one that is not a number and one that is, infinite.

    Example:
        >>> farthest([(1.0, 1.5), (math.nan, math.nan), (10.0, 20.0)]), farthest([(math.nan, 0.0)]), farthest([])
        (0.5, inf, inf)
    """
    apart = [
        math.inf if math.isnan(x) != math.isnan(y) else abs(x - y) / max(1.0, abs(y))
        for x, y in pairs
        if x != y and not (math.isnan(x) and math.isnan(y))
    ]
    return float(f"{max(apart, default=0.0):.2g}") if pairs else math.inf
