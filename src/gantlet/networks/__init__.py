"""Network families: one file per kind of architecture, each builds both players for a sample shape.

The protocol is in :mod:`gantlet.networks.base`.
"""

from .dcgan import DCGAN28
from .mlp import MLP, BranchMixture, FullyConnected, StackelbergMixture
from .own import OwnNetworks
from .probe import has_batch_statistics

__all__ = [
    "DCGAN28",
    "MLP",
    "BranchMixture",
    "FullyConnected",
    "OwnNetworks",
    "StackelbergMixture",
    "has_batch_statistics",
]
