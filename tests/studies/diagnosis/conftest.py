"""Members that never trained: what a symptom looks at, made by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gantlet.studies.diagnosis.base import Course, MemberCase
from gantlet.studies.diagnosis.samples import MemberSamples

STEPS = 1000
Make = Callable[..., MemberCase]


def course(values: object) -> Course:
    """A course over 1,000 steps; one number is a level, with one percent of noise."""
    noise = 1 + 0.01 * np.random.default_rng(1).normal(size=STEPS)
    level = np.broadcast_to(np.asarray(values, dtype=float), (STEPS,))
    return Course(np.arange(1.0, STEPS + 1), level * noise)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A healthy member of ring8, changed as asked."""
    healthy = MemberCase(
        folder=tmp_path / "my study",
        run=3,
        label="vanilla",
        method="vanilla",
        seed=4,
        values={"lr_g": 2e-4, "lr_d": 2e-4, "batch_size": 128, "pack": 1, "pool": "fixed", "saturating": False}
        | {"n_critic": 1, "which_generator": 0.0, "generators": 1},
        user_keys=frozenset({"lr_g"}),
        row={"status": "finished", "modes": 8, "reverse_kl": 0.01, "images_seen": 128_000},
        courses={
            "loss_d": course(1.3),
            "loss_g": course(0.8),
            "gradient_d": course(0.5),
            "gradient_g": course(0.4),
            "score_real": course(0.1),
            "score_fake": course(-0.1),
            "tvd": Course(np.arange(50.0, 1001, 50), np.linspace(0.5, 0.03, 20)),
        },
        modes=8,
        extent=2.0,
        pool=50_000,
        undecided=2 * math.log(2),
        samples=MemberSamples(torch.randn(1, 1000, 2, generator=torch.Generator().manual_seed(1)), torch.ones(1)),
    )

    def made(**changes: object) -> MemberCase:
        courses = {
            name: each if isinstance(each, Course) else course(each)
            for name, each in dict(changes.pop("courses", {})).items()
        }  # type: ignore[call-overload]
        values, row = dict(changes.pop("values", {})), dict(changes.pop("row", {}))  # type: ignore[call-overload]
        whole = replace(healthy, **changes)  # type: ignore[arg-type]
        return replace(
            whole, courses={**whole.courses, **courses}, values={**whole.values, **values}, row={**whole.row, **row}
        )

    return made
