"""Products in bfloat16: every kind of network trains, everything else stays float32, and losses stay near those of float32.

bfloat16 rounds to 8 significant bits, 0.4 %; what is held here is that a step's losses differ by 2 % at most.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gantlet.data.base import Dataset
from gantlet.studies.build import blueprint
from gantlet.training.blueprint import Execution
from gantlet.training.fleet import Fleet
from terminal import resolve

WITHIN = 0.02
DRAWN = torch.Generator().manual_seed(3)
POINTS = Dataset(torch.randn(128, 2, generator=DRAWN), torch.zeros(16, 2))
PICTURES = Dataset(torch.rand(32, 1, 28, 28, generator=DRAWN) * 2 - 1, torch.zeros(8, 1, 28, 28))
SMALL = ("g_width=32", "d_width=32", "g_depth=2", "d_depth=2")

CASES = [
    ("ring8", "vanilla", SMALL),
    ("ring8", "hinge", (*SMALL, "generators=3")),
    ("ring8", "wgan-gp", (*SMALL, "n_critic=1")),
    ("digits", "dcgan", ("network=dcgan28", "width=4")),
    ("digits", "least-squares", ("network=dcgan28", "width=4", "generators=2", "which_generator=0.1")),
    ("digits", "wgan-gp-resnet", ("n_critic=1", "width=4")),
    ("digits", "sngan", ("network=dcgan28-plain", "width=4", "n_critic=1")),
    ("digits", "ebgan-pt", ("network=ebgan", "width=4")),
    ("digits", "mmd", ("n_critic=1", "g_width=16", "d_width=16")),
]
"""Linear maps, convolutions and auto-encoders; batch and layer norm, spectral normalisation; slopes; teams and their head."""


def trained(task: str, method: str, words: tuple[str, ...], *, dtype: str, route: Any) -> tuple[Fleet, Tensor]:
    """A fleet after three steps, and the logged losses of both players in its first."""
    (resolved,) = resolve(task, method, *words, f"dtype={dtype}", "batch_size=16", "steps=3")
    data = POINTS if task == "ring8" else PICTURES
    fleet = Fleet(blueprint([(resolved, seed) for seed in (1, 2)], data.specification, Execution(route=route)), data)
    for _ in range(3):
        fleet.advance()
    rows = fleet.history.take()
    told = zip(rows.name, rows.step, rows.value, strict=True)
    return fleet, torch.tensor([value for name, step, value in told if name.startswith("loss") and step == 1])


FAST = {"ring8": ("stacked", "loop"), "digits": ("stacked",)}
"""The routes that the fast suite keeps: both on points, and each network of images but the largest on one."""
PLAYED = [
    pytest.param(
        route,
        *case,
        id=f"{route}-{case[0]}-{case[1]}",
        marks=() if route in FAST[case[0]] and case[1] != "wgan-gp-resnet" else pytest.mark.slow,
    )
    for case in CASES
    for route in ("stacked", "loop")
    if route == "stacked" or not any(word.startswith("generators") for word in case[2])
]
"""Teams are always stacked."""


@pytest.mark.parametrize(("route", "task", "method", "words"), PLAYED)
def test_losses_are_near_those_of_float32(route: str, task: str, method: str, words: tuple[str, ...]) -> None:
    fleet, losses = trained(task, method, words, dtype="bfloat16", route=route)
    _, expected = trained(task, method, words, dtype="float32", route=route)
    assert not fleet.divergences
    assert losses.shape == (4,)
    assert not torch.equal(losses, expected), "products were not in bfloat16"
    assert (losses - expected).abs().le(WITHIN * expected.abs()).all(), f"{losses} of {expected}"
    for stack in (fleet.generators, fleet.discriminators):
        held = {**stack.parameters, **stack.buffers}.values()
        assert {tensor.dtype for tensor in held if tensor.is_floating_point()} == {torch.float32}
