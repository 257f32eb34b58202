"""Members that start from a trained member's weights, of a study or a model folder: where these are from, and the study's own copy.

The weights are copied into ``initial/`` when the study begins, so that ``resume`` and ``replay`` need the other study no
more and are not changed by what happens to it. The record names the copy by its SHA-256.

Nothing that the other folder names is imported or built.

Legend: ``K`` generators of a team.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from gantlet.data.files import absent, is_shut
from gantlet.data.specification import SampleSpec
from gantlet.errors import BadData, BadValue, Damaged, GantletError, StoreError
from gantlet.files import check_regular, file_digest, inside, write_whole
from gantlet.requests.keeping import InitialRun, parse_init
from gantlet.requests.resolve import Resolved
from gantlet.training.blueprint import Blueprint, Execution
from gantlet.training.fleet import Fleet
from gantlet.training.member_weights import place_weights

from .build import blueprint
from .model_record import (
    CONFIG,
    DISCRIMINATOR,
    WEIGHTS,
    generator_tensors,
    is_model_folder,
    read_config,
    read_model_weights,
)
from .record import StudyRecord
from .record_parts import InitialRecord
from .store import Store
from .stored_weights import read_weights
from .weights_file import read_weights_file

__all__ = [
    "SourceWeights",
    "begin",
    "check_copies",
    "check_initial",
    "copy_again",
    "initial_weights",
    "read_sources",
    "write_copies",
]

_LOG = logging.getLogger("gantlet")
_LEAST_SHARE = 1e-12  # of a generator in a team, so that its logarithm is a number


class SourceWeights(NamedTuple):
    """Weights to start from: what the record says of them, and the bytes of their safetensors file."""

    record: InitialRecord
    content: bytes

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The weights, ``[K, ...]`` by their names in a checkpoint."""
        return safetensors.torch.load(self.content)


def read_sources(settings: Sequence[Resolved], samples: Sequence[SampleSpec]) -> dict[str, SourceWeights]:
    """The weights from which settings start, by the value of their key ``init_from``; nothing of their studies is imported.

    Arguments:
        settings: Of the study to be.
        samples: The specifications of their samples.

    Raises:
        BadData: A model folder is not what gantlet exports.
        BadValue: There is no such run, step or model folder, or its networks are not those of a setting.
        StoreError: The other study or the model folder cannot be read.
    """
    found: dict[str, SourceWeights] = {}
    for resolved, sample in zip(settings, samples, strict=True):
        text = resolved.training.init_from
        if not text:
            continue
        if text not in found:
            found[text] = _source(text)
        sheet = blueprint([(resolved, 1)], sample, Execution(), to_train=False)
        _check_architecture(text, sheet, found[text].tensors)
    for text, source in found.items():
        if not source.record.discriminator:
            _LOG.warning(
                "note: init_from=%s: only the generator was kept there, so the discriminator starts from random weights",
                text,
            )
    return found


def check_copies(
    store: Store, record: StudyRecord, settings: Sequence[Resolved], samples: Sequence[SampleSpec]
) -> None:
    """Make sure that settings, which are to be added to a study, have the networks of the weights that it has copied already.

    Arguments:
        store: The study.
        record: Its record.
        settings: To be added; those that start from other weights are not looked at.
        samples: The specifications of their samples.

    Raises:
        BadValue: The networks are others.
        Damaged: A copy is missing, or not what was written.
        StoreError: A copy cannot be read.
    """
    for resolved, sample in zip(settings, samples, strict=True):
        text = resolved.training.init_from
        if text in record.initial:
            sheet = blueprint([(resolved, 1)], sample, Execution(), to_train=False)
            _check_architecture(text, sheet, initial_weights(store, record, resolved))


def write_copies(store: Store, sources: Mapping[str, SourceWeights]) -> None:
    """Write a study's own copy of the weights from which its members start.

    Raises:
        StoreError: They cannot be written.
    """
    for source in sources.values():
        write_whole(_path(store, source.record), source.content)


def initial_weights(store: Store, record: StudyRecord, resolved: Resolved) -> dict[str, Tensor]:
    """The weights from which a setting's members start, ``[K, ...]`` by their names in a checkpoint; empty for random ones.

    Raises:
        Damaged: They are missing, or not what was written.
        StoreError: They cannot be read.
    """
    text = resolved.training.init_from
    if not text:
        return {}
    source = record.initial.get(text)
    if source is None:
        raise Damaged(f"The study in {store.folder} does not say which weights init_from={text} are.")
    return read_weights_file(_path(store, source), source.sha256, what="The initial weights", folder=store.folder)


def begin(fleet: Fleet, tensors: Mapping[str, Tensor]) -> None:
    """Have all members of a fleet start from these weights; none: from their own random ones."""
    for slot in range(fleet.members) if tensors else ():
        place_weights(fleet, slot, tensors)


def check_initial(store: Store, record: StudyRecord) -> Iterator[tuple[str, str]]:
    """The weights to start from that are not as they were written: the value of ``init_from``, and a sentence.

    Raises:
        StoreError: They cannot be read at the moment.
    """
    for text, source in record.initial.items():
        path = _path(store, source)
        try:
            check_regular(path)
            if file_digest(path) != source.sha256:
                yield text, f"The initial weights {path} are damaged."
        except Damaged:
            yield text, f"The initial weights {path} are missing."
        except StoreError as error:  # a link, or not a plain file
            yield text, str(error)
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror or error}.") from error


def copy_again(store: Store, record: StudyRecord, text: str) -> bool:
    """Copy weights to start from anew, if the other study still has the very same; whether it does."""
    try:
        source = _source(text)
        if source.record.sha256 != record.initial[text].sha256:
            return False
        write_copies(store, {text: source})
    except GantletError:
        return False
    return True


def _source(text: str) -> SourceWeights:
    initial = parse_init(text)
    if initial is None:
        raise BadValue("init_from names no run to start from.")
    try:
        key, tensors, step = _of_model(initial.folder) if initial.run is None else _of_run(initial, initial.run)
    except (BadData, BadValue, StoreError) as error:
        raise type(error)(f"init_from={text}: {error}") from error
    content = safetensors.torch.save(tensors)
    return SourceWeights(
        InitialRecord(
            study=key,
            run=initial.run or 0,
            step=step,
            sha256=hashlib.sha256(content).hexdigest(),
            discriminator=any(name.startswith("discriminator/") for name in tensors),
        ),
        content,
    )


def _of_run(initial: InitialRun, run: int) -> tuple[str, dict[str, Tensor], int]:
    """A study's name, the weights of one of its runs, and their step."""
    store = Store(initial.folder)
    key = store.record().key
    weights = read_weights(store, run, initial.step)
    return key, weights.tensors, weights.step


def _of_model(folder: Path) -> tuple[str, dict[str, Tensor], int]:
    """The name of a model folder, its weights and their step; whether a tensor is a parameter or a buffer it does not say."""
    if not is_model_folder(folder):
        if os.path.isfile(folder / "study.json"):
            raise BadValue(f"{folder} is a study: write {folder}:RUN, with the number of one of its runs.")
        if is_shut(folder / CONFIG):
            raise BadValue(absent("folder", folder / CONFIG))
        raise BadValue(
            f"{folder} is not a model folder, as gantlet export --format hub writes it: it has no {CONFIG} with {WEIGHTS}. A "
            f"run of a study is written DIR:RUN."
        )
    config = read_config(inside(folder, CONFIG))
    generators = generator_tensors(read_model_weights(folder, WEIGHTS, config), config.generators)
    if not generators[0]:
        raise BadData(f"{folder / WEIGHTS} holds no weights of a generator.")
    tensors = {
        f"generator/state/{name}": torch.stack([each[name] for each in generators]) for name in sorted(generators[0])
    }
    if config.discriminator is not None:
        found = read_model_weights(folder, DISCRIMINATOR, config)
        tensors |= {f"discriminator/state/{name}": found[name].unsqueeze(0) for name in sorted(found)}
    if config.generator_weights:
        tensors["weights/logits"] = torch.tensor([config.generator_weights]).clamp_min(_LEAST_SHARE).log()
    return config.key, tensors, config.step


def _check_architecture(text: str, sheet: Blueprint, tensors: Mapping[str, Tensor]) -> None:
    """Refuse weights of other networks.

    Raises:
        BadValue: A tensor of one of the networks is missing or has another shape.
    """
    for player, part, count in (
        ("generator", sheet.generator, sheet.sizes.generators),
        ("discriminator", sheet.discriminator, 1),
    ):
        there = {name: list(value.shape) for name, value in tensors.items() if name.startswith(f"{player}/")}
        if not there:
            continue
        with torch.random.fork_rng(devices=[]):
            module = part.build()
        if any(name.startswith(f"{player}/state/") for name in there):
            here = {f"{player}/state/{name}": [count, *value.shape] for name, value in module.state_dict().items()}
        else:
            here = {f"{player}/parameter/{name}": [count, *value.shape] for name, value in module.named_parameters()}
            here |= {f"{player}/buffer/{name}": [count, *value.shape] for name, value in module.named_buffers()}
        for name in (*here, *there):
            if here.get(name) != there.get(name):
                plain = name.split("/", 2)[2]
                raise BadValue(
                    f"init_from={text} has another {player}: its tensor {plain} is {_size(there.get(name))} there and "
                    f"{_size(here.get(name))} here (generators first). Name trained weights of the same networks, or their sizes here."
                )


def _size(shape: list[int] | None) -> str:
    return "missing" if shape is None else "×".join(map(str, shape))


def _path(store: Store, source: InitialRecord) -> Path:
    return inside(store.folder, "initial", f"{source.sha256[:16]}.safetensors")
