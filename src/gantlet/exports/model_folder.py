"""A model folder as hubs expect it: weights, ``config.json``, a card, samples, and the program that runs without gantlet.

================================ =====================================================================
``model.safetensors``            the weights; of a team, ``0.…``, ``1.…``, one generator after another
``config.json``                  architecture, latents, units, hashes of the weights, the check
``model.pt2``                    the generator as a program, for PyTorch alone
``README.md``                    the card
``samples.png``                  samples, where they can be drawn
``discriminator.safetensors``    if asked for
================================ =====================================================================

Reading one executes nothing of it: the program is for those without gantlet, and is not opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from gantlet._version import VERSION
from gantlet.errors import BadData, BadValue, ExportMismatch
from gantlet.files import file_digest, inside
from gantlet.places import check_free, whole_folder
from gantlet.studies.model_record import (
    CONFIG,
    DISCRIMINATOR,
    WEIGHTS,
    ModelConfig,
    generator_tensors,
    read_config,
    read_model_weights,
)
from gantlet.training.trained import Branches, InDataUnits, Team, TrainedGenerator, Units

from .check import Check, Expected, checked
from .config import build_discriminator, build_generators, trust_here
from .program import program_bytes

__all__ = ["ModelParts", "read_discriminator", "read_model", "write_model"]

_PROGRAM, _CARD, _PICTURE = "model.pt2", "README.md", "samples.png"


@dataclass(frozen=True)
class ModelParts:
    """What a model folder is written from.

    Attributes:
        generator: The generator, its samples in the data's own units.
        program: Its computation.
        expected: What it has to make.
        fields: Of :class:`~gantlet.studies.model_record.ModelConfig`, all but the files and the check.
        card: The card, from the whole configuration, the checks, and whether there is a picture.
        picture: Draws the samples to a path; None where they cannot be drawn.
        discriminator: The discriminator, if it is to be there.
    """

    generator: TrainedGenerator
    program: ExportedProgram
    expected: Expected
    fields: Mapping[str, Any]
    card: Callable[[ModelConfig, tuple[Check, ...], bool], str]
    picture: Callable[[Path], object] | None = None
    discriminator: nn.Module | None = None


def write_model(target: Path, parts: ModelParts) -> tuple[Check, ...]:
    """Write a model folder beside its place, read it again, compare, and only then put it there.

    Raises:
        FolderInUse: There is something at ``target`` already.
        ExportMismatch: What is read makes other samples; nothing is left behind.
        StoreError: It cannot be written.
    """
    check_free(target)
    with whole_folder(target) as fresh:
        return _fill(fresh, parts)


def _fill(folder: Path, parts: ModelParts) -> tuple[Check, ...]:
    safetensors.torch.save_file(_weights(parts.generator.network), folder / WEIGHTS)
    program, check = program_bytes(parts.generator, parts.program, parts.expected)
    (folder / _PROGRAM).write_bytes(program)
    written = [WEIGHTS, _PROGRAM]
    if parts.discriminator is not None:
        safetensors.torch.save_file(_state(parts.discriminator), folder / DISCRIMINATOR)
        written.append(DISCRIMINATOR)
    digests = {name: file_digest(folder / name) for name in written}
    config = ModelConfig(gantlet=VERSION, files=digests, **parts.fields)
    trust_here(config)
    (folder / CONFIG).write_text(config.to_json(), encoding="utf-8")
    checks = (_read_again(folder, parts), check)
    found = {"latents": check.latents, "difference": max(each.difference for each in checks), "runtime": check.runtime}
    config = config.model_copy(update={"check": found})
    (folder / CONFIG).write_text(config.to_json(), encoding="utf-8")
    if parts.picture is not None:
        parts.picture(folder / _PICTURE)
    (folder / _CARD).write_text(parts.card(config, checks, parts.picture is not None), encoding="utf-8")
    return checks


def _read_again(folder: Path, parts: ModelParts) -> Check:
    again = read_model(folder)[0]
    if parts.discriminator is not None:
        _same_weights(parts.discriminator, read_discriminator(folder))

    def run(latents: Tensor, owners: Tensor) -> Tensor:
        with torch.no_grad():
            return again(latents, owners)

    return checked(parts.generator, parts.expected, run, f"gantlet {VERSION}, from the folder")


def _same_weights(first: nn.Module, second: nn.Module) -> None:
    again = _state(second.network if isinstance(second, InDataUnits) else second)
    if any(not torch.equal(value, again[name]) for name, value in _state(first).items()):
        raise ExportMismatch(f"{DISCRIMINATOR} does not hold the discriminator's weights; nothing was written.")


def _weights(net: nn.Module) -> dict[str, Tensor]:
    if isinstance(net, Team | Branches):
        members = net.generators if isinstance(net, Team) else net.branches
        return {f"{place}.{name}": value for place, one in enumerate(members) for name, value in _state(one).items()}
    return _state(net)


def _state(module: nn.Module) -> dict[str, Tensor]:
    return {
        name: (value.float() if value.is_floating_point() else value).detach().cpu().contiguous().clone()
        for name, value in module.state_dict().items()
    }


def read_model(folder: Path, *, units: Units = "data", trust: bool = False) -> tuple[TrainedGenerator, ModelConfig]:
    """The generator of a model folder, in evaluation mode; nothing of the folder is executed.

    Arguments:
        folder: A model folder.
        units: What samples are given in.
        trust: Whether modules of the author's own, which ``config.json`` names, may run here.

    Raises:
        BadData: It is not what ``gantlet export --format hub`` writes.
        Damaged: A file is not what was exported.
        Untrusted: A module of the author's own is named.
        StoreError: A file cannot be read.
    """
    config = read_config(inside(folder, CONFIG))
    if trust:
        trust_here(config)
    tensors = read_model_weights(folder, WEIGHTS, config)
    count = config.generators
    groups = generator_tensors(tensors, count)
    build = build_generators(config, {name: tuple(value.shape) for name, value in groups[0].items()})
    modules = [_loaded(build(), group, folder / WEIGHTS) for group in groups]
    if count == 1:
        net: nn.Module = modules[0]
    elif config.team == "average":
        net = Branches(modules)
    else:
        weights = config.generator_weights
        net = Team(modules, torch.tensor(weights) if weights else None)
    return TrainedGenerator(net, config.space, config.sample, units).eval(), config


def read_discriminator(folder: Path, *, trust: bool = False) -> nn.Module:
    """The discriminator of a model folder, in evaluation mode; it takes samples in the data's own units.

    Raises:
        BadValue: The folder has none.
        BadData: See :func:`read_model`.
        Untrusted: A module of the author's own is named.
        StoreError: A file cannot be read.
    """
    config = read_config(inside(folder, CONFIG))
    if config.discriminator is None:
        raise BadValue(f"{folder} has no discriminator; export it with --discriminator.")
    if trust:
        trust_here(config)
    tensors = read_model_weights(folder, DISCRIMINATOR, config)
    build = build_discriminator(config, {name: tuple(value.shape) for name, value in tensors.items()})
    net = _loaded(build(), tensors, folder / DISCRIMINATOR)
    return InDataUnits(net, config.sample, "discriminator").eval() if config.sample.standardised else net


def _loaded(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> nn.Module:
    try:
        module.float().load_state_dict(dict(tensors))
    except RuntimeError as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise BadData(f"{path} does not hold the weights of the network that {CONFIG} names: {first}.") from None
    return module.eval()
