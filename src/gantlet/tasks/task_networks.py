"""The networks that tasks of small images offer, at widths that a laptop trains; ``width=`` and the like widen them."""

from collections.abc import Mapping

from gantlet.networks.autoencoders import DenseAutoEncoder
from gantlet.networks.base import Family
from gantlet.networks.began import BEGAN
from gantlet.networks.bogonet import BogoNet
from gantlet.networks.dcgan import DCGAN28
from gantlet.networks.dcgan4 import DCGAN4
from gantlet.networks.dcgan64 import DCGAN
from gantlet.networks.dragan_mnist import DRAGANMNIST
from gantlet.networks.ebgan import EBGAN
from gantlet.networks.lsgan import LSGAN
from gantlet.networks.mlp import FullyConnected
from gantlet.networks.notebook import NotebookConv, NotebookCritic
from gantlet.networks.r3gan import R3GAN
from gantlet.networks.resnet import ResNet
from gantlet.networks.stackelberg import StackelbergCIFAR
from gantlet.settings import Scalar

__all__ = ["BEGAN_ROW", "BOGONET_PRESET", "IMAGE_NETWORKS", "SMALL_IMAGES"]

SMALL_IMAGES: dict[str, Family] = {
    "fc-mnist": FullyConnected(),
    "dcgan28": DCGAN28(),
    "dcgan28-plain": DCGAN28(d_norm="none", g_norm="batch"),
    "dcgan": DCGAN(width=16),
    "wgan-gp-resnet": ResNet(width=8),
    "autoencoder": DenseAutoEncoder(output="tanh"),
    "ebgan": EBGAN(width=16),
    "began": BEGAN(width=8),
    "dragan-mnist": DRAGANMNIST(),
    "notebook-conv": NotebookConv(),
    "notebook-critic": NotebookCritic(),
    "bogonet": BogoNet(),
}
"""The first is the default. All but ``dcgan28`` and the notebooks' play any sides that their scales divide.

The residual networks of R3GAN take a second per step of a laptop; ``network=r3gan`` names them.
"""

IMAGE_NETWORKS: dict[str, Family] = {
    "dcgan": DCGAN(width=16),
    "dcgan-plain": DCGAN(width=16, d_norm="none"),
    "dcgan4": DCGAN4(width=16),
    "lsgan": LSGAN(width=16),
    "wgan-gp-resnet": ResNet(width=8),
    "ebgan": EBGAN(width=16),
    "began": BEGAN(width=16),
    "stackelberg-cifar": StackelbergCIFAR(g_width=16, d_width=16),
    "r3gan": R3GAN(width=8, blocks=1, groups=4),
    "autoencoder": DenseAutoEncoder(output="tanh"),
    "fc-mnist": FullyConnected(),
    "bogonet": BogoNet(),
}
"""For images of any sides that are 4 to 7 times a power of two, such as 16, 28, 32, 48, 64, 96, 112, 128 and 256."""

BEGAN_ROW: dict[str, Mapping[str, Scalar]] = {"began": {"batch_size": 16, "latent_dim": 64}}
"""What BEGAN fixes about batches and latents, where a task of images has its own."""

BOGONET_PRESET: dict[str, Mapping[str, Scalar]] = {
    "bogonet": {"network": "bogonet", "width": 32, "lr_g": 2e-4, "lr_d": 2e-4, "beta1": 0.5, "beta2": 0.999}
}
"""The stability test on random architectures: every method with the same networks and optimisers, tuned for none of them.

``architecture=0:19:1`` plays twenty games; ``n_critic`` and penalties stay each method's own.
"""
