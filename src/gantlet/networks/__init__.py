"""Network families: one file per kind of architecture, each builds both players for a sample shape.

The protocol is in :mod:`gantlet.networks.base`.
"""

from .autoencoders import AutoEncoder, DenseAutoEncoder
from .began import BEGAN
from .bogonet import BogoNet
from .custom import CustomNetworks
from .dcgan import DCGAN28
from .dcgan4 import DCGAN4
from .dcgan64 import DCGAN
from .dragan_mnist import DRAGANMNIST
from .ebgan import EBGAN
from .generator_head import embedded, with_generator_head
from .inspection import has_batch_statistics
from .lsgan import LSGAN
from .mlp import MLP, BranchMixture, FullyConnected, StackelbergMixture
from .notebook import NotebookConv, NotebookCritic
from .r3gan import R3GAN
from .resnet import ResNet
from .stacked_mnist import StackedMNIST
from .stackelberg import StackelbergCIFAR, StackelbergFashion, StackelbergMNIST

__all__ = [
    "BEGAN",
    "DCGAN",
    "DCGAN4",
    "DCGAN28",
    "DRAGANMNIST",
    "EBGAN",
    "LSGAN",
    "MLP",
    "R3GAN",
    "AutoEncoder",
    "BogoNet",
    "BranchMixture",
    "CustomNetworks",
    "DenseAutoEncoder",
    "FullyConnected",
    "NotebookConv",
    "NotebookCritic",
    "ResNet",
    "StackedMNIST",
    "StackelbergCIFAR",
    "StackelbergFashion",
    "StackelbergMNIST",
    "StackelbergMixture",
    "embedded",
    "has_batch_statistics",
    "with_generator_head",
]
