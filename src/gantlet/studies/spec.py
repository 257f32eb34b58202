"""From what was asked to resolved settings: who decides each value, and which grid points exist.

User > preset > the task × method row > task > method > the part's own default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from gantlet.data.files import absolute
from gantlet.errors import BadGrid, UnknownName
from gantlet.methods.base import Method
from gantlet.metrics import chosen
from gantlet.settings import Scalar
from gantlet.tasks.base import Task

from .grid import Axis, check_axes
from .parts import Key, Parts, choose_network, find_method, find_task, offered_networks, with_penalties
from .settings import ALIASES

__all__ = ["Request", "Resolved", "expand", "keys_of"]

_EARLY = ("network", "generator", "discriminator", "penalties", "constraint")
"""Keys that decide which other keys exist."""


@dataclass(frozen=True)
class Request:
    """What was asked.

    Attributes:
        task: A task's name, perhaps with a file behind a colon.
        methods: Method names or paths.
        axes: The grid.
        seeds: One run each, per setting.
        presets: Names of presets to apply, in order.
    """

    task: str
    methods: tuple[str, ...]
    axes: tuple[Axis, ...] = ()
    seeds: tuple[int, ...] = (1,)
    presets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Resolved:
    """One setting: every value, and who decided it.

    ``label`` names the method and whatever the grid varies.
    """

    task: str
    method: str
    label: str
    network: str
    values: dict[str, Scalar] = field(default_factory=dict[str, Scalar])
    sources: dict[str, str] = field(default_factory=dict[str, str])


def expand(request: Request) -> list[Resolved]:
    """Every setting of the grid, methods first, the last axis fastest.

    Raises:
        UnknownName: A task, method or key that does not exist.
        BadGrid: An empty, contradictory or ambiguous grid.
        BadValue: A value of the wrong type or out of range.
        Refused: A method that cannot play the task.
    """
    if not request.methods:
        raise BadGrid("No method was named. Give one or more, such as vanilla,alpha.")
    if len(set(request.methods)) < len(request.methods):
        raise BadGrid(f"A method is named twice in {','.join(request.methods)}.")
    check_axes(request.axes, ALIASES)
    task, implied = find_task(request.task)
    used: set[int] = set()
    known: dict[str, Key] = {}
    found: list[Resolved] = []
    for name in request.methods:
        made, mine, keys = _expand_method(task, find_method(name), request, implied)
        found, used, known = found + made, used | mine, known | keys
    for place, axis in enumerate(request.axes):
        if place not in used:
            _refuse_axis(axis, known)
    _check_distinct(found)
    return found


def _expand_method(
    task: Task, method: Method, request: Request, implied: Mapping[str, Scalar]
) -> tuple[list[Resolved], set[int], dict[str, Key]]:
    short = method.name.rpartition(":")[2]  # of file.py:Name, the name
    called = short if [name.rpartition(":")[2] for name in request.methods].count(short) == 1 else method.name
    early = [axis for axis in request.axes if axis.keys[0] in _EARLY and len(axis.keys) == 1]
    settled = _early_defaults(task, method, request.presets)
    found: list[Resolved] = []
    used: set[int] = set()
    known: dict[str, Key] = {}
    for choice in product(*(axis.values for axis in early)):
        given = {axis.keys[0]: value for axis, value in zip(early, choice, strict=True)}
        player = with_penalties(method, settled | given)
        network, family = choose_network(task, player, settled | given)
        parts = Parts(task, player, network, family)
        keys = parts.keys()
        known |= keys
        mine = {place for place, axis in enumerate(request.axes) if _applies(axis, keys)}
        used |= mine
        axes = [axis for place, axis in enumerate(request.axes) if place in mine]
        fixed = {name: (given[name],) for name in given}
        for point in product(*(fixed.get(axis.keys[0], axis.values) for axis in axes)):
            user = dict(implied) | _assign(axes, point, keys)
            found.append(_resolve(parts, keys, user, request, _label(called, axes, point)))
    return found, used, known


def _early_defaults(task: Task, method: Method, presets: Sequence[str]) -> dict[str, Scalar]:
    """What the task and the presets say of the keys that decide which other keys exist."""
    layers = [task.defaults, task.rows.get(method.name, {}), *(_preset(task, method, name) for name in presets)]
    return {name: value for layer in layers for name, value in layer.items() if name in _EARLY}


def _resolve(
    parts: Parts, keys: Mapping[str, Key], user: Mapping[str, Scalar], request: Request, label: str
) -> Resolved:
    task, method = parts.task, parts.method
    layers: list[tuple[str, Mapping[str, Scalar]]] = [
        ("default", {name: key.setting.default for name, key in keys.items()}),
        ("method", {**method.options, **method.defaults}),
        ("task", task.defaults),
        ("task × method", task.rows.get(method.name, {})),
        *((f"preset {name}", _preset(task, method, name)) for name in request.presets),
        ("user", user),
    ]
    values: dict[str, Scalar] = {}
    sources: dict[str, str] = {}
    ranks: dict[str, int] = {}
    for rank, (source, layer) in enumerate(layers):
        for name, value in layer.items():
            if name not in keys:
                continue  # a default of a task for a part that this method lacks
            values[name], sources[name], ranks[name] = keys[name].setting.parse(value), source, rank
    if "data_path" in values:  # a study may be resumed from another folder
        values["data_path"] = absolute(str(values["data_path"]))
    if ranks["epochs"] > ranks["steps"]:  # whoever speaks last of how long to train
        values["steps"], sources["steps"] = 0, "epochs"
    elif sources["epochs"] == sources["steps"] == "user" and values["steps"]:
        raise BadGrid(f"steps={values['steps']} and epochs={values['epochs']:g} both say how long to train. Keep one.")
    chosen(str(values["metrics"]))
    if not values["network"]:
        values["network"], sources["network"] = parts.network, "task"
    return Resolved(task.name, method.name, label, str(values["network"]), values, sources)


def _preset(task: Task, method: Method, name: str) -> dict[str, Scalar]:
    known = {**task.presets, **method.presets}
    if name not in known:
        raise UnknownName(f"preset of '{task.name}' with '{method.name}'", name, known)
    return {**task.presets.get(name, {}), **method.presets.get(name, {})}


def _applies(axis: Axis, keys: Mapping[str, Key]) -> bool:
    known = [real in keys for key in axis.keys for real in _real(key, keys)]
    if any(known) and not all(known):
        raise BadGrid(f"'{'+'.join(axis.keys)}' ties keys of which this method has only some; give them apart.")
    return all(known)


def _real(key: str, keys: Mapping[str, Key]) -> tuple[str, ...]:
    return (key,) if key in keys else ALIASES.get(key, (key,))


def _assign(axes: Sequence[Axis], point: Sequence[str], keys: Mapping[str, Key]) -> dict[str, Scalar]:
    given: dict[str, Scalar] = {}
    for axis, value in zip(axes, point, strict=True):
        for key in axis.keys:
            given |= dict.fromkeys(_real(key, keys), value)
    return given


def _label(method: str, axes: Sequence[Axis], point: Sequence[str]) -> str:
    varied = [f"{'+'.join(axis.keys)}={value}" for axis, value in zip(axes, point, strict=True) if len(axis.values) > 1]
    return " ".join([method, *varied])


def _refuse_axis(axis: Axis, known: Mapping[str, Key]) -> None:
    for key in axis.keys:
        if key in known or key in ALIASES:
            continue
        close = sorted(name for name in known if name.endswith(f"_{key}"))
        if len(close) > 1:
            raise BadGrid(f"The key '{key}' is ambiguous: it could be {' or '.join(close)}.")
        raise UnknownName("key", key, close or [*known, *ALIASES])
    raise BadGrid(f"The key '{'+'.join(axis.keys)}' belongs to none of the named methods on this task.")


def _check_distinct(found: Sequence[Resolved]) -> None:
    seen: dict[tuple[Any, ...], str] = {}
    for resolved in found:
        mark = (resolved.method, *sorted((name, str(value)) for name, value in resolved.values.items()))
        if mark in seen:
            raise BadGrid(f"The grid names one setting twice: '{seen[mark]}' and '{resolved.label}'.")
        seen[mark] = resolved.label


def keys_of(task: str, method: str) -> dict[str, Key]:
    """Every key of a task with a method, over all networks the method can play (for ``gantlet list``)."""
    found_task, _ = find_task(task)
    found_method = find_method(method)
    keys: dict[str, Key] = {}
    for name, family in offered_networks(found_task, found_method).items():
        keys |= Parts(found_task, found_method, name, family).keys()
    return keys
