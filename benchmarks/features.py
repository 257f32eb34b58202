"""What scores on features cost: seconds and memory of 2,048 features, in a process of their own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from .sections import Section, goal

__all__ = ["costs"]

DIMENSION, MOST_GIGABYTES = 2048, 2.0
WORK = ("fd", "kid", "precision", "fd of 50,000", "fd by eigenvalues of the product")


def costs() -> Section:
    """Seconds and the largest resident memory of each score, both samples in memory included."""
    rows: list[tuple[str, ...]] = []
    found: dict[str, Any] = {}
    for name in WORK:
        done = subprocess.run([sys.executable, "-m", __name__, name], capture_output=True, text=True, check=True)
        found[name] = json.loads(done.stdout)
        rows.append(
            (name, f"{found[name]['seconds']:.1f}", f"{found[name]['gigabytes']:.2f}", f"{found[name]['value']:.6g}")
        )
    largest = max(entry["gigabytes"] for entry in found.values())
    notes = [goal("Gigabytes, at most", largest, most=MOST_GIGABYTES)]
    header = (f"10,000 × {DIMENSION:,} features of each side", "seconds", "GB", "value")
    return Section("features", header, rows, notes, found)


def _measured(name: str) -> dict[str, float]:
    import torch

    from gantlet.metrics.distances import frechet
    from gantlet.metrics.feature_scores import Reference, Scoring
    from gantlet.metrics.features.base import Features
    from gantlet.metrics.gaussian_fit import moments_of

    numbers = torch.Generator().manual_seed(1)
    count = 50_000 if "50,000" in name else 10_000
    real = torch.randn(count, DIMENSION, generator=numbers).relu_()
    fake = torch.randn(count, DIMENSION, generator=numbers).relu_().add_(0.05)

    def by_product() -> float:
        (mu, sigma), (nu, tau) = moments_of(real), moments_of(fake)
        roots = torch.linalg.eigvals(sigma @ tau).real.clamp_min(0).sqrt().sum()
        return float((mu - nu).square().sum() + sigma.trace() + tau.trace() - 2 * roots)

    scoring = Scoring(Reference(Features(real)), Features(fake), intervals=False)
    work: dict[str, Callable[[], float]] = {
        "fd of 50,000": lambda: float(frechet(*moments_of(real), *moments_of(fake))),
        "fd by eigenvalues of the product": by_product,
    }
    started = time.perf_counter()
    value = work[name]() if name in work else scoring.scores([name])[name].value
    seconds = time.perf_counter() - started
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"seconds": seconds, "gigabytes": largest / 1e9, "value": value}


if __name__ == "__main__":
    print(json.dumps(_measured(sys.argv[1])))
