"""Stacked MNIST: three digits per image, a thousand modes, and narrow networks that lose many of them.

References:
    | Unrolled generative adversarial networks (Metz et al., 2017), https://arxiv.org/abs/1611.02163
    | Towards addressing GAN training instabilities: dual-objective GANs with tunable parameters (Welfert et al., 2023),
      https://arxiv.org/abs/2302.14320
"""

from gantlet.data.stacked_mnist import StackedDigits
from gantlet.networks.autoencoders import DenseAutoEncoder
from gantlet.networks.began import BEGAN
from gantlet.networks.dcgan64 import DCGAN
from gantlet.networks.ebgan import EBGAN
from gantlet.networks.stacked_mnist import StackedMNIST
from gantlet.settings import Scalar

from .base import CLASSIFIERS, Task, rows_for
from .task_networks import BEGAN_ROW

__all__ = ["STACKED_MNIST"]

_ADAM: dict[str, Scalar] = {"beta1": 0.9, "beta2": 0.99, "reuse_fake": True}
_SEED: dict[str, Scalar] = {**_ADAM, "batch_size": 64, "latent_dim": 100, "prior": "normal", "latent": "pool"}


STACKED_MNIST = Task(
    name="stacked-mnist",
    summary="three digits as one colour image, 1,000 modes, from MNIST's idx files in the folder data_path=FOLDER",
    paper="Welfert et al. (2023): 100,000 training images, batch 64, 50 or 100 epochs",
    source=StackedDigits(),
    networks={
        "stacked-mnist": StackedMNIST(width=1),
        "stacked-mnist-plain": StackedMNIST(width=1, d_norm="none"),
        "dcgan": DCGAN(width=16),
        "autoencoder": DenseAutoEncoder(output="tanh"),
        "ebgan": EBGAN(width=16),
        "began": BEGAN(width=8),
    },
    metrics=("stacked-modes", "classification-error"),
    pictures="images",
    headline="modes",
    shape=(3, 28, 28),
    defaults={"batch_size": 64, "epochs": 50.0, "latent_dim": 100},
    rows={**rows_for({"lr_g": 1e-4, "lr_d": 1e-4, **_ADAM}, CLASSIFIERS), **BEGAN_ROW},
    presets={
        "quick": {"epochs": 2.0, "lr_g": 5e-4, "lr_d": 5e-4, "evaluations": 5},
        # Images in [0, 1] from a generator that ends in tanh, as when the published numbers were made.
        "paper": {**_SEED, "pixel_range": "0..1", "init": "default", "lr_g": 5e-4, "lr_d": 5e-4, "epochs": 100.0},
        "current": {**_SEED, "pixel_range": "-1..1", "init": "normal", "lr_g": 1e-4, "lr_d": 1e-4, "epochs": 50.0},
    },
)
