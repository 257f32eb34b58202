"""The parts that a task and a method bring together, and every setting that they have between them.

A part is a dataclass of settings: the training itself, the objective, each penalty, the constraint, the network family
and the data set. A key on the command line is a part's field; a penalty's fields carry the prefix ``penalty_``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from gantlet import catalogue
from gantlet.data.data_dir import reader_of
from gantlet.data.own_files import task_of
from gantlet.errors import BadValue, Refused, UnknownName
from gantlet.families import checked_part, new_part, options_of, with_options
from gantlet.methods.base import Method
from gantlet.networks.base import Family
from gantlet.settings import Scalar, Setting, settings_of
from gantlet.tasks.base import Task

from .training_settings import EarlyChoice, TrainingSettings

__all__ = ["SINCE", "Catalogue", "Key", "NamedTask", "Parts", "keys_of", "penalty_prefixes"]

SINCE = "default, since the study was written"
"""The source of a value that a study's record lacks, because its key is newer than the study."""


class Key(NamedTuple):
    """A key of the command line: which part it belongs to, the field, and the field's declaration."""

    part: str
    field: str
    setting: Setting


class NamedTask(NamedTuple):
    """A task, and what its name on the command line says beside it: ``points:FILE`` gives the key ``data_path``."""

    task: Task
    implied: dict[str, Scalar]


@dataclass(frozen=True)
class Parts:
    """What a task, a method and a network family bring, each looked up once, with their keys.

    Attributes:
        task: The task.
        method: The method, with the penalties and the constraint that were requested.
        network: The network family's name.
        family: The network family.
        objective: The method's objective: a class, or an instance.
        penalties: The method's penalties by name.
        constraint: The method's constraint, or None.
    """

    task: Task
    method: Method
    network: str
    family: Family
    objective: Any
    penalties: Mapping[str, Any]
    constraint: Any = None

    @cached_property
    def owners(self) -> dict[str, tuple[str, Any]]:
        """By part: the prefix of its keys, and the dataclass that declares them."""
        prefixes = penalty_prefixes(self.method).items()
        return {
            "training": ("", TrainingSettings),
            "objective": ("", self.objective),
            **{f"penalty/{name}": (prefix, self.penalties[name]) for name, prefix in prefixes},
            **({} if self.constraint is None else {"constraint": ("", self.constraint)}),
            "network": ("", self.family),
            "data": ("", self.task.source),
        }

    @cached_property
    def keys(self) -> dict[str, Key]:
        """Every key that means something here.

        Raises:
            BadValue: Two parts have a key of one name.
        """
        found: dict[str, Key] = {}
        for part, (prefix, owner) in self.owners.items():
            for name, declared in options_of(owner).items():
                if part == "objective" and name in self.method.fixed:
                    continue
                full = prefix + name
                if full in found:
                    raise BadValue(f"The key {full} of {part} clashes with that of {found[full].part}. Rename it.")
                found[full] = Key(part, name, declared if full == name else replace(declared, name=full))
        return found

    def build(self, part: str, values: Mapping[str, Scalar]) -> Any:
        """A part with its typed options, out of the values of all keys."""
        _, owner = self.owners[part]
        options: dict[str, Any] = dict(self.method.fixed) if part == "objective" else {}
        options |= {key.field: values[name] for name, key in self.keys.items() if key.part == part}
        return new_part(owner) if isinstance(owner, type) and not options else with_options(owner, options)


class Catalogue:
    """Tasks, methods and parts of one request, each name looked up once."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Any] = {}
        self._parts: dict[tuple[str, str, EarlyChoice], Parts] = {}

    def find(self, family: str, name: str) -> Any:
        """What the catalogue has under a name.

        Raises:
            UnknownName: It has nothing.
            BadValue: What a path names cannot be imported, or lacks what every part of the family has.
        """
        if (family, name) not in self._found:
            found = catalogue.find(family, name)
            says_itself = family in ("method", "task")  # which may also be objectives, and paths of data
            self._found[family, name] = found if says_itself else checked_part(family, name, found)
        return self._found[family, name]

    def task(self, name: str) -> NamedTask:
        """A task by name; ``points:FILE``, ``folder:PATH``, ``mnist:FOLDER``, … also give the key ``data_path``.

        Raises:
            UnknownName: There is no such task.
            BadValue: The task takes no path, or what a path names is not a task.
        """
        prefix, colon, rest = name.partition(":")
        if colon and prefix in catalogue.names("task"):
            task = self.find("task", prefix)
            path = next((name for name, setting in settings_of(task.source).items() if setting.path), None)
            if path is None:
                raise BadValue(f"The task '{prefix}' brings its own data; write it without ':{rest}'.")
            return NamedTask(task, {path: rest})
        try:
            task = self.find("task", name)
        except (UnknownName, BadValue):
            if better := _suggested(name):
                what = f"'{prefix}' is a reader" if better.rpartition(":")[2] != name else f"'{name}' is a path"
                raise BadValue(f"{what}, not a task; write {better} to train on what it holds.") from None
            raise
        if not isinstance(task, Task):
            raise BadValue(f"'{name}' is not a gantlet Task but a {type(task).__name__}.")
        return NamedTask(replace(task, name=name), {})  # the name by which it can be found again

    def method(self, name: str) -> Method:
        """A method by name, or a ``Method`` or a bare objective by ``package.module:Name`` or ``file.py:Name``.

        A bare objective becomes a method with default settings.

        Raises:
            UnknownName: There is no such method.
            BadValue: What a path names does not have two losses.
        """
        found = self.find("method", name)
        if isinstance(found, Method):
            return replace(found, name=name)  # the name by which it can be found again
        if not (hasattr(found, "discriminator") and hasattr(found, "generator")):
            raise BadValue(
                f"'{name}' is neither a gantlet Method nor an objective with discriminator() and generator()."
            )
        summary = (found.__doc__ or "an objective of your own").strip().splitlines()[0]
        return Method(name=name, summary=summary, paper="your own", url="", objective=name)

    def parts(self, task: Task, method: Method, early: EarlyChoice) -> Parts:
        """The parts of a task and a method, with the penalties, constraint and networks that were chosen.

        Raises:
            UnknownName: There is no such penalty, constraint or network.
            BadValue: A penalty is named twice.
            Refused: The method cannot use the network.
        """
        key = (task.name, method.name, early)
        if key not in self._parts:
            method = _with_penalties(method, early)
            penalties = {name: self.find("penalty", name) for name in method.penalties}
            needed = method.requires.union(*(penalty.requires for penalty in penalties.values()))
            network, family = self._network(task, method, needed, early)
            constraint = self.find("constraint", method.constraint) if method.constraint else None
            objective = self.find("objective", method.objective)
            self._parts[key] = Parts(task, method, network, family, objective, penalties, constraint)
        return self._parts[key]

    def offered(self, task: Task, method: Method) -> dict[str, Family]:
        """The task's networks that the method can use, the one it prefers first.

        Raises:
            Refused: There is none.
        """
        requires = (self.find("penalty", name).requires for name in method.penalties)
        return _offered(task, method, method.requires.union(*requires))

    def _network(self, task: Task, method: Method, needed: frozenset[str], early: EarlyChoice) -> tuple[str, Family]:
        if early.network:
            name = early.network
            found = task.networks[name] if name in task.networks else self.find("network", name)
            family: Family = new_part(found) if isinstance(found, type) else found
        elif early.discriminator:
            name, family = next(iter(task.networks.items()))
        else:
            name, family = next(iter(_offered(task, method, needed).items()))
        missing = needed - family.provides
        if missing and not early.discriminator:
            raise Refused(
                f"The method '{method.name}' needs {', '.join(sorted(missing))} of its discriminator, which the network "
                f"'{name}' does not provide: with batch statistics a per-sample gradient has no meaning. "
                f"Choose one of {', '.join(_offered(task, method, needed))}."
                if "no_batch_statistics" in missing
                else f"The method '{method.name}' needs {', '.join(sorted(missing))}, which '{name}' does not provide."
            )
        return name, family


def _suggested(name: str) -> str:
    """What somebody should have written who gave a path, or a reader and a path, for a task; empty where that is not clear."""
    reader, colon, path = name.partition(":")
    if not colon or reader not in catalogue.names("reader"):
        return f"{task}:{name}" if (task := task_of(name)) else ""
    if reader == "prepared":
        return f"folder:{path}"
    sources = {task: catalogue.find("task", task).source for task in catalogue.names("task")}
    return next((f"{task}:{path}" for task, source in sources.items() if reader_of(source) == reader), "")


def keys_of(task: str, method: str) -> dict[str, Key]:
    """Every key of a task with a method, over all networks that the method can play (for ``gantlet list``)."""
    known = Catalogue()
    chosen_task, chosen_method = known.task(task).task, known.method(method)
    keys: dict[str, Key] = {}
    for name in known.offered(chosen_task, chosen_method):
        keys |= known.parts(chosen_task, chosen_method, EarlyChoice(network=name)).keys
    return keys


def penalty_prefixes(method: Method) -> dict[str, str]:
    """What the keys of each penalty begin with: ``penalty_`` for an only one, else its name."""
    if len(method.penalties) == 1:
        return {method.penalties[0]: "penalty_"}
    return {name: f"{name.rpartition(':')[2].replace('-', '_').lower()}_" for name in method.penalties}


def _with_penalties(method: Method, early: EarlyChoice) -> Method:
    """The method with the penalties and the constraint that were requested."""
    penalties, constraint = method.penalties, method.constraint
    if early.penalties:
        penalties = () if early.penalties == "none" else tuple(name.strip() for name in early.penalties.split("+"))
        if len(set(penalties)) < len(penalties):
            raise BadValue(f"penalties={early.penalties} names a penalty twice.")
    if early.constraint:
        constraint = None if early.constraint == "none" else early.constraint
    return replace(method, penalties=penalties, constraint=constraint)


def _offered(task: Task, method: Method, needed: frozenset[str]) -> dict[str, Family]:
    fitting = {name: family for name, family in task.networks.items() if needed <= family.provides}
    if not fitting:
        raise Refused(
            f"The method '{method.name}' needs a discriminator with: {', '.join(sorted(needed))}. The task '{task.name}' "
            f"offers none ({', '.join(task.networks)}). Name a network of your own with network=, generator= or "
            "discriminator=."
        )
    if method.prefers in fitting:
        return {method.prefers: fitting[method.prefers], **fitting}
    return fitting
