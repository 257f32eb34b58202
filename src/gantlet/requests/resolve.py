"""From a request to typed settings, resolved once: where each value comes from, and which grid points exist.

User > preset > the task × method row > task > method > the part's own default.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import product
from typing import Any

from gantlet.data.base import Source
from gantlet.data.files import absolute
from gantlet.errors import BadGrid, UnknownName
from gantlet.methods.base import Method
from gantlet.metrics import chosen
from gantlet.networks.base import Family
from gantlet.objectives.base import Objective
from gantlet.penalties.base import Constraint, Penalty
from gantlet.settings import Scalar
from gantlet.tasks.base import Task

from .aliases import PLAYERS, renamed, renamed_value
from .by_user import ByUser
from .criterion import parse_criteria
from .grid import Axis, check_axes
from .keeping import check_keeping
from .parts import SINCE, Catalogue, Key, Parts
from .training_settings import EarlyChoice, TrainingSettings

__all__ = ["Base", "Request", "Resolved", "expand", "resolve"]

_LOG = logging.getLogger("gantlet")
_PRESET = "preset="  # in the label of a setting that was made from another one


@dataclass(frozen=True)
class Base:
    """A setting from which others are made: what a user decided for it. Keys that a method lacks mean nothing to it.

    Attributes:
        method: Its method.
        layers: Values by key and where they come from, the stronger ones later.
        words: KEY=VALUE of its label.
    """

    method: str = ""
    layers: tuple[tuple[str, Mapping[str, Scalar]], ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """What a user asked for.

    Attributes:
        task: A task's name, perhaps with a file behind a colon.
        methods: Method names or paths.
        axes: The grid.
        seeds: One run each, per setting.
        presets: Names of presets to apply, in order.
        bases: Settings from which those asked for are made: of a method, its own, or all if it has none among them. What
            several lead to is there once.
    """

    task: str
    methods: tuple[str, ...]
    axes: tuple[Axis, ...] = ()
    seeds: tuple[int, ...] = (1,)
    presets: tuple[str, ...] = ()
    bases: tuple[Base, ...] = ()


@dataclass(frozen=True)
class Resolved:
    """One setting: typed options of every part, and where each value comes from.

    Attributes:
        label: The method's name and the values that differ within the grid.
        parts: The parts, each looked up once.
        training: The settings that every method and task shares.
        source: The data set, with its options.
        family: The network family, with its options.
        objective: The objective, with its options.
        penalties: The penalties, with their options, in the method's order.
        constraint: The constraint, with its options, or None.
        sources: By key, where the value comes from.
    """

    label: str
    parts: Parts
    training: TrainingSettings
    source: Source
    family: Family
    objective: Objective
    penalties: tuple[Penalty, ...] = ()
    constraint: Constraint | None = None
    sources: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def task(self) -> Task:
        """The task."""
        return self.parts.task

    @property
    def method(self) -> Method:
        """The method, with the penalties and the constraint that were asked for."""
        return self.parts.method

    @cached_property
    def by_user(self) -> ByUser:
        """Which values the user chose."""
        return ByUser.of(self.sources)

    @cached_property
    def values(self) -> dict[str, Scalar]:
        """Every value by its key on the command line, for tables and records; code reads the typed options instead."""
        owners: dict[str, Any] = {
            "training": self.training,
            "objective": self.objective,
            "constraint": self.constraint,
            "network": self.family,
            "data": self.source,
        }
        owners |= {
            f"penalty/{name}": penalty for name, penalty in zip(self.method.penalties, self.penalties, strict=True)
        }
        return {name: getattr(owners[key.part], key.field) for name, key in self.parts.keys.items()}

    @cached_property
    def identity(self) -> tuple[Any, ...]:
        """What makes it another setting than others: everything but the label."""
        return (self.method.name, *sorted((name, str(value)) for name, value in self.values.items()))

    @cached_property
    def cut(self) -> tuple[Any, ...]:
        """What members of one fleet agree on."""
        keys = self.parts.keys
        fixed = [(name, str(value)) for name, value in sorted(self.values.items()) if not keys[name].setting.varies]
        return (self.task.name, self.method.name, *fixed)

    @cached_property
    def varying(self) -> tuple[float, ...]:
        """What members of one fleet may differ in, by key."""
        keys = self.parts.keys
        return tuple(float(value) for name, value in sorted(self.values.items()) if keys[name].setting.varies)


def expand(request: Request) -> list[Resolved]:
    """Every setting of the grid, methods first, the last axis fastest.

    Raises:
        UnknownName: A task, method or key that does not exist.
        BadGrid: An empty, contradictory or ambiguous grid.
        BadValue: A value of the wrong type or out of range.
        Refused: A method that cannot train on the task.
    """
    if not request.methods:
        raise BadGrid("No method was named. Give one or more, such as vanilla,alpha.")
    if len(set(request.methods)) < len(request.methods):
        raise BadGrid(f"A method is named twice in {','.join(request.methods)}.")
    known = Catalogue()
    task, implied = known.task(request.task)
    used: set[int] = set()
    keys: dict[str, Key] = {}
    settings: list[Resolved] = []
    for name in request.methods:
        expansion = _Expansion(known, task, known.method(name), request, implied)
        settings += expansion.settings()
        used |= expansion.used
        keys |= expansion.keys
    for place, axis in enumerate(request.axes):
        if place not in used:
            _refuse_axis(axis, keys)
    _notice_old_names(request.axes, keys)
    if request.bases:
        first: dict[tuple[Any, ...], Resolved] = {}
        settings = [first.setdefault(each.identity, each) for each in settings if each.identity not in first]
    _check_distinct(settings)
    return settings


class _Expansion:
    """The grid of one method: its settings, which axes they used, and every key that was possible."""

    def __init__(
        self, known: Catalogue, task: Task, method: Method, request: Request, implied: Mapping[str, Scalar]
    ) -> None:
        self.known, self.task, self.method, self.request, self.implied = known, task, method, request, implied
        self.used: set[int] = set()
        self.keys: dict[str, Key] = {}
        self.presets = [(f"preset {name}", _preset(task, method, name)) for name in request.presets]

    def settings(self) -> list[Resolved]:
        """Every point of the grid that this method has keys for, from each base."""
        own = [base for base in self.request.bases if base.method == self.method.name]
        return [
            resolved
            for base in own or self.request.bases or (Base(),)
            for resolved in self._from(base, named=bool(own))
        ]

    def _from(self, base: Base, *, named: bool) -> list[Resolved]:
        """Every point of the grid; ``named`` says that labels name also keys of one value."""
        request, called, recommended = self.request, self._called(), [*self._recommended(), *base.layers]
        early = [axis for axis in request.axes if not set(axis.keys).isdisjoint(EarlyChoice._fields)]
        settled = _early(name_and_value for _, layer in recommended for name_and_value in layer.items())
        resolved: list[Resolved] = []
        for choice in product(*(axis.values for axis in early)):
            chosen = dict(zip(early, choice, strict=True))
            given = _early((key, value) for axis, value in chosen.items() for key in axis.keys)
            parts = self.known.parts(self.task, self.method, EarlyChoice(**(settled | given)))
            keys = parts.keys
            self.keys |= keys
            mine = [place for place, axis in enumerate(request.axes) if _applies(axis, keys)]
            self.used |= set(mine)
            axes = [request.axes[place] for place in mine]
            check_axes(axes, partial(_real, keys=keys))
            default = {name: key.setting.default for name, key in keys.items()}
            for point in product(*((chosen[axis],) if axis in chosen else axis.values for axis in axes)):
                user = dict(self.implied) | _assign(axes, point, keys)
                layers = [("default", default), *recommended, ("user", user)]
                kept = [word for word in base.words if _kept(word, user, keys)]
                kept += [f"{_PRESET}{name}" for name in request.presets if named]
                label = " ".join([called, *kept, *_words(axes, point, named=named)])
                resolved.append(_resolved(parts, layers, label))
        return resolved

    def _called(self) -> str:
        short = self.method.name.rpartition(":")[2]  # of file.py:Name, the name
        ambiguous = [name.rpartition(":")[2] for name in self.request.methods].count(short) > 1
        return self.method.name if ambiguous else short

    def _recommended(self) -> list[tuple[str, Mapping[str, Scalar]]]:
        """What gantlet recommends beyond the parts' own defaults, by source, the stronger ones later."""
        return [
            ("method", {**self.method.options, **self.method.defaults}),
            ("task", self.task.defaults),
            ("task × method", self.task.rows.get(self.method.name, {})),
            *self.presets,
        ]


def resolve(
    known: Catalogue,
    *,
    task: str,
    method: str,
    label: str,
    values: Mapping[str, Scalar],
    sources: Mapping[str, str],
) -> Resolved:
    """A setting as a study recorded it, and the defaults of keys that gantlet has had only since then.

    Raises:
        UnknownName: A part of it does not exist here.
        BadValue: A value of it has the wrong type or is out of range.
    """
    early = EarlyChoice(**{name: str(values[name]) for name in EarlyChoice._fields if name in values})
    parts = known.parts(known.task(task).task, known.method(method), early)
    since = {name: key.setting.default for name, key in parts.keys.items() if name not in values}
    typed = {name: parts.keys[name].setting.parse(value) for name, value in values.items() if name in parts.keys}
    said = dict(sources) | dict.fromkeys(since, SINCE)
    return _built(parts, since | typed, {name: said.get(name, "not recorded") for name in parts.keys}, label)


def _resolved(parts: Parts, layers: Sequence[tuple[str, Mapping[str, Scalar]]], label: str) -> Resolved:
    keys = parts.keys
    values: dict[str, Scalar] = {}
    sources: dict[str, str] = {}
    ranks: dict[str, int] = {}
    for rank, (source, layer) in enumerate(layers):
        for name, value in layer.items():
            if name not in keys:
                continue  # a default of a task for a part that this method lacks
            setting = keys[name].setting
            parsed = setting.parse(value)
            values[name] = absolute(str(parsed)) if setting.path else parsed  # a study may be resumed from elsewhere
            sources[name], ranks[name] = source, rank
    built = _built(parts, values, sources, label)
    training = built.training
    steps, epochs = (ranks[name] for name in ("steps", "epochs"))
    if epochs > steps:  # the stronger source decides how long to train
        training = replace(training, steps=0)
        sources.update(steps="epochs")
    elif epochs == steps and ByUser.of(sources).steps and training.steps:
        raise BadGrid(f"steps={training.steps} and epochs={training.epochs:g} both say how long to train. Keep one.")
    chosen(training.metrics)
    check_keeping(training.checkpoints, training.stop, training.init_from)
    parse_criteria(training.success)
    if not training.network:
        training = replace(training, network=parts.network)
        sources.update(network="task")
    return replace(built, training=training)


def _built(parts: Parts, values: Mapping[str, Scalar], sources: Mapping[str, str], label: str) -> Resolved:
    training: TrainingSettings = parts.build("training", values)
    return Resolved(
        label=label,
        parts=parts,
        training=training,
        source=parts.build("data", values),
        family=parts.build("network", values),
        objective=parts.build("objective", values),
        penalties=tuple(parts.build(f"penalty/{name}", values) for name in parts.method.penalties),
        constraint=parts.build("constraint", values) if parts.constraint is not None else None,
        sources=sources,
    )


def _early(values: Iterable[tuple[str, Scalar]]) -> dict[str, str]:
    """Of keys and values, the later ones stronger, those that decide which other keys exist."""
    return {name: str(value) for name, value in values if name in EarlyChoice._fields}


def _preset(task: Task, method: Method, name: str) -> dict[str, Scalar]:
    known = {**task.presets, **method.presets}
    if name not in known:
        raise UnknownName(f"preset of '{task.name}' with '{method.name}'", name, known)
    return {**task.presets.get(name, {}), **method.presets.get(name, {})}


def _applies(axis: Axis, keys: Mapping[str, Key]) -> bool:
    known = [real in keys for key in axis.keys for real in _real(key, keys)]
    if any(known) and not all(known):
        raise BadGrid(
            f"'{'+'.join(axis.keys)}' combines keys of which this method has only some. Give them separately."
        )
    return all(known)


def _real(key: str, keys: Mapping[str, Key]) -> tuple[str, ...]:
    """The keys that a word means: itself, both players' keys, or the key that had this name before."""
    if key in keys:
        return (key,)
    return PLAYERS.get(key) or PLAYERS.get(renamed(key)) or (renamed(key),)


def _assign(axes: Sequence[Axis], point: Sequence[str], keys: Mapping[str, Key]) -> dict[str, Scalar]:
    given: dict[str, Scalar] = {}
    for axis, value in zip(axes, point, strict=True):
        for key in axis.keys:
            given |= {real: renamed_value(real, value) for real in _real(key, keys)}
    return given


def _words(axes: Sequence[Axis], point: Sequence[str], *, named: bool) -> list[str]:
    """What the label of a setting says of the grid: the values of keys that have several, or of all."""
    chosen = zip(axes, point, strict=True)
    return [f"{'+'.join(axis.keys)}={value}" for axis, value in chosen if named or len(axis.values) > 1]


def _kept(word: str, user: Mapping[str, Scalar], keys: Mapping[str, Key]) -> bool:
    """Whether what a label says of its base holds here: the method has the keys, and nobody set them anew."""
    if word.startswith(_PRESET):
        return True
    said = {real for key in word.partition("=")[0].split("+") for real in _real(key, keys)}
    return said <= keys.keys() and said.isdisjoint(user)


def _refuse_axis(axis: Axis, known: Mapping[str, Key]) -> None:
    for key in axis.keys:
        if key in known or key in PLAYERS:
            continue
        close = sorted(name for name in known if name.endswith(f"_{key}"))
        if len(close) > 1:
            raise BadGrid(f"The key '{key}' is ambiguous: it could be {' or '.join(close)}.")
        raise UnknownName("key", key, close or [*known, *PLAYERS], first=_own_first(known))
    raise BadGrid(f"The key '{'+'.join(axis.keys)}' belongs to none of the named methods on this task.")


def _own_first(known: Mapping[str, Key]) -> list[str]:
    """The keys of the method's own parts, which a user most likely meant, before those that every method has."""
    own = [name for name, key in known.items() if key.part not in ("training", "network", "data")]
    return [*own, *(name for name, key in known.items() if key.part == "network")]


def _notice_old_names(axes: Sequence[Axis], keys: Mapping[str, Key]) -> None:
    for axis in axes:
        for key in axis.keys:
            if key not in keys and renamed(key) != key:
                _LOG.warning("note: %s is read as %s", key, renamed(key))
            for real, value in product(_real(key, keys), axis.values):
                if renamed_value(real, value) != value:
                    _LOG.warning("note: %s=%s is read as %s=%s", real, value, real, renamed_value(real, value))


def _check_distinct(settings: Iterable[Resolved]) -> None:
    seen: dict[tuple[Any, ...], str] = {}
    for resolved in settings:
        if resolved.identity in seen:
            first = seen[resolved.identity]
            raise BadGrid(f"The grid has the same setting twice: '{first}' and '{resolved.label}'. Remove one.")
        seen[resolved.identity] = resolved.label
