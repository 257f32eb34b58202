"""What scores on features cost: seconds and memory of 2,048 features, each in a process of its own.

Beside them the Fréchet distance by torch-fidelity's own steps (metric_fid.py of 0.4: NumPy's mean and covariance of each side, and
the eigenvalues of the product of covariances), restated, since its package needs torchvision.
"""

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
THEIRS = "fd by torch-fidelity's steps"
WORK = ("fd", THEIRS, "kid", "precision", "fd of 50,000")


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
    largest = max(entry["gigabytes"] for name, entry in found.items() if name != THEIRS)
    apart = abs(found["fd"]["value"] / found[THEIRS]["value"] - 1)
    notes = [
        goal("Gigabytes, at most", largest, most=MOST_GIGABYTES),
        f"Against torch-fidelity's steps: {found[THEIRS]['seconds'] / found['fd']['seconds']:.2f} times as fast, "
        f"{found['fd']['gigabytes'] / found[THEIRS]['gigabytes']:.2f} of the memory, {apart:.1e} apart.",
    ]
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

    def by_their_steps() -> float:
        import numpy as np

        (mu, sigma), (nu, tau) = (
            (np.mean(side, axis=0), np.cov(side, rowvar=False)) for side in (real.numpy(), fake.numpy())
        )
        roots = np.sum(np.sqrt(np.linalg.eigvals(sigma.dot(tau)).astype(complex)).real)
        return float((mu - nu).dot(mu - nu) + np.trace(sigma) + np.trace(tau) - 2 * roots)

    scoring = Scoring(Reference(Features(real)), Features(fake), intervals=False)
    work: dict[str, Callable[[], float]] = {
        "fd of 50,000": lambda: float(frechet(*moments_of(real), *moments_of(fake))),
        THEIRS: by_their_steps,
    }
    started = time.perf_counter()
    value = work[name]() if name in work else scoring.scores([name])[name].value
    seconds = time.perf_counter() - started
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"seconds": seconds, "gigabytes": largest / 1e9, "value": value}


if __name__ == "__main__":
    print(json.dumps(_measured(sys.argv[1])))
