"""A kernel's call that leaves its results in given tensors, without autograd and with little Python around it.

Not every form that writes into given tensors leaves the numbers of the kernel itself there (torch 2.13's batch norm leaves the
statistics of images that are cut out of larger ones unwritten), so one is taken only if it did so with the arguments at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from types import BuiltinFunctionType
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

__all__ = ["OutForm", "Step", "into", "out_form"]

Step = tuple[Callable[..., Any], Sequence[Any], dict[str, Any]]
"""A function, and what it is called with."""
OutForm = tuple[Callable[..., Any], str]
"""A function that writes into a given tensor, and what it calls that."""


def out_form(kernel: Any, args: Sequence[Any], kwargs: dict[str, Any], result: Tensor) -> OutForm | None:
    """What writes the one result of a kernel into a given tensor; None if nothing is known to leave the same numbers.

    Example:
        >>> x = torch.tensor([1.0, 2.0])
        >>> out_form(torch.ops.aten.mul.Tensor, (x, 3.0), {}, 3.0 * x) == (torch.mul, "out")
        True
    """
    for function, name in _forms(kernel):
        place = torch.empty_strided(result.shape, result.stride(), dtype=result.dtype)
        place.fill_(torch.nan if result.is_floating_point() else 1)
        try:
            function(*args, **kwargs, **{name: place})
        except (TypeError, RuntimeError):
            continue  # torch's own function takes other arguments than the kernel
        if place.stride() == result.stride() and _same(place, result):
            return function, name
    return None


def into(
    kernel: Any, form: OutForm | None, args: Sequence[Any], kwargs: dict[str, Any], results: list[Tensor | None]
) -> Step:
    """The call of a kernel that leaves its results in these places; None for a result that has its own."""
    if all(place is None for place in results):
        return kernel._op, args, kwargs
    if form is not None:
        function, name = form
        return function, args, {**kwargs, name: results[0]}

    def copied(*args: Any, **kwargs: Any) -> None:
        for place, result in zip(results, tree_leaves(kernel._op(*args, **kwargs)), strict=True):
            if place is not None:
                place.copy_(result)

    return copied, args, kwargs


@cache
def _forms(kernel: Any) -> list[OutForm]:
    """A kernel's forms that write into one given tensor; torch's own function first, which is found a microsecond sooner."""
    own, found = [(argument.name, str(argument.type)) for argument in kernel._schema.arguments], list[OutForm]()
    for overload in kernel.overloadpacket.overloads():
        form = getattr(kernel.overloadpacket, overload)
        inputs = [(argument.name, str(argument.type)) for argument in form._schema.arguments if not argument.is_out]
        outs = [argument.name for argument in form._schema.arguments if argument.is_out]
        if inputs == own and len(outs) == 1 and len(kernel._schema.returns) == 1:
            function = getattr(torch, kernel.overloadpacket.__name__, None)
            if isinstance(function, BuiltinFunctionType) and outs == ["out"]:
                found.append((function, "out"))
            found.append((form._op, outs[0]))
    return found


def _same(one: Tensor, other: Tensor) -> bool:
    return bool(((one == other) | (one.isnan() & other.isnan())).all())
