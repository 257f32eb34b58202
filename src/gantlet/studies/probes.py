"""What planning finds out about a network by building it; the answer about one of gantlet's own is remembered.

A sweep has many groups of members, and most have the same networks: each is built and tried once in a process, not once for
each group. What is known of a network is its recipe: gantlet's own functions and families with their settings, a sample's shape
and latent dimension. A network of the user's own has none, since its code may change meanwhile, and is tried each time.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, fields, is_dataclass
from functools import lru_cache, partial
from types import FunctionType, MethodType
from typing import Any, TypeVar

import torch
from torch import nn

__all__ = ["ask"]

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class _Recipe:
    """What decides which network is built; two are equal where the networks are."""

    key: Hashable
    build: Callable[[], nn.Module] = field(compare=False)


def ask(question: Callable[..., _Answer], build: Callable[[], nn.Module], *about: Hashable) -> _Answer:
    """The answer of ``question(build, *about)``, which depends on nothing else and leaves torch's random state as it was.

    Arguments:
        question: A function of a module; it is called once for each kind of network of gantlet's own.
        build: Makes a fresh network.
        about: What else the question is about, such as a shape.

    Raises:
        Exception: Whatever the question raises; that is not remembered.

    Example:
        >>> from gantlet.networks.mlp import MLP
        >>> def layers(build):
        ...     print("built")
        ...     return len(list(build().modules()))
        >>> build = partial(MLP(g_depth=1).generator, latent=2, shape=(2,))
        >>> ask(layers, build) == ask(layers, partial(MLP(g_depth=1).generator, latent=2, shape=(2,)))
        built
        True
    """
    key = _key(build)
    if key is None:
        return question(build, *about)
    answer: _Answer = _remembered(question, _Recipe(key, build), about, torch.get_default_dtype())
    return answer


@lru_cache(maxsize=4096)
def _remembered(question: Callable[..., Any], recipe: _Recipe, about: tuple[Hashable, ...], _: torch.dtype) -> Any:
    return question(recipe.build, *about)


def _key(part: Any) -> Hashable | None:
    """What a part of a recipe is, its type beside its value (1 equals True); None where that is not known for certain."""
    if part is None or isinstance(part, bool | int | float | str):
        return type(part), part
    if isinstance(part, tuple):
        return _all(part)
    if isinstance(part, partial):
        return _all((part.func, part.args, *(word for pair in sorted(part.keywords.items()) for word in pair)))
    if isinstance(part, MethodType):
        return _all((part.__func__, part.__self__))
    if isinstance(part, FunctionType):
        return part if _own(part.__module__) and part.__closure__ is None else None
    if is_dataclass(part) and not isinstance(part, type) and _own(type(part).__module__):
        held = _all(tuple(getattr(part, each.name) for each in fields(part)))
        return None if held is None else (type(part), held)
    return None


def _all(parts: tuple[Any, ...]) -> Hashable | None:
    keys = tuple(map(_key, parts))
    return None if None in keys else keys


def _own(module: str) -> bool:
    return module.startswith("gantlet.") and module != "gantlet.networks.custom"
