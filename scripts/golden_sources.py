"""Small files in every layout that gantlet reads, made up from fixed draws: what ``scripts/golden`` loads and trains on.

Everything is written anew into a folder; the same call writes the same pixels on any day. Legend: ``N`` images.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import lmdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

__all__ = ["SOURCES", "TABLE", "SourceCase", "pixels"]

IMAGES = 40


def pixels(seed: int, *shape: int) -> NDArray[np.uint8]:
    """Smooth random pixels of any shape, so that JPEG and resizing have something to keep."""
    coarse = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.int64)
    return ((coarse + np.roll(coarse, 1, 0) + np.roll(coarse, 1, 1)) // 3).astype(np.uint8)


def encoded(number: int) -> tuple[str, bytes]:
    """The ending and the content of an image file: sizes, modes and formats go round by ``number``."""
    height, width = 16 + number % 7, 18 + number % 5
    colour = pixels(number, height, width, 3)
    stream = io.BytesIO()
    match number % 8:
        case 0:
            Image.fromarray(colour).save(stream, "JPEG", quality=90)
            return "jpg", stream.getvalue()
        case 1:  # turned by its EXIF tag
            exif = Image.Exif()
            exif[0x0112] = 1 + number % 8
            Image.fromarray(colour).save(stream, "JPEG", quality=90, exif=exif)
            return "jpeg", stream.getvalue()
        case 2:
            Image.fromarray(colour[..., 0]).save(stream, "PNG")
        case 3:
            Image.fromarray(np.dstack([colour, pixels(number + 100, height, width)])).save(stream, "PNG")
        case 4:
            Image.fromarray(colour).quantize(16).save(stream, "PNG")
        case 5:
            Image.fromarray(colour[..., 0].astype(np.uint16) * 257).save(stream, "PNG")
        case 6:
            Image.fromarray(colour).save(stream, "WEBP", lossless=True)
            return "webp", stream.getvalue()
        case _:
            Image.fromarray(colour).save(stream, "PNG")
    return "png", stream.getvalue()


FILES = {
    f"{'cats' if number % 3 else 'dogs'}/{number:02d}.{ending}": content
    for number, (ending, content) in enumerate(map(encoded, range(IMAGES)))
}


def write_files(root: Path, files: Mapping[str, bytes] = FILES) -> Path:
    """Files below a folder."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def write_split_folder(root: Path) -> Path:
    """A folder with parts of its own: train/ and test/."""
    return write_files(
        root, {f"{'test' if i % 4 == 3 else 'train'}/{name}": FILES[name] for i, name in enumerate(FILES)}
    )


def write_faulty_folder(root: Path) -> Path:
    """A folder in which two files cannot be read."""
    return write_files(root, {**FILES, "cats/broken.png": b"no image", "dogs/short.jpg": FILES["dogs/00.jpg"][:99]})


def write_zip(root: Path, files: Mapping[str, bytes] = FILES, name: str = "images.zip") -> Path:
    """A zip, deflated."""
    with zipfile.ZipFile(root / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, content in files.items():
            archive.writestr(each, content)
    return root / name


def write_tar(root: Path, files: Mapping[str, bytes] = FILES, name: str = "images.tar") -> Path:
    """A tar, compressed where its name ends in .gz."""
    with tarfile.open(root / name, "w:gz" if name.endswith("gz") else "w") as archive:
        for each, content in files.items():
            entry = tarfile.TarInfo(each)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return root / name


def write_shards(root: Path) -> Path:
    """Two WebDataset shards with classes; the path is a glob."""
    for shard in range(2):
        inside: dict[str, bytes] = {}
        for number in range(shard, IMAGES, 2):
            ending, content = encoded(number)
            inside |= {f"{number:04d}.{ending}": content, f"{number:04d}.cls": str(number % 3).encode()}
        write_tar(root, inside, f"part-{shard:04d}.tar")
    return root / "part-*.tar"


def write_parquet(root: Path) -> Path:
    """A Parquet file with an image and a label column, as the package ``datasets`` writes it."""
    features = {"image": {"_type": "Image"}, "label": {"names": ["a", "b"], "_type": "ClassLabel"}}
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = [{"bytes": content, "path": name} for name, content in FILES.items()]
    table = pa.table({"image": pa.array(cells, kind), "label": [number % 2 for number in range(IMAGES)]})
    noted = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(noted), root / "train-0.parquet", row_group_size=16)
    return root / "train-0.parquet"


def write_hdf5(root: Path) -> Path:
    """An HDF5 file with a training and a test part."""
    with h5py.File(root / "x.h5", "w") as file:
        for part, count in (("train", 30), ("test", 10)):
            file[f"{part}/images"], file[f"{part}/labels"] = pixels(count, count, 12, 14, 3), np.arange(count) % 3
    return root / "x.h5"


def idx(values: NDArray[np.uint8]) -> bytes:
    """An array as an idx file."""
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write_idx(root: Path) -> Path:
    """The four files of MNIST with 600 and 100 images."""
    for part, count in (("train", 600), ("t10k", 100)):
        labels = np.arange(count, dtype=np.uint8) % 10
        images = pixels(count, count, 28, 28) // 2 + labels[:, None, None] * 12
        files = {f"{part}-images-idx3-ubyte": idx(images), f"{part}-labels-idx1-ubyte": idx(labels)}
        write_files(root, files)
    return root


def write_cifar(root: Path, names: Iterable[str], key: bytes) -> Path:
    """Pickled batches, eight images each."""
    for number, name in enumerate(names):
        batch = {b"data": pixels(number, 8, 3072), key: [place % 3 for place in range(8)]}
        (root / name).write_bytes(pickle.dumps(batch, protocol=2))
    return root


def write_tiny_imagenet(root: Path) -> Path:
    """A zip as published, with two classes."""
    jpegs = [encoded(8 * number)[1] for number in range(8)]
    files = {f"tiny-imagenet-200/train/n{i % 2}/images/{i}.JPEG": content for i, content in enumerate(jpegs)}
    files |= {f"tiny-imagenet-200/val/images/{i}.JPEG": content for i, content in enumerate(jpegs[:4])}
    files["tiny-imagenet-200/val/val_annotations.txt"] = "".join(f"{i}.JPEG\tn{i % 2}\n" for i in range(4)).encode()
    return write_zip(root, files, "tiny-imagenet-200.zip")


def write_celeba(root: Path) -> Path:
    """The zip of faces and the list of parts beside it."""
    faces = {f"img_align_celeba/{i:06d}.jpg": jpeg(i, 218, 178) for i in range(9)}
    write_zip(root, faces, "img_align_celeba.zip")
    parts = "".join(f"{i:06d}.jpg {0 if i < 5 else 1 if i < 6 else 2}\n" for i in range(9))
    (root / "list_eval_partition.txt").write_text(parts)
    return root


def write_lsun(root: Path) -> Path:
    """A database of each part."""
    for part, count in (("train", 8), ("val", 3)):
        with lmdb.open(str(root / f"bedroom_{part}_lmdb"), map_size=1 << 24) as base, base.begin(write=True) as change:
            for number in range(count):
                change.put(f"{number * 7919:040x}".encode(), jpeg(number, 140, 150))
    return root


def write_emoji(root: Path) -> Path:
    """The package as it unpacks, twelve images in three categories."""
    names = [f"1f6{number:02d}.png" for number in range(12)]
    shown = {name: encoded(8 * number + 3)[1] for number, name in enumerate(names)}
    table = [{"image": name, "category": f"Category {number % 3}"} for number, name in enumerate(names)]
    write_files(root, {f"img/google/64/{name}": content for name, content in shown.items()})
    return write_files(root, {"emoji.json": json.dumps(table).encode()})


def jpeg(seed: int, height: int, width: int) -> bytes:
    """A JPEG of a size."""
    stream = io.BytesIO()
    Image.fromarray(pixels(seed, height, width, 3)).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def write_array(name: str, values: NDArray[np.generic]) -> Callable[[Path], Path]:
    """Writes one array as .npy, .npz or .csv."""

    def write(root: Path) -> Path:
        path = root / name
        if name.endswith(".npy"):
            np.save(path, values)
        elif name.endswith(".npz"):
            np.savez_compressed(path, images=values)
        else:
            np.savetxt(path, values, fmt="%.9g", delimiter=",", header="height,weight,age", comments="")
        return path

    return write


TABLE = np.random.default_rng(3).normal((170, 65, 40), (9, 12, 15), (200, 3))
GREY, COLOUR = pixels(1, 60, 16, 18), pixels(2, 60, 16, 18, 3)
SMALL: Mapping[str, object] = {"size": "16"}


@dataclass(frozen=True)
class SourceCase:
    """A data set to load: the task that reads it, who writes its files (None: it needs none), and its keys."""

    task: str
    write: Callable[[Path], Path] | None = None
    keys: Mapping[str, object] | None = None


def _cifar10(root: Path) -> Path:
    return write_cifar(root, [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"], b"labels")


def _cifar100(root: Path) -> Path:
    return write_cifar(root, ("train", "test"), b"fine_labels")


SOURCES: dict[str, SourceCase] = {
    "ring8": SourceCase("ring8"),
    "grid25": SourceCase("grid25"),
    "mixture8": SourceCase("mixture8"),
    "grid100": SourceCase("grid100"),
    "rotated100": SourceCase("rotated100"),
    "staggered100": SourceCase("staggered100"),
    "digits": SourceCase("digits"),
    "points npy": SourceCase("points", write_array("x.npy", TABLE)),
    "points npz": SourceCase("points", write_array("x.npz", TABLE.astype(np.float32))),
    "points csv": SourceCase("points", write_array("x.csv", TABLE)),
    "points standardised": SourceCase("points", write_array("x.csv", TABLE), {"standardise": True}),
    "points another split": SourceCase("points", write_array("x.npy", TABLE), {"test_share": 0.37, "data_seed": 5}),
    "images grey": SourceCase("images", write_array("x.npy", GREY)),
    "images colour npz": SourceCase("images", write_array("x.npz", COLOUR)),
    "images channels first": SourceCase("images", write_array("x.npy", np.moveaxis(COLOUR, 3, 1))),
    "images from 0 to 1": SourceCase("images", write_array("x.npy", (GREY / 255).astype(np.float32))),
    "images from -1 to 1": SourceCase("images", write_array("x.npy", (COLOUR / 127.5 - 1).astype(np.float32))),
    "images in doubles": SourceCase("images", write_array("x.npy", GREY / 255)),
    "images another split": SourceCase("images", write_array("x.npy", GREY), {"test_share": 0.37, "data_seed": 5}),
    "mnist": SourceCase("mnist", write_idx),
    "mnist, fewer": SourceCase("mnist", write_idx, {"train_size": 99, "test_size": 33}),
    "fashion-mnist": SourceCase("fashion-mnist", write_idx),
    "stacked-mnist": SourceCase("stacked-mnist", write_idx, {"train_size": 300, "test_size": 50}),
    "stacked-mnist from 0 to 1": SourceCase(
        "stacked-mnist", write_idx, {"train_size": 300, "test_size": 50, "pixel_range": "0..1", "data_seed": 4}
    ),
    "folder": SourceCase("folder", write_files, SMALL),
    "folder, streamed": SourceCase("folder", write_files, {**SMALL, "memory": "streamed"}),
    "folder, padded": SourceCase("folder", write_files, {**SMALL, "fit": "pad", "background": "#336699"}),
    "folder, stretched": SourceCase("folder", write_files, {"size": "12x20", "fit": "stretch"}),
    "folder, cut first": SourceCase("folder", write_files, {**SMALL, "precrop": 16}),
    "folder, every second pixel": SourceCase(
        "folder", write_files, {"size": "8", "precrop": 16, "resample": "nearest2"}
    ),
    "folder, grey": SourceCase("folder", write_files, {**SMALL, "colour": "grey", "flips": True}),
    "folder, fewer": SourceCase("folder", write_files, {**SMALL, "train_size": 9, "test_size": 5, "data_seed": 3}),
    "folder with parts": SourceCase("folder", write_split_folder, SMALL),
    "folder with faults": SourceCase("folder", write_faulty_folder, {**SMALL, "max_bad": 0.1}),
    "zip": SourceCase("zip", write_zip, SMALL),
    "tar": SourceCase("tar", write_tar, SMALL),
    "tar.gz": SourceCase("tar", lambda root: write_tar(root, name="images.tar.gz"), SMALL),
    "shards": SourceCase("shards", write_shards, SMALL),
    "hf": SourceCase("hf", write_parquet, SMALL),
    "hdf5": SourceCase("hdf5", write_hdf5, SMALL),
    "cifar10": SourceCase("cifar10", _cifar10),
    "cifar100": SourceCase("cifar100", _cifar100),
    "tiny-imagenet32": SourceCase("tiny-imagenet32", write_tiny_imagenet),
    "celeba64": SourceCase("celeba64", write_celeba),
    "lsun-bedroom64": SourceCase("lsun-bedroom64", write_lsun),
    "emoji64": SourceCase("emoji64", write_emoji),
}
"""Every kind of data set that can be loaded without the network, by a name of its own."""
