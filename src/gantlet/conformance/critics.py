"""A discriminator whose slopes are known, that works on arrays of any framework and remembers where it was asked.

Legend: ``B`` batch, ``*x`` sample shape, ``n`` numbers of a sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .doors import Array, to_numpy

__all__ = ["Critic"]


@dataclass
class Critic:
    """Score w Σ (a x²/2 + b x) of each sample, with gradient w (a x + b); no two numbers of a sample count alike.

    Attributes:
        shape: Of a sample.
        scale: w; a tensor of the framework's, if the penalty's gradient in the discriminator's parameters is asked for.
        column: Whether scores come as ``[B, 1]`` in place of ``[B]``.
        asked: The samples of each call, ``[B, *x]``.
    """

    shape: tuple[int, ...]
    scale: Any = 1.0
    column: bool = False
    asked: list[Array] = field(default_factory=list[Array])

    def __call__(self, x: Any) -> Any:  # [B, *x] -> [B] or [B, 1]
        """The scores."""
        self._remember(x)
        flat = _flat(x, math.prod(self.shape))
        score = self.scale * (_product(flat * flat, self._curve / 2) + _product(flat, self._line))
        return score[:, None] if self.column else score

    def gradient(self, x: Any) -> Array:  # [B, *x] -> [B, *x]
        """The gradient of each sample's own score, for code that has no automatic one."""
        self._remember(x)
        return self.gradient_at(to_numpy(x))

    def gradient_at(self, x: Array) -> Array:  # [B, *x] -> [B, *x]
        """The same, not remembered; w counts as 1."""
        return self._curve.reshape(self.shape) * x + self._line.reshape(self.shape)

    @property
    def _curve(self) -> Array:
        numbers = np.arange(1, math.prod(self.shape) + 1)
        return 0.9 * np.cos(1.7 * numbers)

    @property
    def _line(self) -> Array:
        numbers = np.arange(1, math.prod(self.shape) + 1)
        return 0.4 * np.sin(2.3 * numbers) + 0.2

    def _remember(self, x: Any) -> None:
        if _root(x) in ("jax", "jaxlib"):
            import importlib

            importlib.import_module("jax").debug.callback(self._keep, x)
        else:
            self._keep(x)

    def _keep(self, x: Any) -> None:
        self.asked.append(to_numpy(x))


def _root(x: Any) -> str:
    return type(x).__module__.partition(".")[0]


def _flat(x: Any, numbers: int) -> Any:  # [B, *x] -> [B, n]
    if _root(x) == "tensorflow":
        import importlib

        return importlib.import_module("tensorflow").reshape(x, (-1, numbers))
    return x.reshape(-1, numbers)


def _product(flat: Any, vector: Array) -> Any:  # [B, n], [n] -> [B]
    if _root(flat) == "torch":
        import torch

        return flat @ torch.as_tensor(vector, dtype=flat.dtype)
    if _root(flat) == "tensorflow":
        import importlib

        tensorflow = importlib.import_module("tensorflow")
        return tensorflow.linalg.matvec(flat, tensorflow.constant(vector, flat.dtype))
    return flat @ vector.astype(flat.dtype)
