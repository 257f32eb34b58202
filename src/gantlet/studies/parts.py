"""The parts that a task and a method bring together, and every setting that they have between them.

A part is a dataclass of settings: the training itself, the objective, each penalty, the constraint, the network family
and the data set. A key on the command line is a part's field; a penalty's fields carry the prefix ``penalty_``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass, replace
from typing import Any

from gantlet import catalogue
from gantlet.errors import BadValue, Refused
from gantlet.methods.base import Method
from gantlet.networks.base import Family
from gantlet.networks.custom import CustomNetworks
from gantlet.settings import Scalar, Setting, settings_of
from gantlet.tasks.base import Task

from .settings import TrainingSettings

__all__ = [
    "Key",
    "Parts",
    "choose_network",
    "find_method",
    "find_task",
    "offered_networks",
    "penalty_prefixes",
    "with_own",
    "with_penalties",
]


@dataclass(frozen=True)
class Key:
    """A key of the command line: which part it belongs to, and the field's declaration."""

    part: str
    field: str
    setting: Setting


@dataclass(frozen=True)
class Parts:
    """A task, a method and a network family, and their keys."""

    task: Task
    method: Method
    network: str
    family: Family

    def requirements(self) -> frozenset[str]:
        """What the method and its penalties ask of the networks."""
        return _requirements(self.method)

    def keys(self) -> dict[str, Key]:
        """Every key that means something here."""
        found = {name: Key("training", name, setting) for name, setting in settings_of(TrainingSettings).items()}
        objective = catalogue.find("objective", self.method.objective)
        owners: list[tuple[str, str, Any]] = [("objective", "", objective)]
        for name, prefix in penalty_prefixes(self.method).items():
            owners.append((f"penalty/{name}", prefix, catalogue.find("penalty", name)))
        if self.method.constraint:
            owners.append(("constraint", "", catalogue.find("constraint", self.method.constraint)))
        owners += [("network", "", self.family), ("data", "", self.task.source)]
        for part, prefix, owner in owners:
            if not is_dataclass(owner):
                continue
            for name, declared in settings_of(owner).items():
                if part == "objective" and name in self.method.fixed:
                    continue
                full = prefix + name
                if full in found:
                    raise BadValue(f"The key {full} of {part} clashes with that of {found[full].part}. Rename it.")
                found[full] = Key(part, name, replace(declared, name=full))
        return found

    def pick(self, part: str, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The values of one part, by field."""
        return {key.field: values[name] for name, key in self.keys().items() if key.part == part}


def find_task(name: str) -> tuple[Task, dict[str, Scalar]]:
    """A task by name; ``points:FILE``, ``images:FILE``, ``mnist:FOLDER``, … also give the key ``data_path``.

    Raises:
        UnknownName: There is no such task.
    """
    prefix, colon, rest = name.partition(":")
    if colon and prefix in catalogue.names("task"):
        task = catalogue.find("task", prefix)
        if "data_path" not in settings_of(task.source):
            raise BadValue(f"The task '{prefix}' brings its own data; write it without ':{rest}'.")
        return task, {"data_path": rest}
    task = catalogue.find("task", name)
    if not isinstance(task, Task):
        raise BadValue(f"'{name}' is not a gantlet Task but a {type(task).__name__}.")
    return replace(task, name=name), {}  # the name by which it can be found again


def find_method(name: str) -> Method:
    """A method by name, or a ``Method`` or a bare objective by ``package.module:Name`` or ``file.py:Name``.

    A bare objective becomes a method with default settings.

    Raises:
        UnknownName: There is no such method.
        BadValue: The thing behind a path has no two losses.
    """
    found = catalogue.find("method", name)
    if isinstance(found, Method):
        return replace(found, name=name)  # the name by which it can be found again
    if not (hasattr(found, "discriminator") and hasattr(found, "generator")):
        raise BadValue(f"'{name}' is neither a gantlet Method nor an objective with discriminator() and generator().")
    summary = (found.__doc__ or "an objective of your own").strip().splitlines()[0]
    return Method(name=name, summary=summary, paper="your own", url="", objective=name)


def penalty_prefixes(method: Method) -> dict[str, str]:
    """What the keys of each penalty begin with: ``penalty_`` for an only one, else its name."""
    if len(method.penalties) == 1:
        return {method.penalties[0]: "penalty_"}
    return {name: f"{name.rpartition(':')[2].replace('-', '_').lower()}_" for name in method.penalties}


def with_penalties(method: Method, given: Mapping[str, Scalar]) -> Method:
    """The method with the penalties and the constraint that the keys ``penalties`` and ``constraint`` name, where given.

    Raises:
        UnknownName: No such penalty or constraint.
        BadValue: A penalty named twice.
    """
    penalties, constraint = str(given.get("penalties", "")), str(given.get("constraint", ""))
    changes: dict[str, Any] = {}
    if penalties:
        named = () if penalties == "none" else tuple(name.strip() for name in penalties.split("+"))
        if len(set(named)) < len(named):
            raise BadValue(f"penalties={penalties} names a penalty twice.")
        for name in named:
            catalogue.find("penalty", name)
        changes["penalties"] = named
    if constraint:
        if constraint != "none":
            catalogue.find("constraint", constraint)
        changes["constraint"] = None if constraint == "none" else constraint
    return replace(method, **changes) if changes else method


def offered_networks(task: Task, method: Method) -> dict[str, Family]:
    """The task's networks that the method can play.

    Raises:
        Refused: There is none.
    """
    needed = _requirements(method)
    fitting = {name: family for name, family in task.networks.items() if needed <= family.provides}
    if not fitting:
        wanted = ", ".join(sorted(needed))
        raise Refused(
            f"The method '{method.name}' needs a discriminator with: {wanted}. The task '{task.name}' offers none "
            f"({', '.join(task.networks)}). Name a network of your own with network=, generator= or discriminator=."
        )
    if method.prefers in fitting:
        return {method.prefers: fitting[method.prefers], **fitting}
    return fitting


def choose_network(task: Task, method: Method, given: Mapping[str, Scalar]) -> tuple[str, Family]:
    """The network family of a run, from the keys ``network``, ``generator`` and ``discriminator`` where given.

    Raises:
        UnknownName: No such family.
        Refused: The method cannot play it.
    """
    own = {role: str(given.get(role, "")) for role in ("generator", "discriminator")}
    name = str(given.get("network", ""))
    if name:
        family = task.networks[name] if name in task.networks else _instance(catalogue.find("network", name))
    elif own["discriminator"]:
        name, family = next(iter(task.networks.items()))
    else:
        name, family = next(iter(offered_networks(task, method).items()))
    missing = _requirements(method) - family.provides
    if missing and not own["discriminator"]:
        raise Refused(
            f"The method '{method.name}' needs {', '.join(sorted(missing))} of its discriminator, which the network "
            f"'{name}' does not provide: with batch statistics a per-sample gradient has no meaning. "
            f"Choose one of {', '.join(offered_networks(task, method))}."
            if "no_batch_statistics" in missing
            else f"The method '{method.name}' needs {', '.join(sorted(missing))}, which '{name}' does not provide."
        )
    return name, family


def with_own(family: Family, values: Mapping[str, Scalar], shape: tuple[int, ...]) -> Family:
    """The family with the user's own modules in place of one or both players."""
    generator, discriminator = str(values["generator"]), str(values["discriminator"])
    if not generator and not discriminator:
        return family
    return CustomNetworks(own_generator=generator, own_discriminator=discriminator, rest=family, shape=shape)


def _instance(found: Any) -> Family:
    return found() if isinstance(found, type) else found


def _requirements(method: Method) -> frozenset[str]:
    needed = set(method.requires)
    for name in method.penalties:
        needed |= catalogue.find("penalty", name).requires
    return frozenset(needed)
