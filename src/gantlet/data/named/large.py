"""Large sets of photographs: CelebA, and two categories of LSUN."""

from gantlet.data.dataset_card import DatasetCard, RemoteFile

__all__ = ["CELEBA", "LSUN_BEDROOM", "LSUN_CLASSROOM"]

_LSUN = "http://dl.yf.io/lsun/scenes/"
_LSUN_HOME = "https://www.yf.io/p/lsun"
_LSUN_PAPER = "Yu et al., LSUN: construction of a large-scale image dataset using deep learning (2015)"

CELEBA = DatasetCard(
    name="celeba",
    title="Large-scale CelebFaces Attributes, aligned and cropped",
    summary="202,599 faces, aligned, 178×218",
    licence="non-commercial research only",
    home="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    paper="Liu, Luo, Wang & Tang, Deep learning face attributes in the wild (2015)",
    size="178×218 RGB",
    pictures={"train": 162_770, "test": 19_962},
    reader="celeba",
    files=(
        RemoteFile(name="img_align_celeba.zip", md5="00d2c5bc6d35e252742224ab0c1e8fcb", size=1_443_490_838),
        RemoteFile(name="list_eval_partition.txt", md5="d32c9cbf5e040fd4025c592c306e6668"),
    ),
    split="by list_eval_partition.txt; its 19,867 validation images are left out",
    height=64,
    width=64,
    center_crop=128,
    how=(
        "Fetch img_align_celeba.zip and list_eval_partition.txt by hand from the home page (it asks for consent), put "
        "both into one folder, then `gantlet data import celeba FOLDER`."
    ),
)

LSUN_BEDROOM = DatasetCard(
    name="lsun-bedroom",
    title="LSUN, the category bedroom",
    summary="3,033,042 photographs of bedrooms, shorter side 256, of any shape",
    licence="none stated; for research",
    home=_LSUN_HOME,
    paper=_LSUN_PAPER,
    size="shorter side 256, RGB",
    pictures={"train": 3_033_042, "test": 300},
    reader="lsun",
    files=(
        RemoteFile(name="bedroom_train_lmdb.zip", urls=(f"{_LSUN}bedroom_train_lmdb.zip",)),
        RemoteFile(name="bedroom_val_lmdb.zip", urls=(f"{_LSUN}bedroom_val_lmdb.zip",)),
    ),
    may_lack=("test",),
    unpacked=True,
    split="the validation images are the test set",
    height=64,
    width=64,
    center_crop=128,
)

LSUN_CLASSROOM = DatasetCard(
    name="lsun-classroom",
    title="LSUN, the category classroom",
    summary="168,103 photographs of classrooms, shorter side 256, of any shape",
    licence="none stated; for research",
    home=_LSUN_HOME,
    paper=_LSUN_PAPER,
    size="shorter side 256, RGB",
    pictures={"train": 168_103, "test": 300},
    reader="lsun",
    files=(
        RemoteFile(name="classroom_train_lmdb.zip", urls=(f"{_LSUN}classroom_train_lmdb.zip",)),
        RemoteFile(name="classroom_val_lmdb.zip", urls=(f"{_LSUN}classroom_val_lmdb.zip",)),
    ),
    may_lack=("test",),
    unpacked=True,
    split="the validation images are the test set",
    height=112,
    width=112,
)
