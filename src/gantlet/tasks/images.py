"""Real images: the data sets of the field by name, and any images of one's own by where they lie.

Networks stand at widths that a laptop trains; the presets have those of the papers and of earlier code. A fifth of images
without a test part is held out. There is no classifier for most of these sets, so the metrics are two-sample distances on thumbnails.

References:
    | cifar10: Krizhevsky, Learning multiple layers of features from tiny images (2009)
    | tiny-imagenet32: the Tiny ImageNet challenge of CS231n; at 32 pixels as in Stackelberg GAN (Zhang et al., 2018)
    | celeba64: Liu et al., Deep learning face attributes in the wild (2015), https://arxiv.org/abs/1411.7766
    | lsun-*: Yu et al., LSUN (2015), https://arxiv.org/abs/1506.03365
    | emoji64: Google's Noto emoji, https://github.com/googlefonts/noto-emoji
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gantlet.data.images import ImageSource
from gantlet.settings import Scalar

from .base import CLASSIFIERS, Task, rows_for
from .task_networks import BEGAN_ROW, BOGONET_PRESET, IMAGE_NETWORKS

__all__ = [
    "CELEBA64",
    "CIFAR10",
    "CIFAR100",
    "EMOJI64",
    "FOLDER",
    "HDF5",
    "HF",
    "LSUN_BEDROOM64",
    "LSUN_CLASSROOM112",
    "SHARDS",
    "TAR",
    "TFRECORD",
    "TINY_IMAGENET32",
    "ZIP",
]

_ADAM: dict[str, Scalar] = {"lr_g": 2e-4, "lr_d": 2e-4, "beta1": 0.5, "beta2": 0.999}
_ROWS: dict[str, Mapping[str, Scalar]] = {**rows_for(_ADAM, CLASSIFIERS), **BEGAN_ROW}

_TENSORFLOW: dict[str, Scalar] = {
    "width": 64,
    "batch_size": 128,
    "epochs": 20.0,
    "resample": "nearest2",
    "init": "xavier",
}
"""The TensorFlow comparison on CelebA and LSUN: full width, batches of 128, every second pixel of a crop of 128."""

_ALPHA: dict[str, Scalar] = {
    "network": "dcgan4",
    "width": 64,
    "batch_size": 128,
    "epochs": 50.0,
    "latent_dim": 100,
    "lr_g": 1e-4,
    "lr_d": 1e-4,
    "beta1": 0.9,
    "beta2": 0.99,
    "latent": "pool",
    "reuse_fake": True,
}
"""The image experiments of the (α_D, α_G)-GANs: 4×4 DCGANs of width 64, and latents from a fixed pool."""

_STACKELBERG: dict[str, Scalar] = {
    "network": "stackelberg-cifar",
    "g_width": 128,
    "d_width": 128,
    "generators": 10,
    "which_generator": 0.1,
    "batch_size": 64,
    "latent_dim": 100,
    "latent": "shared",
    "team_latents": "shared",
    "prior": "uniform",
    "lr_g": 1e-5,
    "lr_d": 5e-6,
    "epochs": 500.0,
}
"""Ten generators of two convolutions against one discriminator, with the learning rates of the published command line."""


_QUICK: dict[int, dict[str, Scalar]] = {
    32: {"batch_size": 32, "steps": 1000},
    64: {"batch_size": 32, "steps": 400},
    112: {"batch_size": 16, "steps": 300},
}
"""By the side of an image, a training of a few minutes of one core; images of one's own are brought to 32 pixels for it."""


def _task(name: str, summary: str, paper: str, *, source: ImageSource, **more: Any) -> Task:
    """A task of images, its defaults overlaid with what is given."""
    defaults: dict[str, Scalar] = {"batch_size": 64, "steps": 5000, "latent_dim": 100}
    own = {"size": "32", **_QUICK[32]} if paper == "your own data" else _QUICK[int(source.size)]
    quick: dict[str, Scalar] = {**own, "evaluations": 5}
    return Task(
        name=name,
        summary=summary,
        paper=paper,
        source=source,
        networks=IMAGE_NETWORKS,
        metrics=("thumbnails",),
        pictures="images",
        headline="sliced_wasserstein",
        shape=(3, int(source.size), int(source.size)),
        defaults=defaults | more.get("defaults", {}),
        rows=_ROWS,
        presets={"quick": quick, **BOGONET_PRESET, **more.get("presets", {})},
    )


CIFAR10 = _task(
    "cifar10",
    "60,000 colour images of ten kinds of things at 32×32",
    "Krizhevsky, Learning multiple layers of features from tiny images (2009)",
    source=ImageSource.of("cifar10"),
    presets={
        "stackelberg": _STACKELBERG,
        "stackelberg-deep": {**_STACKELBERG, "g_layers": 3},
        "stackelberg-deeper": {**_STACKELBERG, "g_layers": 4},
        # Together 2,951,370 parameters; the generator of dcgan4 with width=64 has 2,962,304.
        "dcgan-capacity": {**_STACKELBERG, "g_width": 21},
        "alpha": _ALPHA,
    },
)

CIFAR100 = _task(
    "cifar100",
    "60,000 colour images of a hundred kinds of things at 32×32",
    "Krizhevsky, Learning multiple layers of features from tiny images (2009)",
    source=ImageSource.of("cifar100"),
    presets={"stackelberg": _STACKELBERG, "alpha": _ALPHA},
)

TINY_IMAGENET32 = _task(
    "tiny-imagenet32",
    "110,000 images of two hundred kinds of things, brought to 32×32",
    "Zhang et al., Stackelberg GAN (2018), at the size of Chrabaszcz et al. (2017)",
    source=ImageSource.of("tiny-imagenet"),
    presets={"stackelberg": _STACKELBERG},
)

CELEBA64 = _task(
    "celeba64",
    "202,599 faces, the middle 128 pixels brought to 64×64",
    "Liu et al., Deep learning face attributes in the wild (2015)",
    source=ImageSource.of("celeba"),
    presets={"tensorflow": _TENSORFLOW, "alpha": {**_ALPHA, "center_crop": 0}},
)

LSUN_BEDROOM64 = _task(
    "lsun-bedroom64",
    "3,033,042 bedrooms, the middle 128 pixels brought to 64×64",
    "Yu et al., LSUN (2015)",
    source=ImageSource.of("lsun-bedroom"),
    presets={"tensorflow": _TENSORFLOW},
)

LSUN_CLASSROOM112 = _task(
    "lsun-classroom112",
    "168,103 classrooms, their middle brought to 112×112",
    "Yu et al., LSUN (2015)",
    source=ImageSource.of("lsun-classroom"),
    defaults={"batch_size": 64},
    presets={"alpha": {**_ALPHA, "batch_size": 64}},
)

EMOJI64 = _task(
    "emoji64",
    "3,786 emoji over white at 64×64",
    "Google's Noto emoji",
    source=ImageSource.of("emoji"),
)

FOLDER = _task(
    "folder",
    "images of your own in a folder, classes from its folders: folder:PATH",
    "your own data",
    source=ImageSource(reader="folder"),
)

ZIP = _task(
    "zip",
    "the same inside a zip file, which is not unpacked: zip:FILE",
    "your own data",
    source=ImageSource(reader="zip"),
)

TAR = _task(
    "tar",
    "the same inside a tar file, plain or compressed: tar:FILE",
    "your own data",
    source=ImageSource(reader="tar"),
)

SHARDS = _task(
    "shards",
    "WebDataset shards of images, or a prepared folder: shards:GLOB",
    "your own data",
    source=ImageSource(reader="shards"),
)

HF = _task(
    "hf",
    "Parquet files, or a folder of the package datasets: hf:PATH",
    "your own data",
    source=ImageSource(reader="hf"),
)

HDF5 = _task("hdf5", "images in an HDF5 file: hdf5:FILE", "your own data", source=ImageSource(reader="hdf5"))

TFRECORD = _task(
    "tfrecord",
    "TFRecord files of images, read without TensorFlow: tfrecord:PATH",
    "your own data",
    source=ImageSource(reader="tfrecord"),
)
