"""What can be found out about a network by running it on a small batch.

Every trial runs in train mode on copies of the buffers, without gradients and with a random state of its own:
the module, its running statistics and torch's global random state are left as they were.

Legend: ``B`` batch, ``*x`` sample shape.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from gantlet.objectives.base import DiscriminatorOutput
from gantlet.randomness import seeded

__all__ = [
    "BATCH",
    "has_batch_statistics",
    "random_batch",
    "scores_like_probabilities",
    "tells_generators_apart",
    "try_out",
]

BATCH = 4
"""How many samples a trial has."""


def try_out(module: nn.Module, x: Tensor) -> Any:  # [B, *in] -> what the module returns
    """Call a module in train mode without side effects.

    Raises:
        Exception: Whatever the module raises.
    """
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    modes = {part: part.training for part in module.modules()}
    module.train()
    try:
        with torch.no_grad(), seeded(0):
            return functional_call(module, buffers, (x,))
    finally:
        for part, mode in modes.items():
            part.training = mode


def random_batch(shape: tuple[int, ...]) -> Tensor:  # [B, *x]
    """The same normal numbers each time."""
    return torch.randn((BATCH, *shape), generator=torch.Generator().manual_seed(0))


def has_batch_statistics(module: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether a discriminator's output for one sample depends on the others in its batch.

    One sample of a batch is exchanged; then the outputs for all others must stay. Batch norm and minibatch
    discrimination are found, dropout (same masks both times) is not taken for either.

    Example:
        >>> has_batch_statistics(nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1)), (2,))
        True
    """
    batch = random_batch(shape)
    other = batch.clone()
    other[0] = 1 - 3 * batch[0]
    pairs = zip(_tensors(try_out(module, batch)), _tensors(try_out(module, other)), strict=True)
    return any(_differ(before[1:], after[1:]) for before, after in pairs)


def tells_generators_apart(module: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether a discriminator's output has logits of which generator made a sample.

    Example:
        >>> tells_generators_apart(nn.Linear(2, 1), (2,))
        False
    """
    output = try_out(module, random_batch(shape))
    return isinstance(output, DiscriminatorOutput) and output.generator_logits is not None


def scores_like_probabilities(module: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether every score of a discriminator is in [0, 1], also far from the data, as after a sigmoid.

    Example:
        >>> linear = nn.Linear(2, 1)
        >>> scores_like_probabilities(linear, (2,)), scores_like_probabilities(nn.Sequential(linear, nn.Sigmoid()), (2,))
        (False, True)
    """
    batch = random_batch(shape)
    scores = torch.cat([_tensors(try_out(module, scale * batch))[0].flatten() for scale in (0.1, 1.0, 10.0, 100.0)])
    return bool(((scores >= 0) & (scores <= 1)).all()) and bool((scores != scores[0]).any())


def _tensors(output: Tensor | DiscriminatorOutput) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output]
    return [part for part in (output.score, output.code, output.generator_logits) if part is not None]


def _differ(before: Tensor, after: Tensor) -> bool:
    # Rows of a matrix product may round differently; a statistic of the batch moves them by far more.
    return bool(((before - after).abs() > 1e-5 * before.abs().max()).any())
