"""Objectives: the losses of both players, one file per objective.

``get("alpha", alpha_d=0.3)`` builds one by its name; the protocol is in :mod:`gantlet.objectives.base`.
Importing this package does not import torch; asking for an objective does.
"""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

from gantlet import catalogue
from gantlet.errors import BadValue, UnknownName
from gantlet.settings import Setting, settings_of

if TYPE_CHECKING:
    from .base import Objective

__all__ = ["get", "names"]


def names() -> list[str]:
    """Every objective's name, gantlet's own first, then those of installed third parties.

    Example:
        >>> names()[:2]
        ['vanilla', 'least-squares']
    """
    return catalogue.names("objective")


def get(name: str, **options: object) -> Objective:
    """Build an objective by its name (or ``package.module:Name``) with checked options.

    An option that varies inside a fleet may also be a tensor that broadcasts against scores (per member
    ``[S, 1, 1]``); each of its values is checked.

    Raises:
        UnknownName: No such objective, or it has no such option; the nearest names are offered.
        BadValue: An option's value has the wrong type or is out of range.

    Example:
        >>> import torch
        >>> alpha = get("alpha", alpha_d=0.3)
        >>> alpha.discriminator(real=torch.tensor([2.0, 1.0]), fake=torch.tensor([-1.0, 0.0]))
        tensor(1.4011)
    """
    owner = catalogue.find("objective", name)
    if not (isinstance(owner, type) and is_dataclass(owner)):
        raise BadValue(f"'{name}' is not an objective: expected a dataclass with both players' losses.")
    known = settings_of(owner)
    for key in options:
        if key not in known:
            raise UnknownName(f"setting of the objective '{name}'", key, known)
    made: Any = owner(**{key: _checked(known[key], value) for key, value in options.items()})
    return made


def _checked(declared: Setting, value: object) -> object:
    from torch import Tensor

    if not isinstance(value, Tensor):
        return declared.parse(value)
    if not declared.varies:
        raise BadValue(f"{declared.name} is one value for all members: expected {declared.range()}, not a tensor.")
    for entry in value.flatten().tolist():
        declared.parse(entry)
    return value
