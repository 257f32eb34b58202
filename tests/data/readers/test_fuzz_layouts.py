"""Whatever happens to a file of a layout on its way, its reader lists images and faults, or says BadData; nothing else.

Each case damages one file of a small real source by a seed: cut short, bits flipped, bytes overwritten or repeated.
Sources are opened in a process of their own, so that a crash, a hang or a large allocation is seen as such.
"""

from __future__ import annotations

import io
import json
import pickle
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import lmdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gantlet.data.readers.base import Fault, open_reader
from gantlet.errors import BadData, BadImage

RANDOM = np.random.default_rng(12)
GREY = RANDOM.integers(0, 256, (6, 5, 4), dtype=np.uint8)
FLAT = RANDOM.integers(0, 256, (3, 3072), dtype=np.uint8)
FILES = [RANDOM.bytes(90) for _ in range(6)]


def idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write_idx(folder: Path) -> Path:
    for part in ("train", "t10k"):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(GREY))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.arange(6, dtype=np.uint8)))
    return folder


def write_npy(folder: Path) -> Path:
    np.save(folder / "x.npy", GREY)
    return folder / "x.npy"


def write_npz(folder: Path) -> Path:
    np.savez_compressed(folder / "x.npz", x_train=GREY, y_train=np.arange(6))
    return folder / "x.npz"


def write_cifar(folder: Path) -> Path:
    for name in ("train", "test"):
        batch = {b"data": FLAT, b"fine_labels": [0, 1, 1], b"filenames": [b"a.png", b"b.png"]}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2 if name == "train" else 5))
    (folder / "meta").write_bytes(pickle.dumps({b"fine_label_names": [b"a", b"b"]}, protocol=2))
    return folder


def write_cifar_archive(folder: Path) -> Path:
    with tarfile.open(folder / "cifar.tar.gz", "w:gz") as archive:
        for name in ("train.bin", "test.bin"):
            content = b"".join(b"\0\1" + row.tobytes() for row in FLAT)
            info = tarfile.TarInfo(f"cifar-100-binary/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return folder / "cifar.tar.gz"


def write_lsun(folder: Path) -> Path:
    with lmdb.open(str(folder / "bedroom_train_lmdb"), map_size=2**24) as base, base.begin(write=True) as transaction:
        for i in range(150):
            transaction.put(b"%040x" % (i * 7919), FILES[i % 6] * (1 + 60 * (i % 20 == 0)))
    (folder / "bedroom_train_lmdb" / "lock.mdb").unlink()
    return folder / "bedroom_train_lmdb"


def write_celeba(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        for i in range(6):
            archive.writestr(f"img_align_celeba/{i}.jpg", FILES[i])
    (folder / "list_eval_partition.txt").write_text("".join(f"{i}.jpg {i % 3}\n" for i in range(6)))
    return folder


def write_tiny(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "tiny.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(3):
            archive.writestr(f"tiny-imagenet-200/train/n{i % 2}/images/{i}.JPEG", FILES[i])
            archive.writestr(f"tiny-imagenet-200/val/images/{i}.JPEG", FILES[i])
        archive.writestr(
            "tiny-imagenet-200/val/val_annotations.txt", "".join(f"{i}.JPEG\tn{i % 2}\n" for i in range(3))
        )
    return folder / "tiny.zip"


def write_hdf5(folder: Path) -> Path:
    with h5py.File(folder / "x.h5", "w") as file:
        file.create_dataset("train/images", data=GREY, chunks=(2, 5, 4), compression="gzip")
        file.create_dataset("train/labels", data=np.arange(6))
    return folder / "x.h5"


def write_hdf5_plain(folder: Path) -> Path:
    with h5py.File(folder / "x.h5", "w", libver="latest") as file:
        file["x"], file["y"] = GREY, np.arange(6)
    return folder / "x.h5"


def table() -> pa.Table:
    features = {"image": {"_type": "Image"}, "label": {"names": ["a", "b"], "_type": "ClassLabel"}}
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = [{"bytes": content, "path": "a"} for content in FILES]
    noted = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.table({"image": pa.array(cells, kind), "label": [0, 1] * 3}).replace_schema_metadata(noted)


def write_parquet(folder: Path) -> Path:
    pq.write_table(table(), folder / "train-0.parquet", row_group_size=2, write_page_checksum=True)
    return folder / "train-0.parquet"


def write_parquet_plain(folder: Path) -> Path:
    pixels = pa.array(GREY.tolist(), pa.list_(pa.list_(pa.uint8())))
    pq.write_table(pa.table({"x": pixels, "class": ["u", "v"] * 3}), folder / "x.parquet", compression="none")
    return folder / "x.parquet"


def write_saved(folder: Path) -> Path:
    with pa.OSFile(str(folder / "data.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table().schema) as stream:
        stream.write_table(table(), max_chunksize=2)
    (folder / "state.json").write_text('{"_data_files": [{"filename": "data.arrow"}], "_split": "train"}')
    return folder


def write_shards(folder: Path) -> Path:
    for kind in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        with tarfile.open(folder / f"s-{kind}.tar", "w", format=kind) as archive:
            for i in range(6):
                for ending, content in (("jpg", FILES[i]), ("cls", b"3"), ("json", b'{"label": 1}')):
                    info = tarfile.TarInfo(f"{'é' * 60 * (i % 2)}{i}.{ending}")
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
    return folder


SOURCES: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "idx": ("idx", write_idx),
    "npy": ("array", write_npy),
    "npz": ("array", write_npz),
    "cifar": ("cifar", write_cifar),
    "cifar archive": ("cifar", write_cifar_archive),
    "lsun": ("lsun", write_lsun),
    "celeba": ("celeba", write_celeba),
    "tiny imagenet": ("tiny-imagenet", write_tiny),
    "hdf5": ("hdf5", write_hdf5),
    "hdf5 plain": ("hdf5", write_hdf5_plain),
    "parquet": ("hf", write_parquet),
    "parquet plain": ("hf", write_parquet_plain),
    "saved": ("hf", write_saved),
    "shards": ("shards", write_shards),
}


def damage(content: bytes, random: np.random.Generator) -> bytes:
    """Cut, flipped, overwritten or repeated; near the start as often as anywhere, since headers stand there."""
    damaged = bytearray(content)
    reach = len(content) if random.random() < 0.6 else min(len(content), 600)
    kind = random.integers(0, 5)
    if kind == 0:
        del damaged[int(random.integers(0, reach)) :]
    elif kind == 1:
        for place in random.integers(0, reach, random.integers(1, 9)):
            damaged[place] ^= 1 << int(random.integers(0, 8))
    elif kind == 2:
        start = int(random.integers(0, reach))
        extreme = random.choice([b"\xff", b"\0", b"\x7f"])
        damaged[start : start + 8] = bytes(extreme) * len(damaged[start : start + 8])
    elif kind == 3:
        start, count = (int(value) for value in random.integers(0, reach, 2))
        damaged[start:start] = damaged[start : start + min(count, 700)]
    else:
        tail = max(len(damaged) - 900, 0)  # where archives and tables keep their lists
        for place in random.integers(tail, len(damaged), random.integers(1, 5)):
            damaged[place] = int(random.integers(0, 256))
    return bytes(damaged)


def said(outcome: str, error: Exception) -> str:
    assert str(error).strip(), "An error without a sentence."
    return outcome


def try_one(kind: str, path: str) -> str:
    """Open and read a source; what came of it."""
    try:
        reader = open_reader(kind, path)
    except BadData as error:
        return said("refused", error)
    outcome = "read"
    assert all(isinstance(fault, Fault) and fault.reason for fault in reader.faults)
    for place, entry in enumerate(reader.entries[:200]):
        assert isinstance(entry.name, str)
        assert isinstance(entry.label, str)
        assert entry.part in ("", "train", "test")
        try:
            raw = reader.read(place)
        except BadImage as error:
            outcome = said("bad picture", error)
            continue
        if isinstance(raw, np.ndarray):
            assert raw.dtype == np.uint8
            assert raw.ndim == 2 or (raw.ndim == 3 and raw.shape[2] in (1, 3, 4))
        else:
            assert raw
    reader.close()
    return outcome


def run_cases(name: str, cases: range, folder: Path) -> dict[str, int]:
    """Damage and try; how often each outcome came."""
    kind, write = SOURCES[name]
    (folder / "whole").mkdir()
    path = write(folder / "whole").relative_to(folder / "whole")
    assert try_one(kind, str(folder / "whole" / path)) == "read"
    files = sorted(file.relative_to(folder / "whole") for file in (folder / "whole").rglob("*") if file.is_file())
    outcomes: dict[str, int] = {}
    for case in cases:
        random = np.random.default_rng([case, len(name)])
        victim = files[int(random.integers(0, len(files)))]
        shutil.copytree(folder / "whole", folder / "case")
        (folder / "case" / victim).write_bytes(damage((folder / "whole" / victim).read_bytes(), random))
        print(f"{name} {case}", file=sys.stderr, flush=True)
        outcome = try_one(kind, str(folder / "case" / path))
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        shutil.rmtree(folder / "case")
    return outcomes


LIMITED = """
import json, resource, sys, warnings
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_fuzz_layouts as fuzz
warnings.simplefilter("error")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
resource.setrlimit(resource.RLIMIT_CPU, (240, 240))
outcomes = {}
for number, name in enumerate(json.loads(sys.argv[3])):
    folder = Path(sys.argv[2], str(number))
    folder.mkdir()
    outcomes[name] = fuzz.run_cases(name, range(int(sys.argv[4]), int(sys.argv[5])), folder)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps({"outcomes": outcomes, "grown": grown // 1024}))
"""


def fuzz(names: list[str], cases: range, folder: Path) -> dict[str, dict[str, int]]:
    """Run the cases of some sources in a process of their own, and see to its end and its memory."""
    here = str(Path(__file__).parent)
    given = [here, str(folder), json.dumps(names), str(cases.start), str(cases.stop)]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *given], capture_output=True, text=True, timeout=560, check=False
    )
    assert done.returncode == 0, f"status {done.returncode}: {done.stderr[-3000:]}"
    found = json.loads(done.stdout)
    assert found["grown"] < 300, f"{found['grown']} MiB more than before"
    return found["outcomes"]


@pytest.mark.slow
def test_a_hundred_and_fifty_damaged_sources(tmp_path: Path) -> None:
    outcomes = fuzz(list(SOURCES), range(12), tmp_path)
    assert sum(count for found in outcomes.values() for count in found.values()) == 12 * len(SOURCES) >= 150
    seen = {outcome for found in outcomes.values() for outcome in found}
    assert seen == {"read", "refused", "bad picture"}


@pytest.mark.slow
def test_three_thousand_damaged_sources(tmp_path: Path) -> None:
    outcomes: dict[str, Any] = fuzz(list(SOURCES), range(1000, 1220), tmp_path)
    assert {name: sum(found.values()) for name, found in outcomes.items()} == dict.fromkeys(
        SOURCES, 220
    )  # 3,080 in all
    assert all(found["refused"] > 20 for found in outcomes.values())
