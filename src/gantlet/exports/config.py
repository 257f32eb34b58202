"""What ``config.json`` says of a network, and the network that it says: by name and options. The file itself is read by :mod:`gantlet.studies.model_record`.

What a network is called is looked up in gantlet's catalogue; a name of the author's own (``file.py:Name``) is imported only
by the rules of :mod:`gantlet.studies.trust`. Before a network is built, its shapes are compared with those of the weights, so
that a file of a few bytes cannot ask for gigabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from gantlet import catalogue
from gantlet.errors import BadData, BadValue, GantletError, Refused
from gantlet.families import options_of, with_options
from gantlet.networks.base import Family
from gantlet.networks.custom import CustomNetworks
from gantlet.settings import Scalar
from gantlet.studies.build import discriminator_network, generator_family
from gantlet.studies.members import StudyMember
from gantlet.studies.model_record import DiscriminatorRecord, ModelConfig, NetworkRecord
from gantlet.studies.record import SettingRecord
from gantlet.studies.trust import allow, require_trust
from gantlet.training.blueprint import Blueprint
from gantlet.training.discriminator_input import packed_shape

__all__ = ["build_discriminator", "build_generators", "check_trust", "describe", "trust_here"]

_LARGEST_OPTION = 1 << 16  # of a width or a depth


def describe(member: StudyMember, sheet: Blueprint, *, discriminator: bool) -> dict[str, Any]:
    """The fields of :class:`~gantlet.studies.model_record.ModelConfig` that say what the networks of a member are.

    Raises:
        Refused: A network that name and options do not describe.
    """
    resolved, shape = member.resolved, member.sample.shape
    settings = resolved.training
    family, _ = generator_family(resolved, shape)
    found: dict[str, Any] = {
        "network": _network(family, own=settings.generator),
        "latent_dim": sheet.sizes.latent,
        "prior": sheet.prior,
        "generators": sheet.sizes.generators,
        "team": sheet.team.kind,
        "sample": member.sample,
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
