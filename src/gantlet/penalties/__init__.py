"""Penalties join a player's loss, constraints act on its parameters after a step; one file each.

The protocols are in :mod:`gantlet.penalties.base`.
"""

from .clipping import WeightClipping
from .consistency import Consistency
from .dragan import Dragan
from .gradient import GradientPenalty
from .lecam import LeCam
from .max_gradient import MaxGradient
from .one_sided import OneSidedGradient
from .orthogonal import Orthogonal, OrthogonalGenerator
from .pulling_away import PullingAway
from .r1 import R1
from .r2 import R2

__all__ = [
    "R1",
    "R2",
    "Consistency",
    "Dragan",
    "GradientPenalty",
    "LeCam",
    "MaxGradient",
    "OneSidedGradient",
    "Orthogonal",
    "OrthogonalGenerator",
    "PullingAway",
    "WeightClipping",
]
