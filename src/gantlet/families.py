"""What every family of parts answers alike: its names, and a part by its name, built with checked options.

``gantlet.objectives.get("alpha", alpha_d=0.3)``, ``gantlet.networks.names()``, … are a :class:`Registry`'s methods. Nothing
is imported before it is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from typing import Any

from . import catalogue
from .errors import BadValue, UnknownName
from .names import FAMILIES
from .settings import Setting, settings_of

__all__ = ["Registry", "checked_part", "is_gantlets", "new_part", "options_of", "with_options"]

_NEEDS: dict[str, tuple[str, ...]] = {
    "objective": ("discriminator()", "generator()"),
    "penalty": ("player", "requires", "label", "draws()"),
    "constraint": ("project()",),
    "network": ("generator()", "discriminator()", "provides"),
    "method": ("objective", "formulas"),
    "task": ("source", "networks"),
    "reader": ("read()",),
    "card": ("reader", "pictures"),
    "executor": ("run()",),
    "figure": ("draw()",),
}
"""By family, what every part of it has: a method such as ``generator()``, or an attribute such as ``formulas``."""


class Registry:
    """A family of the catalogue.

    Arguments:
        kind: Its name in the singular, such as ``"objective"``.

    Example:
        >>> Registry("objective").names()[:2]
        ['vanilla', 'least-squares']
        >>> Registry("objective").get("alpha", alpha_d=0.3).alpha_d
        0.3
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def names(self) -> list[str]:
        """Every name, gantlet's own first, then those of installed third parties."""
        return catalogue.names(self.kind)

    def get(self, name: str, **options: object) -> Any:
        """A part by its name (or ``package.module:Name``) with checked options.

        An option that may differ within a fleet may also be a tensor that broadcasts against scores (per member
        ``[S, 1, 1]``); each of its values is checked.

        Raises:
            UnknownName: No such part, or it has no such option; the nearest names are offered.
            BadValue: An option's value has the wrong type or is out of range, or what a path names is not such a part.
        """
        found = checked_part(self.kind, name, catalogue.find(self.kind, name))
        known = options_of(found)
        for key in options:
            if key not in known:
                raise UnknownName(f"setting of the {self.kind} '{name}'", key, known)
        return with_options(found, {key: _checked(known[key], value) for key, value in options.items()})

    def attribute(self, name: str) -> Any:
        """The class or instance that a module of the family defines under this name: what ``family.Name`` looks up.

        It becomes an attribute of the family's package, where importing a module of the same name has put that module.

        Raises:
            AttributeError: There is none.
        """
        for path in () if name.startswith("__") else FAMILIES[self.kind].values():
            module, _, defined = path.partition(":")
            if defined == name:
                found = getattr(importlib.import_module(module), name)
                setattr(importlib.import_module(module.rpartition(".")[0]), name, found)
                return found
        raise AttributeError(f"gantlet has no {self.kind} defined as '{name}'; names() lists what there is.")


def checked_part(kind: str, name: str, found: Any) -> Any:
    """What a name stands for, if it has what every part of the family has.

    Raises:
        BadValue: It lacks something.
    """
    if lacking := [need for need in _NEEDS.get(kind, ()) if not hasattr(found, need.removesuffix("()"))]:
        raise BadValue(f"'{name}' is not {'an' if kind[0] in 'aeiou' else 'a'} {kind}: it has no {lacking[0]}.")
    return found


def is_gantlets(part: object) -> bool:
    """Whether a part's class is gantlet's own, and not a user's or a third party's."""
    return type(part).__module__.partition(".")[0] == "gantlet"


def options_of(found: object) -> dict[str, Setting]:
    """The settings that a part declares; none where it is not a dataclass."""
    return settings_of(found) if is_dataclass(found) else {}


def with_options(found: Any, options: Mapping[str, Any]) -> Any:
    """A part with its options: a dataclass is made, an instance copied; anything else is what it is.

    Raises:
        BadValue: A dataclass has fields that are no settings, and have no values of their own.
    """
    if not is_dataclass(found):
        return found
    return new_part(found, **options) if isinstance(found, type) else replace(found, **options) if options else found


def new_part(kind: Any, **options: Any) -> Any:
    """An instance of a part's class.

    Raises:
        BadValue: It cannot be made with these options alone.
    """
    try:
        return kind(**options)
    except TypeError as error:
        raise BadValue(
            f"{kind.__qualname__} cannot be made with {', '.join(options) or 'no arguments'} ({error}). Declare what it needs with "
            "gantlet.settings.setting, which gives each a value."
        ) from error


def _checked(declared: Setting, value: object) -> object:
    if not hasattr(value, "flatten"):
        return declared.parse(value)
    if not declared.varies:
        raise BadValue(f"{declared.name} is one choice for all members: expected {declared.range()}, not a tensor.")
    numbers: Any = value
    for entry in numbers.flatten().tolist():
        declared.parse(entry)
    return value
