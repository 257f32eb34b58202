"""From resolved settings to a blueprint that the fleet can train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import torch
from torch import nn

from gantlet import catalogue
from gantlet.data.base import Dataset, Source
from gantlet.errors import Refused
from gantlet.networks.base import Family
from gantlet.networks.capacity import matched
from gantlet.networks.generator_head import embedded, with_generator_head
from gantlet.networks.inspection import has_batch_statistics, tells_generators_apart
from gantlet.networks.spectral import spectrally_normalised
from gantlet.objectives.base import Stateful
from gantlet.settings import Scalar, settings_of
from gantlet.training.blueprint import (
    Blueprint,
    Execution,
    InstanceNoise,
    LearnedWeights,
    Player,
    Sizes,
    TeamRules,
    Tuning,
    per_member,
)
from gantlet.training.discriminator_input import packed_shape
from gantlet.training.optimisers import OptimiserSpec
from gantlet.training.schedules import ReduceOnPlateau, Schedule
from gantlet.training.update_schedule import UpdateSchedule

from .parts import Parts, choose_network, find_method, find_task, with_own, with_penalties
from .spec import Resolved

__all__ = ["blueprint", "family_of", "parts_of", "schedule_of", "source_of", "steps_of", "tuning_of"]

_DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.float32}
_AHEAD = "extra-"
_OPTIMISTIC = "optimistic-"


def parts_of(resolved: Resolved) -> Parts:
    """The task, method and network family of a resolved setting."""
    task, _ = find_task(resolved.task)
    method = with_penalties(find_method(resolved.method), resolved.values)
    network, family = choose_network(task, method, resolved.values)
    return Parts(task, method, network, family)


def source_of(parts: Parts, resolved: Resolved) -> Source:
    """The data set of a resolved setting."""
    return cast(Source, _with_options(parts.task.source, parts.pick("data", resolved.values)))


def family_of(parts: Parts, resolved: Resolved, shape: tuple[int, ...]) -> Family:
    """The network family of a resolved setting, with the user's own modules where given."""
    family = cast(Family, _with_options(parts.family, parts.pick("network", resolved.values)))
    return with_own(family, resolved.values, shape)


def schedule_of(values: Mapping[str, Any]) -> UpdateSchedule:
    """The schedule fields."""
    return UpdateSchedule(
        order=values["order"],
        latent=values["latent"],
        reuse_fake=values["reuse_fake"],
        n_critic=1 if values["lr_trick"] else values["n_critic"],
        critic_schedule="constant" if values["lr_trick"] else values["critic_schedule"],
        extragradient=values["optimiser"].startswith(_AHEAD),
    )


def tuning_of(values: Mapping[str, Any], steps: int) -> Tuning:
    """What changes over training."""
    every, burn_in = values["lr_every"] or steps, values["burn_in"] or steps
    decay, floor = values["lr_decay"], values["lr_floor"]
    on_stall = values["lr_schedule"] == "on-stall"
    kind = "constant" if on_stall else values["lr_schedule"]
    return Tuning(
        lr=ReduceOnPlateau(decay, every, floor) if on_stall else Schedule(kind, decay, every, floor),
        penalty=Schedule(values["penalty_schedule"], 0.5, burn_in, values["penalty_floor"]),
        beta2=Schedule(values["beta2_schedule"], 1.0, burn_in, 0.0),
        beta2_end=values["beta2_end"],
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
    execution = replace(execution, dtype=_DTYPES[values["dtype"]], mixed=values["dtype"] == "bfloat16")
    sizes = Sizes(
        batch=values["batch_size"],
        latent=values["latent_dim"],
        steps=steps or steps_of(values, dataset.size),
        generators=1 if values["match_capacity"] else values["generators"],
        pack=values["pack"],
    )
    settings = [resolved for resolved, _ in members]
    rules = TeamRules(
        kind=values["team"],
        reduction=values["team_reduction"],
        share_latents=values["team_latents"] == "shared",
        which=values["which_generator"] if sizes.generators > 1 else 0.0,
        learned=_learned(settings) if values["team_weights"] == "learned" and sizes.generators > 1 else None,
    )
    _check(values, execution, sizes, rules)
    shape = packed_shape(dataset.shape, sizes.pack)
    makers, notes = family, ()
    if values["match_capacity"]:
        makers, note = matched(family, values["generators"], latent=sizes.latent, shape=dataset.shape)
        notes = (f"{note}{_left_out(values)}",)
    build_g = partial(makers.generator, latent=sizes.latent, shape=dataset.shape)
    build_d = partial(_discriminator, family, shape, values, heads=sizes.generators if rules.which else 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        mixing = has_batch_statistics(build_d(), shape)
    if mixing and "no_batch_statistics" in parts.requirements():
        raise Refused(
            f"The method '{first.method}' needs per-sample gradients, but in this discriminator one sample's score "
            f"depends on the others of its batch (batch norm or the like). Use one without batch statistics."
        )
    make = partial(_make, settings=settings, execution=execution, parts=parts)
    objective = make("objective", parts.method.objective, fixed=parts.method.fixed)
    stateful = isinstance(cast(object, objective), Stateful)
    if values["lr_schedule"] == "on-stall" and not stateful:
        raise Refused(
            f"lr_schedule=on-stall watches a measure of convergence, which the method '{first.method}' does not have "
            f"(began has one). Use lr_schedule=step or cosine."
        )
    return Blueprint(
        seeds=tuple(seed for _, seed in members),
        sizes=sizes,
        generator=Player(build_g, _optimiser(settings, "lr_g")),
        discriminator=Player(build_d, _optimiser(settings, "lr_d"), batch_statistics=mixing),
        objective=objective,
        penalties=tuple(make("penalty", name) for name in parts.method.penalties),
        constraint=make("constraint", parts.method.constraint) if parts.method.constraint else None,
        schedule=schedule_of(values),
        prior=values["prior"],
        feed=values["pool"],
        ema=values["ema"],
        team=rules,
        notes=notes,
        tuning=tuning_of(values, sizes.steps),
        noise=_noise(settings, execution),
        execution=execution,
    )


def _discriminator(family: Family, shape: tuple[int, ...], values: Mapping[str, Any], *, heads: int) -> nn.Module:
    """A fresh discriminator, with the heads and the normalisation that the settings ask for."""
    module = family.discriminator(shape=shape, generators=heads)
    if values["features"]:
        module = embedded(module, values["features"])
    if heads > 1 and not tells_generators_apart(module, shape):
        module = with_generator_head(module, heads)
    return spectrally_normalised(module) if values["spectral_norm"] else module


def _check(values: Mapping[str, Any], execution: Execution, sizes: Sizes, rules: TeamRules) -> None:
    """Settings that do not go together.

    Raises:
        Refused: See the sentences.
    """
    if rules.which and rules.kind != "stackelberg":
        raise Refused(
            f"which_generator={rules.which:g} asks which generator made a sample, but team={rules.kind} judges its branches "
            f"as one generator. Use team=stackelberg, or which_generator=0."
        )
    if rules.learned and rules.kind != "stackelberg":
        raise Refused(
            f"team_weights=learned weighs generators that play for themselves, but team={rules.kind} judges its branches as "
            f"one generator. Use team=stackelberg, or team_weights=uniform."
        )
    if rules.kind == "choose" and sizes.batch % sizes.generators:
        raise Refused(
            f"team=choose gives each of {sizes.generators} branches its share of a batch, but batch_size={sizes.batch} is "
            f"no multiple of {sizes.generators}."
        )
    if values["match_capacity"] and values["generators"] == 1:
        raise Refused(
            "match_capacity=true puts one generator of a team's size in its place, so it needs generators above 1."
        )
    if values["batch_size"] % values["pack"]:
        raise Refused(
            f"pack={values['pack']} samples are judged as one, but batch_size={values['batch_size']} is no multiple of "
            f"it. Choose a batch_size that {values['pack']} divides."
        )
    if execution.mixed and execution.device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise Refused("dtype=bfloat16 needs a GPU that computes in bfloat16; this one does not. Use dtype=float32.")


def _learned(settings: Sequence[Resolved]) -> LearnedWeights:
    """The logits' optimiser is the generators', but for its rate."""
    return LearnedWeights(_optimiser(settings, "lr_weights"), float(settings[0].values["weights_entropy"]))


def _left_out(values: Mapping[str, Any]) -> str:
    """What a team was asked to have and one generator in its place cannot.

    Example:
        >>> _left_out({"which_generator": 0.1, "team_weights": "uniform"})
        '; it has no which-generator head, since nobody else could have made a sample'
    """
    head = "which-generator head" if values["which_generator"] else ""
    weights = "learned weights" if values["team_weights"] == "learned" else ""
    lost = " and no ".join(name for name in (head, weights) if name)
    return f"; it has no {lost}, since nobody else could have made a sample" if lost else ""


def _noise(settings: Sequence[Resolved], execution: Execution) -> InstanceNoise | None:
    scales = [float(resolved.values["instance_noise"]) for resolved in settings]
    if not any(scales):
        return None
    over = int(settings[0].values["instance_noise_steps"])
    return InstanceNoise(per_member(scales, execution), Schedule("linear", every=over) if over else Schedule())


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

    values, rates = settings[0].values, column(lr)
    if lr == "lr_d" and values["lr_trick"]:
        rates = tuple(rate * int(values["n_critic"]) for rate in rates)
    called = str(values["optimiser"])
    name = cast(Any, called.removeprefix(_AHEAD).removeprefix(_OPTIMISTIC))
    return OptimiserSpec(
        name, lr=rates, beta1=column("beta1"), beta2=column("beta2"), optimistic=called.startswith(_OPTIMISTIC)
    )


def _with_options(thing: object, options: Mapping[str, Scalar]) -> object:
    return replace(cast(Any, thing), **options) if options else thing
