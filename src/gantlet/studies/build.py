"""From resolved settings to a blueprint that the fleet can train."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, cast

import torch
from torch import nn

from gantlet.data.specification import SampleSpec
from gantlet.errors import Refused
from gantlet.families import is_gantlets
from gantlet.networks.base import Family
from gantlet.networks.capacity import matched
from gantlet.networks.custom import CustomNetworks, OwnFamily, untried
from gantlet.networks.generator_head import embedded, with_generator_head
from gantlet.networks.inspection import has_batch_statistics, scores_like_probabilities, tells_generators_apart, try_out
from gantlet.networks.spectral import spectrally_normalised
from gantlet.objectives.base import Stateful
from gantlet.randomness import seeded
from gantlet.requests.resolve import Resolved
from gantlet.requests.training_settings import TrainingSettings
from gantlet.settings import settings_of
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

from .arithmetic import as_chosen, check_arithmetic, slow_arithmetic
from .batches import check_batches
from .divide import check_division
from .probes import ask
from .size import check_memory

__all__ = ["blueprint", "discriminator_network", "generator_family", "schedule_of", "steps_of", "tuning_of"]

_Part = TypeVar("_Part")
_AHEAD = "extra-"
_SIGMOID = (
    "the scores of {name} lie in [0, 1], as after a sigmoid; losses here take logits and apply the sigmoid themselves, so "
    "remove it from the network's end"
)
_OPTIMISTIC = "optimistic-"


def schedule_of(settings: TrainingSettings) -> UpdateSchedule:
    """The schedule fields."""
    return UpdateSchedule(
        order=settings.order,
        latent=settings.latent,
        reuse_fake=settings.reuse_fake,
        n_critic=1 if settings.lr_trick else settings.n_critic,
        critic_schedule="constant" if settings.lr_trick else settings.critic_schedule,
        extragradient=settings.optimiser.startswith(_AHEAD),
    )


def tuning_of(settings: TrainingSettings, steps: int, ended: tuple[int, ...] = ()) -> Tuning:
    """What changes over training.

    Arguments:
        settings: Of a member.
        steps: Generator updates.
        ended: The steps at which earlier, shorter plans ended. A schedule over all steps keeps to each plan until it ended;
            a plateau's window, to the first.
    """
    every, ramp = settings.lr_every or steps, settings.ramp_steps or steps
    lr_ended, ramp_ended = (() if given else ended for given in (settings.lr_every, settings.ramp_steps))
    decay, floor, kind = settings.lr_decay, settings.lr_floor, settings.lr_schedule
    return Tuning(
        lr=ReduceOnPlateau(decay, min((every, *lr_ended)), floor)
        if kind == "on-plateau"
        else Schedule(kind, decay, every, floor, lr_ended),
        penalty=Schedule(settings.penalty_schedule, 0.5, ramp, settings.penalty_floor, ramp_ended),
        beta2=Schedule(settings.beta2_schedule, 1.0, ramp, 0.0, ramp_ended),
        beta2_end=settings.beta2_end,
    )


def steps_of(settings: TrainingSettings, pool: int) -> int:
    """Generator updates: ``steps`` where given, else as many as ``epochs`` passes over the pool need."""
    if settings.steps:
        return settings.steps
    batches = pool // settings.batch_size if settings.drop_last else -(-pool // settings.batch_size)
    updates = round(settings.epochs * batches)
    return max(1, schedule_of(settings).steps_for(updates))


def blueprint(
    members: Sequence[tuple[Resolved, int]],
    sample: SampleSpec,
    execution: Execution,
    *,
    steps: int | None = None,
    ended: tuple[int, ...] = (),
    to_train: bool = True,
    elsewhere: bool = False,
) -> Blueprint:
    """The blueprint of a fleet whose slots are these (setting, seed) pairs; all agree on whatever cuts fleets.

    Arguments:
        members: One per slot.
        sample: What a sample of the training data looks like; the data themselves are not needed.
        execution: Route and device; the settings decide the floating type.
        steps: Generator updates, where they are not those of the settings.
        ended: The steps at which earlier, shorter plans ended.
        to_train: Whether members will be trained by it, and must fit into memory with gradients and moments.
        elsewhere: Whether they will be trained on another device than this, so that it need not know their arithmetic.

    Raises:
        Refused: Settings or parts that do not go together, or that do not fit into memory.
        BadValue: A network that cannot be built.
    """
    first = members[0][0]
    chosen, shape = first.training, packed_shape(sample.shape, first.training.pack)
    execution = as_chosen(execution, chosen)
    sizes = _sizes(chosen, steps or steps_of(chosen, sample.pool))
    settings = [resolved for resolved, _ in members]
    rules = _team_rules(settings, sizes)
    _check(chosen, sizes, rules)
    if to_train and not elsewhere:
        check_arithmetic(execution)
    check_batches(first, execution)
    family, (makers, note) = _family(first, sample.shape), generator_family(first, sample.shape)
    notes = (*([note] if note else []), *(slow_arithmetic(execution) if to_train and not elsewhere else ()))
    heads = sizes.generators if rules.which else 1
    how = {"heads": heads, "features": chosen.features, "spectral_norm": chosen.spectral_norm}
    made_g = partial(makers.generator, latent=sizes.latent, shape=sample.shape)
    made_d = partial(discriminator_network, family, shape, **how)
    build_g, build_d = (partial(_decaying, made, chosen.bn_decay) for made in (made_g, made_d))
    if to_train and not isinstance(family, CustomNetworks):  # modules of the user's own are built as they are, once
        counted_g = partial(untried(makers).generator, latent=sizes.latent, shape=sample.shape)
        counted_d = partial(discriminator_network, untried(family), shape, **how)
        check_memory(counted_g, counted_d, sizes.generators, execution, own=isinstance(family, OwnFamily))
    if chosen.discriminator and _quietly(lambda: scores_like_probabilities(build_d(), shape)):
        notes += (_SIGMOID.format(name=chosen.discriminator),)
    _check_batch_of_one(build_g, build_d, sizes, shape, execution, pool=sample.pool)
    objective = _stacked([resolved.objective for resolved in settings], execution, fixed=first.method.fixed)
    if chosen.lr_schedule == "on-plateau" and not isinstance(cast(object, objective), Stateful):
        raise Refused(
            f"lr_schedule=on-plateau watches a measure of convergence, which the method '{first.method.name}' does not "
            f"have (began has one). Use lr_schedule=step or cosine."
        )
    penalties = zip(*(resolved.penalties for resolved in settings), strict=True)
    constraints = [resolved.constraint for resolved in settings if resolved.constraint is not None]
    sheet = Blueprint(
        seeds=tuple(seed for _, seed in members),
        sizes=sizes,
        generator=Player(build_g, _optimiser(settings, "lr_g")),
        discriminator=Player(build_d, _optimiser(settings, "lr_d"), _batch_statistics(first, build_d, shape)),
        objective=objective,
        penalties=tuple(_stacked(column, execution) for column in penalties),
        constraint=_stacked(constraints, execution) if constraints else None,
        schedule=schedule_of(chosen),
        prior=chosen.prior,
        feed=chosen.pool,
        ema=chosen.ema,
        team=rules,
        notes=notes,
        tuning=tuning_of(chosen, sizes.steps, ended),
        noise=_noise(settings, execution),
        execution=execution,
    )
    check_division(sheet, first.method.name, sample.shape)
    return sheet


def _sizes(chosen: TrainingSettings, steps: int) -> Sizes:
    return Sizes(
        batch=chosen.batch_size,
        latent=chosen.latent_dim,
        steps=steps,
        generators=1 if chosen.match_capacity else chosen.generators,
        pack=chosen.pack,
        accumulate=chosen.accumulate,
        fakes=chosen.batch_size_g,
        drop_last=chosen.drop_last,
    )


def generator_family(resolved: Resolved, shape: tuple[int, ...]) -> tuple[Family, str]:
    """The family that a setting's generators are of, and a sentence where it is a wider one than was named (or nothing)."""
    family, chosen = _family(resolved, shape), resolved.training
    if not chosen.match_capacity:
        return family, ""
    wider, note = matched(untried(family), chosen.generators, latent=chosen.latent_dim, shape=shape)
    note += _left_out(chosen)
    return replace(family, family=wider) if isinstance(family, OwnFamily) else wider, note


def _family(resolved: Resolved, shape: tuple[int, ...]) -> Family:
    """The network family, with the user's own modules in place of one or both players."""
    generator, discriminator = resolved.training.generator, resolved.training.discriminator
    family = resolved.family if is_gantlets(resolved.family) else OwnFamily(resolved.training.network, resolved.family)
    if not generator and not discriminator:
        return family
    return CustomNetworks(own_generator=generator, own_discriminator=discriminator, rest=family, shape=shape)


def _team_rules(settings: Sequence[Resolved], sizes: Sizes) -> TeamRules:
    chosen, team = settings[0].training, sizes.generators > 1
    # The logits' optimiser is the generators', but for its rate.
    learned = LearnedWeights(_optimiser(settings, "lr_weights"), chosen.weights_entropy)
    return TeamRules(
        kind=chosen.team,
        reduction=chosen.team_reduction,
        share_latents=chosen.team_latents == "shared",
        which=_which(chosen) if team else {},
        learned=learned if chosen.team_weights == "learned" and team else None,
    )


def _which(settings: TrainingSettings) -> dict[str, float]:
    """By player, the weight of the which-generator term; empty where neither has it."""
    generator, discriminator = settings.which_generator, settings.which_generator_d
    weights = {"generator": generator, "discriminator": generator if discriminator < 0 else discriminator}
    return weights if any(weights.values()) else {}


def _quietly(probe: Callable[[], bool]) -> bool:
    """The answer of a probe that builds and tries a network; torch's global random state is left as it was."""
    with seeded(0):
        return probe()


def _check_batch_of_one(
    build_g: Callable[[], nn.Module],
    build_d: Callable[[], nn.Module],
    sizes: Sizes,
    shape: tuple[int, ...],
    execution: Execution,
    *,
    pool: int,
) -> None:
    """Refuse a batch, the partial one of an epoch, or a part of one that is normalised by itself, of one sample, where batch norm has nothing to average.

    Raises:
        Refused: A network normalises over the batch, and cannot do so over one sample.
    """
    divided = sizes.accumulate * (execution.processes if execution.batch_norm == "per-rank" else 1)
    rest = 0 if sizes.drop_last else pool % sizes.batch
    real, fakes = rest or sizes.batch, rest or sizes.made
    least = {"generator": fakes // divided // sizes.pack, "discriminator": min(real, fakes) // divided // sizes.pack}
    given = (
        f"batch_size={sizes.batch}" if sizes.batch // divided // sizes.pack <= 1 or rest else f"batch_size_g={fakes}"
    )
    ending = f" and drop_last=false, at the end of an epoch of {pool} samples," if rest == 1 else ""
    for player, build, example in (
        ("generator", build_g, torch.zeros(1, sizes.latent)),
        ("discriminator", build_d, torch.zeros(1, *shape)),
    ):
        if least[player] > 1:
            continue
        try:
            _quietly(lambda build=build, example=example: try_out(build(), example) is not None)
        except ValueError as error:
            raise Refused(
                f"{given}{f' in {divided} parts' if divided > 1 else ''}{ending} gives the {player} one sample at a time, and it normalises over the batch: "
                f"{error}. Use a larger {given.partition('=')[0]}{', or drop_last=true' if ending else ''}."
            ) from None


def _batch_statistics(resolved: Resolved, build: Callable[[], nn.Module], shape: tuple[int, ...]) -> bool:
    """Whether a sample's score depends on the others of its batch.

    Raises:
        Refused: It does, and the method needs per-sample gradients.
    """
    mixing = ask(_mixes, build, shape)
    requires = resolved.method.requires.union(*(penalty.requires for penalty in resolved.penalties))
    if mixing and "no_batch_statistics" in requires:
        raise Refused(
            f"The method '{resolved.method.name}' needs per-sample gradients, but in this discriminator one sample's "
            f"score depends on the others of its batch (batch norm or the like). Use one without batch statistics."
        )
    return mixing


def _mixes(build: Callable[[], nn.Module], shape: tuple[int, ...]) -> bool:
    return _quietly(lambda: has_batch_statistics(build(), shape))


def _decaying(build: Callable[[], nn.Module], decay: float) -> nn.Module:
    """A fresh module, its batch norms with this decay of their running statistics unless it is 0."""
    module = build()
    for part in module.modules() if decay else ():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            part.momentum = 1 - decay
    return module


def discriminator_network(
    family: Family, shape: tuple[int, ...], *, heads: int, features: int, spectral_norm: bool
) -> nn.Module:
    """A fresh discriminator of samples of this shape, with the heads and the normalisation that the settings ask for."""
    module = family.discriminator(shape=shape, generators=heads)
    if features:
        module = embedded(module, features)
    if heads > 1 and not tells_generators_apart(module, shape):
        module = with_generator_head(module, heads)
    return spectrally_normalised(module) if spectral_norm else module


def _check(settings: TrainingSettings, sizes: Sizes, rules: TeamRules) -> None:
    """Settings that do not go together.

    Raises:
        Refused: See the sentences.
    """
    if rules.which and rules.kind != "stackelberg":
        raise Refused(
            f"which_generator={max(rules.which.values()):g} asks which generator made a sample, but team={rules.kind} scores its branches "
            f"as one generator. Use team=stackelberg, or which_generator=0."
        )
    if rules.learned and rules.kind != "stackelberg":
        raise Refused(
            f"team_weights=learned weighs generators that play for themselves, but team={rules.kind} scores its branches as "
            f"one generator. Use team=stackelberg, or team_weights=uniform."
        )
    if rules.kind == "choose" and sizes.batch % sizes.generators:
        raise Refused(
            f"team=choose gives each of {sizes.generators} branches its share of a batch, but batch_size={sizes.batch} is "
            f"not a multiple of {sizes.generators}."
        )
    if settings.match_capacity and settings.generators == 1:
        raise Refused(
            "match_capacity=true puts one generator of a team's size in its place, so it needs generators above 1."
        )
    if settings.batch_size % settings.pack:
        raise Refused(
            f"pack={settings.pack}: the discriminator scores {settings.pack} samples as one, but "
            f"batch_size={settings.batch_size} is not a multiple of {settings.pack}. Choose one that is."
        )


def _left_out(settings: TrainingSettings) -> str:
    """What a team was asked to have and one generator in its place cannot.

    Example:
        >>> _left_out(TrainingSettings(which_generator=0.1))
        '; it has no which-generator head, since nobody else could have made a sample'
    """
    head = "which-generator head" if _which(settings) else ""
    weights = "learned weights" if settings.team_weights == "learned" else ""
    lost = " and no ".join(name for name in (head, weights) if name)
    return f"; it has no {lost}, since nobody else could have made a sample" if lost else ""


def _noise(settings: Sequence[Resolved], execution: Execution) -> InstanceNoise | None:
    scales = [resolved.training.instance_noise for resolved in settings]
    if not any(scales):
        return None
    over = settings[0].training.instance_noise_steps
    return InstanceNoise(per_member(scales, execution), Schedule("linear", every=over) if over else Schedule())


def _stacked(parts: Sequence[_Part], execution: Execution, *, fixed: Collection[str] = ()) -> _Part:
    """One part for a whole fleet, out of each member's.

    Varying fields, but for the ``fixed`` ones, become tensors per member, so that no member's numbers depend on its
    neighbours.
    """
    first: Any = parts[0]
    if not hasattr(first, "__dataclass_fields__"):
        return parts[0]
    varying = [name for name, declared in settings_of(first).items() if declared.varies and name not in fixed]
    columns = {name: per_member([float(getattr(part, name)) for part in parts], execution) for name in varying}
    stacked: Any = replace(first, **columns)
    return stacked


def _optimiser(settings: Sequence[Resolved], rate: str) -> OptimiserSpec:
    chosen = settings[0].training
    rates = tuple(float(getattr(resolved.training, rate)) for resolved in settings)
    if rate == "lr_d" and chosen.lr_trick:
        rates = tuple(value * chosen.n_critic for value in rates)
    name = cast(Any, chosen.optimiser.removeprefix(_AHEAD).removeprefix(_OPTIMISTIC))
    return OptimiserSpec(
        name,
        lr=rates,
        beta1=tuple(resolved.training.beta1 for resolved in settings),
        beta2=tuple(resolved.training.beta2 for resolved in settings),
        eps=chosen.eps,
        optimistic=chosen.optimiser.startswith(_OPTIMISTIC),
    )
