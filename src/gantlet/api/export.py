"""``gantlet export`` and ``gantlet import``: a trained generator leaves a study as a file, and comes back from a model folder.

An export is read again in the runtime that it is for, compared with gantlet on 64 latents, and only then put in its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from gantlet.errors import BadValue
from gantlet.exports.check import CHECKED, Check, reference
from gantlet.exports.config import describe
from gantlet.exports.model_card import CardFacts, model_card
from gantlet.exports.model_folder import ModelParts, read_model, write_model
from gantlet.exports.onnx_file import OPSET, check_onnx, onnx_bytes
from gantlet.exports.program import program_bytes, traced
from gantlet.files import inside, write_whole
from gantlet.places import check_free, user_path
from gantlet.studies.members import StudyMember
from gantlet.studies.model_record import ModelConfig
from gantlet.studies.store import Store
from gantlet.studies.stored_weights import read_weights
from gantlet.studies.trust import allow
from gantlet.studies.views import read_runs
from gantlet.training.blueprint import Blueprint
from gantlet.training.trained import Team, TrainedGenerator, Units, latent_space

from .loading import trained
from .sampler import write_samples

__all__ = ["EXPORTED", "Export", "ImportedModel", "export", "import_model"]

_Format = Literal["onnx", "torch", "hub"]
_SUFFIX: dict[str, str] = {"onnx": ".onnx", "torch": ".pt2", "hub": ""}
_ENDINGS: dict[str, tuple[str, ...]] = {"onnx": (".onnx",), "torch": (".pt2", ".pt"), "hub": ()}
_FOREIGN = (".onnx", ".pt2", ".pt", ".pth", ".safetensors", ".h5", ".pb", ".tflite", ".zip", ".gz")
"""Endings by which people and programs tell what reads a file."""

_AT_ONCE = 1 << 24  # numbers of samples that a stranger's generator makes at once

EXPORTED = "exports"
"""Where a study's exports go by default, within its folder."""


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes:
        path: The file, or the model folder.
        format: ``onnx``, ``torch`` or ``hub``.
        checks: What the comparisons with gantlet found.
    """

    path: Path
    format: str
    checks: tuple[Check, ...]

    @property
    def difference(self) -> float:
        """The largest difference from gantlet's samples."""
        return max(check.difference for check in self.checks)


def export(  # noqa: PLR0913 - each argument is an option of the command line
    folder: str | Path,
    run: int = 0,
    *,
    format: _Format = "onnx",
    out: str | Path | None = None,
    units: Units = "data",
    generator: int | None = None,
    discriminator: bool = False,
    opset: int | None = None,
    step: int | str | None = None,
    trust: bool = False,
) -> Export:
    """Write a member's generator for use without gantlet, read it again, and compare it.

    The averaged weights are taken where the member was trained with averaging, as its metrics were. All is in float32.

    Arguments:
        folder: A study folder.
        run: The member's number in the column ``run``.
        format: ``onnx``: an ONNX file, ``latents`` ``[batch, latent_dim]`` to ``samples``; of a team, ``generator`` ``[batch]``
            says who makes each. ``torch``: a ``.pt2`` of ``torch.export`` with the same inputs. ``hub``: a model folder.
        out: The file or folder; by default ``exports/<run>…`` in the study.
        units: What a file's samples are: the data's own units, those of the networks (``network``), or 8-bit ``pixels``.
        generator: Of a team, one generator alone, by its place.
        discriminator: Whether a model folder holds the discriminator too.
        opset: ONNX's operator set; 18 by default.
        step: Which of the member's weights: ``last``, or None, ``best``, or a step that the key ``checkpoints`` kept.
        trust: Whether parts of the study's author's own may run here.

    Raises:
        BadValue: There is no such run, format, generator, or an option does not go with the format; or weights that were not kept.
        FolderInUse: The file or folder exists already.
        MissingExtra: ONNX needs the extra ``onnx``.
        Refused: The generator's computation cannot be written in this format.
        ExportMismatch: The file makes other samples; nothing is left behind.
        StoreError: The study cannot be read, or the file cannot be written.
    """
    _check_options(format, units=units, generator=generator, discriminator=discriminator, opset=opset)
    store = Store(user_path(folder))
    if trust:
        record = store.record()
        allow(record.settings, record.key)
    if out is not None:
        _check_ending(user_path(out), format)
    which = "" if step in (None, "last") else f"-step-{step}"
    target = user_path(out) if out is not None else inside(store.folder, EXPORTED, f"{run}{which}{_SUFFIX[format]}")
    check_free(target, file=format != "hub")
    net, sheet, member = trained(store, run, step=step)
    space = latent_space(sheet, net)
    if generator is not None:
        net, space = _one_of(net, generator), replace(space, makers=1, weights=())
    made = TrainedGenerator(net, space, member.sample, units).eval()
    expected = reference(made)
    program = traced(made)
    if format == "hub":
        parts = ModelParts(
            made.float(),
            program,
            expected,
            _fields(store, member, sheet, run=run, step=step, discriminator=discriminator),
            partial(_card, store, member),
            _picture(store, run, member, step),
            trained(store, run, "discriminator", step)[0] if discriminator else None,
        )
        return Export(target, format, write_model(target, parts))
    if format == "onnx":
        content, check = onnx_bytes(made, program, expected, opset=opset or OPSET)
    else:
        content, check = program_bytes(made, program, expected)
    write_whole(target, content)
    return Export(target, format, (check,))


def _check_options(format: str, *, units: str, generator: int | None, discriminator: bool, opset: int | None) -> None:
    if format not in _SUFFIX:
        raise BadValue(f"--format {format} is not one of {', '.join(_SUFFIX)}.")
    if units not in ("data", "network", "pixels"):
        raise BadValue(f"--units {units} is not one of data, network, pixels.")
    if format == "hub" and (units != "data" or generator is not None):
        raise BadValue(
            "A model folder holds the whole member in the data's own units; leave --units and --generator out."
        )
    if discriminator and format != "hub":
        raise BadValue("--discriminator is for --format hub; the other formats hold the generator alone.")
    if opset is not None and format != "onnx":
        raise BadValue("--opset is for --format onnx.")
    if format == "onnx":
        check_onnx(opset or OPSET)


def _check_ending(out: Path, format: str) -> None:
    """See that a file is not named like another format's, by which others would choose what reads it."""
    ending = out.suffix.lower()
    if ending in _FOREIGN and ending not in _ENDINGS[format]:
        wanted = f"FILE{_SUFFIX[format]}" if _SUFFIX[format] else "a folder"
        raise BadValue(
            f"--out {out} ends in {out.suffix}, which --format {format} does not write: give {wanted}, or another --format."
        )


def _one_of(net: Any, generator: int) -> Any:
    count = len(net.generators) if isinstance(net, Team) else 1
    if not isinstance(net, Team) or not 0 <= generator < count:
        raise BadValue(
            f"--generator {generator}: this run has {count} generators to choose from, 0 to {count - 1}."
            if count > 1
            else f"--generator {generator}: this run has one generator; leave the option out."
        )
    return net.generators[generator]


def _fields(
    store: Store, member: StudyMember, sheet: Blueprint, *, run: int, step: int | str | None, discriminator: bool
) -> dict[str, Any]:
    net = trained(store, run, step=step)[0]
    return describe(member, sheet, discriminator=discriminator) | {
        "task": member.record.task.name,
        "method": member.resolved.method.name,
        "setting": member.resolved.label,
        "seed": member.seed,
        "step": read_weights(store, run, step).step,
        "weights": "average" if member.resolved.training.ema else "last",
        "generator_weights": latent_space(sheet, net).weights,
    }


def _card(store: Store, member: StudyMember, config: ModelConfig, checks: tuple[Check, ...], pictured: bool) -> str:
    return model_card(CardFacts(member, read_runs(store), config, checks, pictured))


def _picture(store: Store, run: int, member: StudyMember, step: int | str | None) -> Callable[[Path], object] | None:
    points = len(member.sample.shape) == 1
    if points and member.sample.shape != (2,):
        return None
    return lambda path: write_samples(store.folder, run, out=path, n=1000 if points else 64, step=step)


@dataclass(frozen=True)
class ImportedModel:
    """What a model folder holds, once it was read and checked.

    Attributes:
        folder: The folder.
        config: Its ``config.json``.
        generator: The generator.
    """

    folder: Path
    config: ModelConfig
    generator: TrainedGenerator

    def __str__(self) -> str:
        config = self.config
        shape = "×".join(map(str, config.sample.shape))
        team = "" if config.generators == 1 else f", {config.generators} generators"
        return (
            f"{config.method} on {config.task}, seed {config.seed}, {config.step:,} steps: {shape} from {config.latent_dim} "
            f"latent numbers{team}; weights as they were exported"
        )


def import_model(folder: str | Path, *, trust: bool = False) -> ImportedModel:
    """Read a model folder, of anybody's, and check it: its hashes, its architecture, that its samples are finite.

    Nothing of the folder is executed.

    Raises:
        BadData: It is not what ``gantlet export --format hub`` writes, or its samples are not finite.
        Damaged: A file is not what was exported.
        Untrusted: It names a module of its author's own.
        StoreError: A file cannot be read.
    """
    generator, config = read_model(user_path(folder), trust=trust)
    numbers = math.prod(config.sample.shape) * config.generators
    reference(generator, max(1, min(CHECKED, _AT_ONCE // numbers)))
    return ImportedModel(user_path(folder), config, generator)
