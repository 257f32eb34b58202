"""``config.json`` of a model folder: the architecture by name and options, the latents, the samples, the check. Pure data.

What a network is called is looked up in gantlet's catalogue; a name of the author's own (``file.py:Name``) is imported only
by the rules of :mod:`gantlet.studies.trust`. Before a network is built, its shapes are compared with those of the weights, so
that a file of a few bytes cannot ask for gigabytes.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import nn

from gantlet import catalogue
from gantlet.data.specification import SampleSpec
from gantlet.errors import BadData, BadValue, GantletError, Refused
from gantlet.families import options_of, with_options
from gantlet.files import read_regular, sealed
from gantlet.networks.base import Family
from gantlet.networks.custom import CustomNetworks
from gantlet.settings import Scalar
from gantlet.studies.build import discriminator_network, generator_family
from gantlet.studies.members import StudyMember
from gantlet.studies.record import SettingRecord
from gantlet.studies.trust import allow, require_trust
from gantlet.training.blueprint import Blueprint
from gantlet.training.discriminator_input import packed_shape
from gantlet.training.trained import LatentSpace

__all__ = [
    "CONFIG",
    "DiscriminatorRecord",
    "ModelConfig",
    "NetworkRecord",
    "build_discriminator",
    "build_generators",
    "check_trust",
    "describe",
    "read_config",
    "trust_here",
]

CONFIG = "config.json"
_LARGEST = 1 << 20  # bytes of a config.json
_LARGEST_OPTION = 1 << 16  # of a width or a depth
_LARGEST_SAMPLE = 1 << 24  # numbers of a sample


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
    step: int
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


def describe(member: StudyMember, sheet: Blueprint, *, discriminator: bool) -> dict[str, Any]:
    """The fields of :class:`ModelConfig` that say what the networks of a member are.

    Raises:
        Refused: A network that name and options do not describe.
    """
    resolved, shape = member.resolved, member.record.sample.shape
    settings = resolved.training
    family, _ = generator_family(resolved, shape)
    found: dict[str, Any] = {
        "network": _network(family, own=settings.generator),
        "latent_dim": sheet.sizes.latent,
        "prior": sheet.prior,
        "generators": sheet.sizes.generators,
        "team": sheet.team.kind,
        "sample": member.record.sample,
        "pictures": member.record.task.pictures,
    }
    if discriminator:
        found |= {
            "discriminator": DiscriminatorRecord(
                network=_network(resolved.family, own=settings.discriminator),
                pack=sheet.sizes.pack,
                heads=sheet.sizes.generators if sheet.team.which else 1,
                features=settings.features,
                spectral_norm=settings.spectral_norm,
            )
        }
    return found


def _network(family: Family, *, own: str) -> NetworkRecord:
    if isinstance(family, CustomNetworks):
        family = family.rest
    kind = type(family)
    path = f"{kind.__module__}:{kind.__qualname__}"
    named = (name for name in catalogue.names("network") if catalogue.find("network", name) is kind)
    options = {name: setting.default for name, setting in options_of(family).items()}
    record = NetworkRecord(name=next(named, path), options=options, own=_portable(own))
    if not own and _family(record) != family:
        raise Refused(
            f"The network family {path} is not described by its settings alone, so that a model folder cannot name it. "
            "Use --format onnx or torch."
        )
    return record


def _portable(own: str) -> str:
    """A path of the author's own without the folders of this machine."""
    module, colon, name = own.rpartition(":")
    return f"{Path(module).name}:{name}" if colon and Path(module).is_absolute() else own


def _family(record: NetworkRecord, shape: tuple[int, ...] = ()) -> Family:
    found = catalogue.find("network", record.name)
    known = options_of(found)
    options: dict[str, Scalar] = {}
    for name, value in record.options.items():
        if name not in known:
            raise BadData(f"The network '{record.name}' has no setting {name[:40]}; another gantlet wrote this model.")
        options[name] = parsed = known[name].parse(value)
        # A number that picks one of many architectures asks for no memory.
        if known[name].kind is int and name != "architecture" and abs(float(parsed)) > _LARGEST_OPTION:
            raise BadData(f"{name}={value} of the network '{record.name}' is above {_LARGEST_OPTION}.")
    family = with_options(found, options)
    if isinstance(family, type) and not is_dataclass(family):
        family = family()
    return cast(Family, family)


def check_trust(config: ModelConfig) -> None:
    """Make sure that building the networks runs nothing of a stranger's.

    Raises:
        Untrusted: A module of its author's own, which this user has neither exported here nor trusted.
    """
    require_trust(_named(config), config.key)


def trust_here(config: ModelConfig) -> None:
    """Note that this user trusts the modules of the author's own that a model names, as their files are now."""
    allow(_named(config), config.key)


def _named(config: ModelConfig) -> tuple[SettingRecord, ...]:
    records = [config.network, *([config.discriminator.network] if config.discriminator else [])]
    return tuple(
        SettingRecord(task="", method="", label="", values={"network": record.name, "generator": record.own})
        for record in records
    )


def build_generators(config: ModelConfig, shapes: Mapping[str, tuple[int, ...]]) -> Callable[[], nn.Module]:
    """What makes a fresh generator, once its shapes are known to be those of the weights, ``name -> shape``."""
    check_trust(config)
    family = _with_own(config.network, config.sample.shape, generator=True)
    return _compared(lambda: family.generator(latent=config.latent_dim, shape=config.sample.shape), shapes)


def build_discriminator(config: ModelConfig, shapes: Mapping[str, tuple[int, ...]]) -> Callable[[], nn.Module]:
    """What makes a fresh discriminator, likewise.

    Raises:
        BadValue: The folder has none.
    """
    record = config.discriminator
    if record is None:
        raise BadValue("This model folder has no discriminator; export it with --discriminator.")
    check_trust(config)
    family = _with_own(record.network, packed_shape(config.sample.shape, record.pack), generator=False)
    return _compared(
        lambda: discriminator_network(
            family,
            packed_shape(config.sample.shape, record.pack),
            heads=record.heads,
            features=record.features,
            spectral_norm=record.spectral_norm,
        ),
        shapes,
    )


def _with_own(record: NetworkRecord, shape: tuple[int, ...], *, generator: bool) -> Family:
    family = _family(record)
    if not record.own:
        return family
    chosen = {"own_generator" if generator else "own_discriminator": record.own}
    return replace(CustomNetworks(rest=family, shape=shape), **chosen)


def _compared(build: Callable[[], nn.Module], shapes: Mapping[str, tuple[int, ...]]) -> Callable[[], nn.Module]:
    """Refuse a network whose tensors are not those of the file, before it takes any memory."""

    def made() -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            return build()

    try:
        with torch.device("meta"):
            found = {name: tuple(value.shape) for name, value in made().state_dict().items()}
    except GantletError:
        raise
    except Exception:  # modules that compute while they are built have no shapes without memory
        return made
    if found != dict(shapes):
        differs = sorted(set(found.items()) ^ set(shapes.items()))[0][0]
        raise BadData(f"The weights are not those of the network that config.json names: they differ in {differs}.")
    return made
