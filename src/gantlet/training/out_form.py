"""A kernel's call that leaves its results in given tensors, without autograd and with little Python around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from types import BuiltinFunctionType
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

__all__ = ["Step", "into"]

Step = tuple[Callable[..., Any], Sequence[Any], dict[str, Any]]
"""A function, and what it is called with."""


def into(kernel: Any, args: Sequence[Any], kwargs: dict[str, Any], results: list[Tensor | None]) -> Step:
    """The call of a kernel that leaves its results in these places; None for a result that has its own.

    Example:
        >>> place = torch.zeros(2)
        >>> function, args, kwargs = into(torch.ops.aten.mul.Tensor, (torch.tensor([1.0, 2.0]), 3.0), {}, [place])
        >>> _ = function(*args, **kwargs)
        >>> place
        tensor([3., 6.])
    """
    if all(place is None for place in results):
        return kernel._op, args, kwargs
    form, names = _out_form(kernel)
    if form is not None and all(place is not None for place in results):
        kwargs = kwargs | dict(zip(names, results, strict=True))
        return _directly(form, args, kwargs), args, kwargs

    def copied(*args: Any, **kwargs: Any) -> None:
        for place, result in zip(results, tree_leaves(kernel._op(*args, **kwargs)), strict=True):
            if place is not None:
                place.copy_(result)

    return copied, args, kwargs


@cache
def _out_form(kernel: Any) -> tuple[Any, list[str]]:
    """The form of a kernel that writes into given tensors, and what it calls them."""
    own = [(argument.name, str(argument.type)) for argument in kernel._schema.arguments]
    for name in kernel.overloadpacket.overloads():
        form = getattr(kernel.overloadpacket, name)
        inputs = [(argument.name, str(argument.type)) for argument in form._schema.arguments if not argument.is_out]
        outs = [
            argument.name for argument in form._schema.arguments if argument.is_out and str(argument.type) == "Tensor"
        ]
        if inputs == own and len(outs) == len(kernel._schema.returns) > 0:
            return form, outs
    return None, []


def _directly(form: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Callable[..., Any]:
    """torch's own function for a kernel where it takes these very arguments: it spares a microsecond of looking them up."""
    function = getattr(torch, form.overloadpacket.__name__, None)
    if isinstance(function, BuiltinFunctionType) and form._schema.arguments[-1].name == "out":
        try:
            function(*args, **kwargs)
        except (TypeError, RuntimeError):  # other arguments, or numbers that are none yet
            return form._op
        return function
    return form._op
