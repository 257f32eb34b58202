"""What can be compared: images in folders, archives and arrays, samples of a study's member or model folder, features, statistics.

Written as ``KIND:PATH``, as for ``gantlet data``, or as a path alone: a folder of images, an archive, an array file, a study
folder (``DIR`` where it has one member, else ``DIR:RUN``), a model folder. A float array ``[N, d]`` is features; an ``.npz`` with ``mu`` and
``sigma`` is statistics, and so is torch-fidelity's ``.pt``.

Legend: ``N`` images or samples, ``d`` features, ``C`` channels, ``H`` x ``W`` pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gantlet.data.data_dir import have, locate
from gantlet.data.dataset_card import card_or_none
from gantlet.data.decode import Decoding
from gantlet.data.readers.base import open_reader, reader_for
from gantlet.errors import BadData, BadImage, BadValue, GantletError
from gantlet.exports.model_folder import read_model
from gantlet.metrics.distances import Moments, fixed_order
from gantlet.metrics.features.base import Features
from gantlet.metrics.features.pixels import quantised
from gantlet.metrics.gaussian_fit import read_statistics
from gantlet.studies.members import find_member
from gantlet.studies.model_record import is_model_folder
from gantlet.studies.store import Store
from gantlet.studies.trust import allow

from .sampler import draw_member

__all__ = ["FeatureSet", "ImageSet", "StatisticsSet", "open_set"]

_BATCH, _WAITING = 64, 512
_ARRAYS = (".npy", ".npz")


@dataclass(frozen=True)
class ImageSet:
    """Images that are decoded as they are read, the same ones each time.

    Attributes:
        source: As the user wrote it.
        count: How many.
        batches: Gives ``[n, C, H, W]`` uint8 each, images of one size together.
        facts: What else a card should say, as JSON values.
    """

    source: str
    count: int
    batches: Callable[[], Iterator[Tensor]]
    facts: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class FeatureSet:
    """Features that somebody else read."""

    source: str
    features: Features


@dataclass(frozen=True)
class StatisticsSet:
    """The moments of features that somebody else read."""

    source: str
    moments: Moments


def open_set(
    source: str, *, most: int = 0, seed: int = 1, trust: bool = False
) -> ImageSet | FeatureSet | StatisticsSet:
    """What a user named.

    Arguments:
        source: ``KIND:PATH``, a data set's name, a path, or ``STUDY:RUN``.
        most: Take at most so many images, by a fixed shuffle; 0 for all. Of a study's member so many are drawn; 0: 10,000.
        seed: Of the latents of a study's member.
        trust: Whether parts of a study's author's own may run.

    Raises:
        BadData: It is not there, cannot be read, or holds no images.
        BadValue: A study with several members, and none was named.
    """
    if is_model_folder(Path(source).expanduser()):
        return _model_samples(source, Path(source).expanduser(), count=most or 10_000, seed=seed, trust=trust)
    path, run = _study(source)
    if path is not None:
        return _samples(source, path, run, count=most or 10_000, seed=seed, trust=trust)
    plain = Path(source).expanduser()
    if plain.suffix == ".pt" and plain.is_file():
        return StatisticsSet(source, read_statistics(plain))
    if plain.suffix in _ARRAYS and plain.is_file():
        held = _array(plain, source, most)
        if held is not None:
            return held
    return _images(source, plain, most)


def _study(source: str) -> tuple[Path | None, int | None]:
    """The study folder in a name, and the run after its colon."""
    folder, colon, run = source.rpartition(":")
    if colon and run.isdecimal() and (Path(folder).expanduser() / "study.json").is_file():
        return Path(folder).expanduser(), int(run)
    whole = Path(source).expanduser()
    return (whole, None) if (whole / "study.json").is_file() else (None, None)


def _samples(source: str, folder: Path, run: int | None, *, count: int, seed: int, trust: bool) -> ImageSet:
    store = Store(folder)
    record = store.record()
    if run is None and record.members > 1:
        raise BadValue(f"{folder} has {record.members} runs; name one, such as {folder}:0.")
    if trust:
        allow(record.settings, record.key)
    member = find_member(store, run or 0)
    if len(member.sample.shape) != 3:
        raise BadData(f"The samples of {folder} are points, not images; its own metrics compare them.")
    samples, _ = draw_member(folder, run or 0, n=count, seed=seed)
    if not bool(samples.isfinite().all()):
        raise BadData(f"Run {run or 0} of {folder} makes samples that are not finite; it diverged.")
    images = quantised(samples, member.sample.pixel_range)
    averaged = bool(getattr(member.resolved.training, "ema", 0.0))
    facts = {
        "study": record.key,
        "run": run or 0,
        "training_seed": member.seed,
        "latent_seed": seed,
        "weights": "average" if averaged else "last",
    }
    return ImageSet(source, count, lambda: iter([images]), facts)


def _model_samples(source: str, folder: Path, *, count: int, seed: int, trust: bool) -> ImageSet:
    generator, config = read_model(folder, trust=trust)
    if len(config.sample.shape) != 3:
        raise BadData(f"The samples of {folder} are points, not images; its own metrics compare them.")
    images = quantised(generator.sample(count, seed), config.sample.pixel_range)
    facts = {"model": config.key, "training_seed": config.seed, "latent_seed": seed, "weights": config.weights}
    return ImageSet(source, count, lambda: iter([images]), facts)


def _array(path: Path, source: str, most: int) -> FeatureSet | StatisticsSet | None:
    """Features or statistics in an array file; None where it holds images."""
    try:
        with path.open("rb") as file:
            held: Any = np.load(file, allow_pickle=False)
            if isinstance(held, np.lib.npyio.NpzFile):
                if {"mu", "sigma"} <= set(held.files):
                    return StatisticsSet(source, read_statistics(path))
                held = held[held.files[0]] if len(held.files) == 1 else None
    except GantletError:
        raise
    except Exception as error:  # NumPy and zipfile raise what they like for damage
        raise BadData(f"{path} cannot be read as an array: {error}.") from error
    if held is None or held.ndim != 2 or not np.issubdtype(held.dtype, np.floating):
        return None
    values = torch.from_numpy(np.ascontiguousarray(held, dtype=np.float32))
    if not bool(values.isfinite().all()):
        raise BadData(f"{path} holds features that are not finite.")
    return FeatureSet(source, Features(values[_order(len(values), most)]))


def _images(source: str, plain: Path, most: int) -> ImageSet:
    kind, path = _located(source, plain)
    with closing(open_reader(kind, path)) as reader:
        count, places = len(reader.entries), _order(len(reader.entries), most).tolist()
    if not count:
        raise BadData(f"{source} holds no images.")
    skipped: dict[str, str] = {}

    def batches() -> Iterator[Tensor]:
        with closing(open_reader(kind, path)) as reader:
            waiting: dict[tuple[int, ...], list[Tensor]] = {}
            for place in places:
                try:
                    pixels = Decoding()(reader.read(place))
                except BadImage as error:
                    skipped[reader.entries[place].name] = str(error)
                    continue
                image = torch.from_numpy(pixels.transpose(2, 0, 1).copy())
                same = waiting.setdefault(tuple(image.shape), [])
                same.append(image)
                if len(same) == _BATCH:
                    yield torch.stack(waiting.pop(tuple(image.shape)))
                elif sum(map(len, waiting.values())) >= _WAITING:  # images of many sizes
                    yield from (torch.stack(some) for some in waiting.values())
                    waiting.clear()
            yield from (torch.stack(some) for some in waiting.values())
        if len(skipped) > 0.01 * len(places):
            name, reason = next(iter(skipped.items()))
            raise BadData(
                f"{len(skipped)} of {len(places)} images of {source} cannot be read, such as {name}: {reason}."
            )

    return ImageSet(source, len(places), batches, {"reader": kind, "skipped": skipped})


def _located(source: str, plain: Path) -> tuple[str, str]:
    """The reader of images and the path that it is given."""
    if plain.exists():
        kind = "array" if plain.suffix in _ARRAYS else reader_for(plain)
        if not kind:
            raise BadData(
                f"{source} is neither a folder nor a file whose ending says how to read it; write KIND:{source}."
            )
        return kind, str(plain)
    if ":" not in source and card_or_none(source) is None and source not in have():
        raise BadData(
            f"'{source}' is not here: expected a folder, an archive, an array, KIND:PATH, the name of a data set, or STUDY:RUN."
        )
    found = locate(source)
    return found.kind, str(found.path)


def _order(count: int, most: int) -> Tensor:
    """The places of at most so many of a number of samples, by a fixed shuffle, in order."""
    return torch.arange(count) if not most or count <= most else fixed_order(count)[:most].sort().values
