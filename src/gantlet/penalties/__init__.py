"""Penalties join a player's loss, constraints act on its parameters after a step; one file each.

The protocols are in :mod:`gantlet.penalties.base`.
"""

from .clipping import WeightClipping
from .gradient import GradientPenalty

__all__ = ["GradientPenalty", "WeightClipping"]
