"""The record of a model folder, ``config.json``, and its weights: read and checked as a stranger's, nothing built or imported.

What is written here is written by :mod:`gantlet.exports`; studies read it to start from such weights.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError
from torch import Tensor

from gantlet.data.specification import SampleSpec
from gantlet.errors import BadData, Damaged, StoreError
from gantlet.files import check_regular, file_digest, inside, read_regular, sealed
from gantlet.places import what_is_there
from gantlet.settings import Scalar
from gantlet.training.trained import LatentSpace

__all__ = [
    "CONFIG",
    "DISCRIMINATOR",
    "WEIGHTS",
    "DiscriminatorRecord",
    "ModelConfig",
    "NetworkRecord",
    "generator_tensors",
    "is_model_folder",
    "read_config",
    "read_model_weights",
]

CONFIG, WEIGHTS, DISCRIMINATOR = "config.json", "model.safetensors", "discriminator.safetensors"
_LARGEST = 1 << 20  # bytes of a config.json
_LARGEST_SAMPLE = 1 << 24  # numbers of a sample
_LARGEST_HEADER = 1 << 24  # bytes
_LARGEST_WEIGHTS = 1 << 36  # bytes
_FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkRecord(_Part):
    """An architecture: a family of the catalogue with its options, and a module of the author's own in its place."""

    name: Annotated[str, Field(max_length=400)]
    options: dict[str, Scalar] = {}
    own: Annotated[str, Field(max_length=400)] = ""


class DiscriminatorRecord(_Part):
    """What a discriminator is built from beside its family."""

    network: NetworkRecord
    pack: Annotated[int, Field(ge=1, le=1 << 16)] = 1
    heads: Annotated[int, Field(ge=1, le=10_000)] = 1
    features: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    spectral_norm: bool = False


class ModelConfig(_Part):
    """What ``config.json`` holds.

    Attributes:
        format: The version of this model.
        gantlet: The version of gantlet that wrote it.
        task: The task's name.
        method: The method's name.
        setting: The label of the setting.
        seed: The seed of the member.
        step: Generator updates.
        weights: ``average`` where the generator is an exponential moving average, else ``last``.
        network: The generator's architecture.
        latent_dim: The latent dimension.
        prior: ``normal``: N(0, 1), or ``uniform``: U[-1, 1].
        generators: How many are in the file.
        team: How they make samples: each its own, or ``average``: the mean of what all make of one latent.
        generator_weights: How often each is sampled; empty where equally.
        sample: What a sample looks like.
        pictures: How samples are drawn.
        discriminator: Its architecture, where it is in the folder.
        files: SHA-256 of the files with weights.
        check: What the comparison on export found.
    """

    format: Literal[1] = 1
    gantlet: str
    task: str
    method: str
    setting: str
    seed: int
    step: Annotated[int, Field(ge=0, le=1 << 60)]
    weights: Literal["average", "last"]
    network: NetworkRecord
    latent_dim: Annotated[int, Field(ge=1, le=1_000_000)]
    prior: Literal["normal", "uniform"]
    generators: Annotated[int, Field(ge=1, le=10_000)] = 1
    team: Literal["stackelberg", "average", "choose"] = "stackelberg"
    generator_weights: tuple[float, ...] = ()
    sample: SampleSpec
    pictures: Literal["points", "images", "none"] = "none"
    discriminator: DiscriminatorRecord | None = None
    files: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]]
    check: dict[str, Scalar] = {}

    @model_validator(mode="after")
    def _fits_together(self) -> ModelConfig:
        shape, spec = self.sample.shape, self.sample
        if not 1 <= len(shape) <= 4 or min(shape) < 1 or math.prod(shape) > _LARGEST_SAMPLE:
            raise ValueError(f"a sample of shape {list(shape)} cannot be")
        if self.generator_weights and (
            len(self.generator_weights) != self.generators
            or not all(math.isfinite(share) and share >= 0 for share in self.generator_weights)
            or sum(self.generator_weights) <= 0
        ):
            raise ValueError("generator_weights are not one share for each generator")
        columns = (spec.mean, spec.deviation) if spec.mean or spec.deviation else ()
        if any(len(column) != shape[0] or not all(map(math.isfinite, column)) for column in columns):
            raise ValueError("mean and deviation are not one number for each column")
        low, high = spec.pixel_range
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError("pixel_range is not from a lower to a higher number")
        return self

    @property
    def space(self) -> LatentSpace:
        """Where latents come from."""
        makers = 1 if self.team == "average" else self.generators
        return LatentSpace(self.latent_dim, self.prior, makers, self.generator_weights if makers > 1 else ())

    @property
    def key(self) -> str:
        """A name of the model that no other has."""
        return hashlib.sha256(json.dumps(self.files, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> str:
        """The file's content."""
        return json.dumps(sealed(json.loads(self.model_dump_json())), indent=1, ensure_ascii=False) + "\n"


def read_config(path: Path) -> ModelConfig:
    """Read a ``config.json``; nothing is imported or built.

    Raises:
        BadData: It is not one of gantlet's, was edited, or is damaged.
        StoreError: It is missing, no plain file, or too large.
    """
    if not os.path.lexists(path):
        raise Damaged(f"{path.parent} is not a model folder: it has no {path.name}.{what_is_there(path.parent)}")
    try:
        found = json.loads(read_regular(path, most=_LARGEST))
    except (ValueError, RecursionError):
        raise BadData(f"{path} is not JSON; expected the config.json of gantlet export --format hub.") from None
    if not isinstance(found, dict) or "gantlet" not in found:
        raise BadData(f"{path} is not of gantlet export --format hub: it names no version of gantlet.")
    plain = {name: value for name, value in found.items() if name != "seal"}
    if found.get("format") != 1:
        raise BadData(f"{path} has format {str(found.get('format'))[:40]}; this gantlet reads format 1.")
    if found.get("seal") != sealed(plain)["seal"]:
        raise BadData(f"{path} was damaged or changed since it was exported: it does not have its checksum.")
    try:
        return ModelConfig.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadData(f"{path} is not what gantlet export writes: {where or 'the whole'}: {first['msg']}.") from None


def is_model_folder(path: Path) -> bool:
    """Whether a path looks like a model folder: weights and ``config.json``, and no study.

    Example:
        >>> is_model_folder(Path("/nowhere"))
        False
    """
    return all(map(os.path.isfile, (path / CONFIG, path / WEIGHTS))) and not os.path.lexists(path / "study.json")


def generator_tensors(tensors: Mapping[str, Tensor], count: int) -> list[dict[str, Tensor]]:
    """The weights of each of ``count`` generators out of those of a model folder, by their names in a generator.

    Raises:
        BadData: They are not those of so many generators of one architecture.
    """
    if count == 1:
        return [dict(tensors)]
    groups: list[dict[str, Tensor]] = [{} for _ in range(count)]
    for name, value in tensors.items():
        place, _, rest = name.partition(".")
        if not (place.isascii() and place.isdecimal() and len(place) < 6 and int(place) < count and rest):
            raise BadData(f"{WEIGHTS} has a tensor {name[:60]}, which is of none of the {count} generators.")
        groups[int(place)][rest] = value
    shapes = [{name: value.shape for name, value in group.items()} for group in groups]
    if any(each != shapes[0] for each in shapes):
        raise BadData(f"The generators in {WEIGHTS} are not of one architecture.")
    return groups


def read_model_weights(folder: Path, name: str, config: ModelConfig) -> dict[str, Tensor]:
    """The tensors of a file with weights, by their names there; checked before any memory is taken.

    Arguments:
        folder: A model folder.
        name: :data:`WEIGHTS` or :data:`DISCRIMINATOR`.
        config: What the folder's ``config.json`` holds.

    Raises:
        BadData: It is no file of finite weights.
        Damaged: It is missing, or not what was exported.
        StoreError: It cannot be read, or is not a plain file.
    """
    path = inside(folder, name)
    check_regular(path)
    try:
        size = path.stat().st_size
        if size > _LARGEST_WEIGHTS:
            raise BadData(f"{path} has {size:,} bytes; more than {_LARGEST_WEIGHTS:,} are not read.")
        _check_header(path, size)
        if file_digest(path) != config.files.get(name):
            raise Damaged(f"{path} was damaged or changed since it was exported: its SHA-256 is not that in {CONFIG}.")
        tensors = safetensors.torch.load_file(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise BadData(f"{path} cannot be read: {error}.") from None
    for tensor, value in tensors.items():
        if value.is_floating_point() and value.dtype not in _FLOATS:
            raise BadData(f"{path} holds numbers of the type {value.dtype} in {tensor[:60]}; expected float32.")
    if any(value.is_floating_point() and not bool(value.isfinite().all()) for value in tensors.values()):
        raise BadData(f"{path} holds numbers that are not finite.")
    return tensors


def _check_header(path: Path, size: int) -> None:
    """Refuse a file that is no safetensors file before anything is made of it."""
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        if length > min(size - 8, _LARGEST_HEADER):
            raise BadData(f"{path} is not a safetensors file: its header does not fit into it.")
        try:
            header = json.loads(file.read(length))
        except (ValueError, RecursionError):
            header = None
    if not isinstance(header, dict):
        raise BadData(f"{path} is not a safetensors file: it has no header.")
