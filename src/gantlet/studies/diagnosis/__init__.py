"""What goes wrong in the training of a GAN, and how it shows: one file per symptom, read from what a study recorded.

::

    base.py     a finding, a symptom, and what a symptom may look at
    samples.py  samples of a member from its checkpoint, without the training data
    examine.py  every symptom on every member of a study

A new symptom is one file and its line in :data:`SYMPTOMS`.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["SYMPTOMS", "symptoms"]

SYMPTOMS = (
    "divergence:Diverged",
    "mode_collapse:ModeCollapse",
    "vanishing_gradient:VanishingGradient",
    "overconfidence:Overconfident",
    "oscillation:Oscillating",
    "idle_generator:IdleGenerator",
    "memorising:Memorising",
    "starved_input:StarvedInput",
)
"""Every symptom, ``module:Class``, in the order in which they are looked for."""


def symptoms() -> list[Any]:
    """One of each symptom."""
    made: list[Any] = []
    for path in SYMPTOMS:
        module, _, name = path.partition(":")
        made.append(getattr(importlib.import_module(f"{__name__}.{module}"), name)())
    return made
