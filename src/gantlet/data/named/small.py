"""Small colour images: CIFAR-10, CIFAR-100, Tiny ImageNet, and a free set of emoji.

The hashes of CIFAR are those that torchvision checks.
"""

from gantlet.data.dataset_card import DatasetCard, RemoteFile

__all__ = ["CIFAR10", "CIFAR100", "EMOJI", "TINY_IMAGENET"]

_CIFAR_PAPER = "Krizhevsky, Learning multiple layers of features from tiny images (2009)"
_CIFAR_HOME = "https://www.cs.toronto.edu/~kriz/cifar.html"

CIFAR10 = DatasetCard(
    name="cifar10",
    title="CIFAR-10",
    summary="60,000 photographs of 10 classes, 32×32",
    licence="none stated; the authors ask to be cited",
    home=_CIFAR_HOME,
    paper=_CIFAR_PAPER,
    size="32×32 RGB",
    pictures={"train": 50_000, "test": 10_000},
    reader="cifar",
    files=(
        RemoteFile(
            name="cifar-10-python.tar.gz",
            urls=("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
            md5="c58f30108f718f92721af3b95e74349a",
            size=170_498_071,
        ),
    ),
    split="as in the files",
    height=32,
    width=32,
    classes=10,
)

CIFAR100 = DatasetCard(
    name="cifar100",
    title="CIFAR-100",
    summary="60,000 photographs of 100 classes, 32×32",
    licence="none stated; the authors ask to be cited",
    home=_CIFAR_HOME,
    paper=_CIFAR_PAPER,
    size="32×32 RGB",
    pictures={"train": 50_000, "test": 10_000},
    reader="cifar",
    files=(
        RemoteFile(
            name="cifar-100-python.tar.gz",
            urls=("https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",),
            md5="eb9058c3a382ffc7106e4002c42a8d85",
            size=169_001_437,
        ),
    ),
    split="as in the files",
    height=32,
    width=32,
    classes=100,
)

TINY_IMAGENET = DatasetCard(
    name="tiny-imagenet",
    title="Tiny ImageNet",
    summary="110,000 photographs of 200 classes, 64×64",
    licence="ImageNet's terms of access: research and teaching only",
    home="http://cs231n.stanford.edu/",
    paper="Le & Yang, Tiny ImageNet visual recognition challenge (2015)",
    size="64×64 RGB, some grey",
    pictures={"train": 100_000, "test": 10_000},
    reader="tiny-imagenet",
    files=(
        RemoteFile(
            name="tiny-imagenet-200.zip",
            urls=(
                "https://cs231n.stanford.edu/tiny-imagenet-200.zip",
                "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
            ),
            md5="90528d7ca1a48142e341f4ef8d21d0de",
            size=248_100_043,
        ),
    ),
    split="the validation images are the test set; those of the challenge's test have no labels and are left out",
    height=32,
    width=32,
    classes=200,
)

EMOJI = DatasetCard(
    name="emoji",
    title="Noto emoji, as emoji-datasource-google 16.0.0 packs them",
    summary="3,786 emoji in 10 unbalanced classes, colour over transparency, 64×64",
    licence="Apache-2.0",
    home="https://github.com/googlefonts/noto-emoji",
    paper="Google, Noto Emoji (2013 onwards); packed by C. Henderson, emoji-data",
    size="64×64 RGBA, LA and palette",
    pictures={"": 3_786},
    reader="emoji",
    files=(
        RemoteFile(
            name="emoji-datasource-google-16.0.0.tgz",
            sha256="fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
            size=74_344_091,
        ),
    ),
    split="not split: a share is held out by data_seed",
    height=64,
    width=64,
    classes=10,
    how=(
        "Fetch the package with `npm pack emoji-datasource-google@16.0.0`, then "
        "`gantlet data import emoji emoji-datasource-google-16.0.0.tgz`."
    ),
)
