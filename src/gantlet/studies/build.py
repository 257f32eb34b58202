"""From resolved settings to a blueprint that the fleet can train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import torch

from gantlet import catalogue
from gantlet.data.base import Dataset, Source
from gantlet.errors import Refused
from gantlet.networks.base import Family
from gantlet.networks.probe import has_batch_statistics
from gantlet.settings import Scalar, settings_of
from gantlet.training.blueprint import Blueprint, Execution, Player, Sizes, per_member
from gantlet.training.optimisers import OptimiserSpec
from gantlet.training.schedule import Schedule

from .parts import Parts, choose_network, find_method, find_task, with_own
from .spec import Resolved

__all__ = ["blueprint", "family_of", "parts_of", "schedule_of", "source_of", "steps_of"]

_DTYPES = {"float32": torch.float32, "float64": torch.float64}


def parts_of(resolved: Resolved) -> Parts:
    """The task, method and network family of a resolved setting."""
    task, _ = find_task(resolved.task)
    method = find_method(resolved.method)
    network, family = choose_network(task, method, resolved.values)
    return Parts(task, method, network, family)


def source_of(parts: Parts, resolved: Resolved) -> Source:
    """The data set of a resolved setting."""
    return cast(Source, _with_options(parts.task.source, parts.pick("data", resolved.values)))


def family_of(parts: Parts, resolved: Resolved, shape: tuple[int, ...]) -> Family:
    """The network family of a resolved setting, with the user's own modules where given."""
    family = cast(Family, _with_options(parts.family, parts.pick("network", resolved.values)))
    return with_own(family, resolved.values, shape)


def schedule_of(values: Mapping[str, Any]) -> Schedule:
    """The schedule fields."""
    return Schedule(
        order=values["order"],
        latent=values["latent"],
        reuse_fake=values["reuse_fake"],
        n_critic=values["n_critic"],
        critic_schedule=values["critic_schedule"],
    )


def steps_of(values: Mapping[str, Any], pool: int) -> int:
    """Generator updates: ``steps`` where given, else as many as ``epochs`` passes over the pool need."""
    if values["steps"]:
        return int(values["steps"])
    updates = round(values["epochs"] * (pool // values["batch_size"]))
    return max(1, schedule_of(values).steps_for(updates))


def blueprint(
    members: Sequence[tuple[Resolved, int]],
    dataset: Dataset,
    execution: Execution,
    *,
    steps: int | None = None,
) -> Blueprint:
    """The blueprint of a fleet whose slots are these (setting, seed) pairs; all agree on whatever cuts fleets."""
    first = members[0][0]
    values = cast(dict[str, Any], first.values)
    parts = parts_of(first)
    family = family_of(parts, first, dataset.shape)
    execution = replace(execution, dtype=_DTYPES[values["dtype"]])
    sizes = Sizes(
        batch=values["batch_size"],
        latent=values["latent_dim"],
        steps=steps or steps_of(values, len(dataset.train)),
        generators=values["generators"],
    )
    settings = [resolved for resolved, _ in members]
    build_g = partial(family.generator, latent=sizes.latent, shape=dataset.shape)
    build_d = partial(family.discriminator, shape=dataset.shape, generators=sizes.generators)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        mixing = has_batch_statistics(build_d(), dataset.shape)
    if mixing and "no_batch_statistics" in parts.requirements():
        raise Refused(
            f"The method '{first.method}' needs per-sample gradients, but in this discriminator one sample's score "
            f"depends on the others of its batch (batch norm or the like). Use one without batch statistics."
        )
    make = partial(_make, settings=settings, execution=execution, parts=parts)
    return Blueprint(
        seeds=tuple(seed for _, seed in members),
        sizes=sizes,
        generator=Player(build_g, _optimiser(settings, "lr_g")),
        discriminator=Player(build_d, _optimiser(settings, "lr_d"), batch_statistics=mixing),
        objective=make("objective", parts.method.objective, fixed=parts.method.fixed),
        penalties=tuple(make("penalty", name) for name in parts.method.penalties),
        constraint=make("constraint", parts.method.constraint) if parts.method.constraint else None,
        schedule=schedule_of(values),
        prior=values["prior"],
        feed=values["pool"],
        ema=values["ema"],
        team_reduction=values["team_reduction"],
        execution=execution,
    )


def _make(
    family: str,
    name: str,
    *,
    settings: Sequence[Resolved],
    execution: Execution,
    parts: Parts,
    fixed: Mapping[str, Scalar] | None = None,
) -> Any:
    """A part whose varying fields are tensors per member, so that no member's numbers depend on its neighbours."""
    found = catalogue.find(family, name)
    part = f"penalty/{name}" if family == "penalty" else family
    declared = settings_of(found) if hasattr(found, "__dataclass_fields__") else {}
    columns = [parts.pick(part, resolved.values) for resolved in settings]
    options: dict[str, Any] = dict(fixed or {})
    for field, setting in declared.items():
        if field in options:
            continue
        column = [values[field] for values in columns]
        options[field] = per_member([float(v) for v in column], execution) if setting.varies else column[0]
    if not isinstance(found, type):
        return replace(found, **options) if options else found
    return found(**options)


def _optimiser(settings: Sequence[Resolved], lr: str) -> OptimiserSpec:
    def column(name: str) -> tuple[float, ...]:
        return tuple(float(resolved.values[name]) for resolved in settings)

    name = cast(Any, settings[0].values["optimiser"])
    return OptimiserSpec(name, lr=column(lr), beta1=column("beta1"), beta2=column("beta2"))


def _with_options(thing: object, options: Mapping[str, Scalar]) -> object:
    return replace(cast(Any, thing), **options) if options else thing
