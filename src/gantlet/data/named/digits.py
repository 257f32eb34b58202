"""MNIST and its kin: small grey images in idx files.

The hashes of the packed files are those that torchvision checks; those of their content let a copy pass that was
packed anew.
"""

from gantlet.data.dataset_card import DatasetCard, RemoteFile

__all__ = ["EMNIST", "FASHION_MNIST", "MNIST", "STACKED_MNIST"]

_MNIST = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)
_FASHION = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
_NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def _files(places: tuple[str, ...], *rows: tuple[int, str, str]) -> tuple[RemoteFile, ...]:
    """The four usual files; a row is the length and MD5 of the .gz, and the MD5 of what it holds."""
    return tuple(
        RemoteFile(
            name=f"{name}.gz",
            urls=tuple(f"{place}{name}.gz" for place in places),
            md5=md5,
            content_md5=content,
            size=size,
        )
        for name, (size, md5, content) in zip(_NAMES, rows, strict=True)
    )


MNIST = DatasetCard(
    name="mnist",
    title="The MNIST database of handwritten digits",
    summary="70,000 handwritten digits, grey, 28×28",
    licence="CC BY-SA 3.0",
    home="http://yann.lecun.com/exdb/mnist/",
    paper="LeCun et al., Gradient-based learning applied to document recognition (1998)",
    size="28×28 grey",
    pictures={"train": 60_000, "test": 10_000},
    reader="idx",
    files=_files(
        _MNIST,
        (9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873", "6bbc9ace898e44ae57da46a324031adb"),
        (28_881, "d53e105ee54ea40749a09fcbcd1e9432", "a25bea736e30d166cdddb491f175f624"),
        (1_648_877, "9fb629c4189551a2d022fa330f9573f3", "2646ac647ad5339dbf082846283269ea"),
        (4_542, "ec29112dd5afa0611ce80d1b7f02629c", "27ae3e4e09519cfbb04c329615203637"),
    ),
    split="as in the files",
    height=28,
    width=28,
    colour="grey",
    classes=10,
)

FASHION_MNIST = DatasetCard(
    name="fashion-mnist",
    title="Fashion-MNIST",
    summary="70,000 images of clothes, grey, 28×28",
    licence="MIT",
    home="https://github.com/zalandoresearch/fashion-mnist",
    paper="Xiao, Rasul & Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking machine learning (2017)",
    size="28×28 grey",
    pictures={"train": 60_000, "test": 10_000},
    reader="idx",
    files=_files(
        _FASHION,
        (26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d", "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
        (29_515, "25c81989df183df01b3e8a0aad5dffbe", "9018921c3c673c538a1fc5bad174d6f9"),
        (4_422_102, "bef4ecab320f06d8554ea6380940ec79", "8181f5470baa50b63fa0f6fddb340f0a"),
        (5_148, "bb300cfdad3c16e7a12a480ee83cd310", "15d484375f8d13e6eb1aabb0c3f46965"),
    ),
    split="as in the files",
    height=28,
    width=28,
    colour="grey",
    classes=10,
)

EMNIST = DatasetCard(
    name="emnist",
    title="EMNIST, an extension of MNIST to handwritten letters (the balanced split)",
    summary="131,600 handwritten digits and letters of 47 classes, grey, 28×28",
    licence="none stated; drawn from NIST Special Database 19",
    home="https://www.nist.gov/itl/products-and-services/emnist-dataset",
    paper="Cohen, Afshar, Tapson & van Schaik, EMNIST: an extension of MNIST to handwritten letters (2017)",
    size="28×28 grey",
    pictures={"train": 112_800, "test": 18_800},
    reader="idx",
    within="emnist-balanced",
    unpacked=True,
    files=(
        RemoteFile(
            name="gzip.zip",
            urls=(
                "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",
                "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/gzip.zip",
            ),
            md5="58c8d27c78d21e728a6bc7b3cc06412e",
            size=561_753_746,
        ),
    ),
    split="as in the files of the balanced split, turned upright",
    height=28,
    width=28,
    colour="grey",
    classes=47,
)

STACKED_MNIST = DatasetCard(
    name="stacked-mnist",
    title="Stacked MNIST",
    summary="three digits as the red, green and blue of one image: 1,000 modes",
    licence="as MNIST",
    home="http://yann.lecun.com/exdb/mnist/",
    paper="Metz, Poole, Pfau & Sohl-Dickstein, Unrolled generative adversarial networks (2017)",
    size="28×28 RGB",
    pictures={"train": 100_000, "test": 25_000},
    reader="idx",
    split="training images are drawn from MNIST's training digits, test images from its test digits",
    height=28,
    width=28,
    classes=1_000,
    made_from="mnist",
)
