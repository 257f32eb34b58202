"""Images: how fast they are prepared, whether training waits for them, and what many of them cost.

The baselines are the usual ways, in the same process: for preparing, a plain loop over the files with Pillow; for a
resident pool, a copy of the pool as floating point for each member. What is streamed is compared with its own step.

``GANTLET_BENCH_IMAGES=FILE.zip`` prepares the user's images; without it 10,000 JPEGs are made up.

Legend: ``S`` members, ``B`` batch, ``C`` channels, ``H`` x ``W`` pixels.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import median

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from PIL import Image

from gantlet.cpu import threads_set
from gantlet.data.base import Dataset
from gantlet.data.decode import Decoding
from gantlet.data.images import ImageSource
from gantlet.data.prepare import PrepareRecipe, prepare_images
from gantlet.data.prepared import FORMAT, PAGE, ShardRecord
from gantlet.data.resize import Resize
from gantlet.data.shards import write_shard
from gantlet.data.stream import Stream
from gantlet.requests.grid import axes_from_mapping
from gantlet.requests.resolve import Request, expand
from gantlet.studies.build import blueprint
from gantlet.training.batch_loader import BatchLoader
from gantlet.training.blueprint import Execution
from gantlet.training.fleet import Fleet
from gantlet.training.randomness import KeyedRandom

from .sections import Section, goal, spread, times

__all__ = ["million", "preparing", "resident", "streaming", "write_set", "zip_of_jpegs"]

MEMBERS, POOL, BATCH = 32, 50_000, 64
MANY, START_GOAL, GROWTH_GOAL = 1_000_000, 5.0, 32.0
RATE_GOAL, WAIT_GOAL = 2500.0, 0.03


def preparing(*, rounds: int) -> Section:
    """Images per second from a zip of JPEGs to shards, against a plain loop that saves an array."""
    with tempfile.TemporaryDirectory() as name:
        given = os.environ.get("GANTLET_BENCH_IMAGES", "")
        path = Path(given) if given else zip_of_jpegs(Path(name, "made.zip"), 10_000)
        recipe = PrepareRecipe("zip", str(path), Decoding(), Resize(32, 32))
        rates: dict[str, list[float]] = {"a plain loop": [], "gantlet, one worker": [], "gantlet, as it comes": []}
        count = 0
        for place in range(rounds):
            for label, workers in (("gantlet, one worker", 1), ("gantlet, as it comes", 0)):
                began = time.perf_counter()
                count = len(prepare_images(recipe, Path(name, f"{place}-{workers}"), workers=workers))
                rates[label].append(count / (time.perf_counter() - began))
            began = time.perf_counter()
            np.save(Path(name, f"{place}.npy"), np.stack(list(_plain(path))))
            rates["a plain loop"].append(count / (time.perf_counter() - began))
    base = median(rates["a plain loop"])
    rows = [(label, spread(values, 0), times(median(values) / base)) for label, values in rates.items()]
    rate = median(rates["gantlet, as it comes"])
    notes = [goal(f"Images per second, of {count:,}", rate, least=RATE_GOAL)]
    return Section("preparing", ("way", "images/s", "of a plain loop"), rows, notes, {"per_second": rate})


def streaming(*, rounds: int) -> Section:
    """The share of a step at 64×64 that is spent waiting for a streamed pool; the network is the task's default."""
    rows: list[tuple[str, ...]] = []
    shares: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        write_set(Path(name), 20_000, (3, 64, 64))
        dataset = ImageSource(data_path=name, in_memory="false", test_size=100).load()
        fleet, stream = _fleet(name, dataset), dataset.streamed
        assert isinstance(stream, Stream)
        with threads_set(1):  # as in a study: a process per core
            fleet.advance()
            for _ in range(rounds):
                waited, began = stream.waited, time.perf_counter()
                for _ in range(10):
                    fleet.advance()
                spent = time.perf_counter() - began
                shares.append((stream.waited - waited) / spent)
                rows.append(("10 steps", f"{spent:.2f}", f"{shares[-1]:.2%}"))
        index = torch.randint(0, dataset.size, (BATCH,))
        alone = median(_seconds(lambda: stream.take(index)) for _ in range(20))
    notes = [
        f"A batch of {BATCH} that was not fetched ahead takes {1e3 * alone:.1f} ms.",
        goal("Median share of a step spent waiting", median(shares), most=WAIT_GOAL),
    ]
    return Section("streaming", ("window", "seconds", "waiting"), rows, notes, {"waiting": median(shares)})


def million() -> Section:
    """A million images in shards: seconds to the first batch, and what memory does over 2,000 batches."""
    with tempfile.TemporaryDirectory() as name:
        write_set(Path(name), MANY, (1, 8, 8))
        program = f"from benchmarks.image_pipeline import stream_many; stream_many({name!r})"
        answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    found = json.loads(answer.stdout)
    rows = [
        ("seconds from the folder to the first batch", f"{found['start']:.2f}"),
        ("MiB before it was opened", f"{found['before']:.0f}"),
        ("MiB after the first batch", f"{found['first']:.0f}"),
        ("MiB after 2,000 batches", f"{found['last']:.0f}"),
        ("batches of 64 per second, not fetched ahead by a step", f"{found['rate']:.0f}"),
    ]
    notes = [
        goal("Seconds to start", found["start"], most=START_GOAL),
        goal("MiB that 2,000 batches add", found["last"] - found["first"], most=GROWTH_GOAL),
    ]
    return Section("million", ("a million images", ""), rows, notes, found)


def stream_many(folder: str) -> None:
    """Open a set, stream it, and say as JSON what it took; runs in a process of its own."""
    before = _mebibytes()
    began = time.perf_counter()
    dataset = ImageSource(data_path=folder, in_memory="false", test_size=1000).load()
    loader = BatchLoader(
        dataset, KeyedRandom((1,), device=torch.device("cpu"), dtype=torch.float32), batch=BATCH, kind="fixed"
    )
    loader.real(0)
    start, first = time.perf_counter() - began, _mebibytes()
    began = time.perf_counter()
    for update in range(1, 2001):
        loader.real(update)
    rate = 2000 / (time.perf_counter() - began)
    print(json.dumps({"start": start, "before": before, "first": first, "last": _mebibytes(), "rate": rate}))


def resident() -> Section:
    """What a pool of 50,000 colour images adds to a process for one member, for 32, and as a copy for each."""
    pool = torch.from_numpy(_noise(POOL, (3, 32, 32)))
    dataset = Dataset(pool, pool[:2].float())
    size = pool.numel() / 2**20
    rows: list[tuple[str, ...]] = [("the pool itself, 8-bit", f"{size:.0f}")]
    grew: dict[int, float] = {}
    for members in (1, MEMBERS):
        with _growth() as found:
            draws = KeyedRandom(range(members), device=torch.device("cpu"), dtype=torch.float32)
            loader = BatchLoader(dataset, draws, batch=BATCH, kind="fixed")
            for update in range(20):
                loader.real(update)
        grew[members] = found[0]
        rows.append((f"added by a batch loader of {members}, orders and batches included", f"{found[0]:.0f}"))
    rows.append((f"{MEMBERS} copies as floating point would be", f"{4 * size * MEMBERS:.0f}"))
    notes = [goal(f"MiB that {MEMBERS} members add, in pools", grew[MEMBERS] / size, most=1.0)]
    return Section("resident", ("50,000 × 3×32×32", "MiB"), rows, notes, {"added_mib": grew[MEMBERS]})


def zip_of_jpegs(path: Path, count: int) -> Path:
    """A zip of small JPEGs of smooth random images, in ten folders."""
    coarse = np.random.default_rng(1).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for place, one in enumerate(coarse):
            stream = io.BytesIO()
            Image.fromarray(one).resize((32, 32), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
            archive.writestr(f"train/{place % 10}/{place:05d}.jpg", stream.getvalue())
    return path


def write_set(folder: Path, count: int, shape: tuple[int, int, int], *, per_shard: int = 10_000) -> None:
    """A prepared set of noise, written without preparing."""
    noise, shards = _noise(1000, shape), []
    for start in range(0, count, per_shard):
        here = min(per_shard, count - start)
        path = folder / f"all-{start // per_shard:05d}.npy"
        count, sha256 = write_shard(path, shape, (noise[place % len(noise)] for place in range(here)))
        shards.append(asdict(ShardRecord(path.name, "", count, sha256)))
    np.save(folder / "labels.npy", np.full(count, -1, np.int32))
    recipe = asdict(PrepareRecipe("made", "noise", Decoding(), Resize(*shape[1:])))
    page = {"format": FORMAT, "shape": shape, "classes": [], "bad": 0, "recipe": recipe, "source": {}, "shards": shards}
    (folder / PAGE).write_text(json.dumps(page), encoding="utf-8")


def _fleet(folder: str, dataset: Dataset) -> Fleet:
    keys = {"data_path": folder, "memory": "streamed", "batch_size": BATCH}
    (setting,) = expand(Request("folder", ("vanilla",), tuple(axes_from_mapping(keys))))
    return Fleet(blueprint([(setting, 1)], dataset.specification, Execution(route="loop")), dataset)


def _plain(path: Path) -> Iterator[NDArray[np.uint8]]:
    """What a script would do."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".jpg"):
                yield np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB").resize((32, 32)))


def _noise(count: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (count, *shape), dtype=np.uint8)


@contextmanager
def _growth() -> Generator[list[float]]:
    """How many MiB the process grew inside."""
    before, found = _mebibytes(), [0.0]
    yield found
    found[0] = _mebibytes() - before


def _mebibytes() -> float:
    return psutil.Process().memory_info().rss / 2**20


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
