"""How NumPy arrays get into a function of any framework and its result back, with the gradient where it offers one.

A function is given NumPy arrays first, or tensors of the framework that its module imports. What it refuses, the next one
may take. TensorFlow and JAX are used only where the function's own module has imported them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import BadValue

__all__ = ["Array", "Call", "Door", "differences", "doors_for", "is_single", "open_door", "to_numpy"]

Array = NDArray[np.float64]
Call = Callable[[Mapping[str, Any]], Any]
"""A function of named arrays of its framework."""


@dataclass(frozen=True)
class Door:
    """A framework and the precision in which arrays are given.

    Attributes:
        framework: ``"NumPy"``, ``"PyTorch"``, ``"TensorFlow"`` or ``"JAX"``.
        double: Whether arrays are 64-bit.
    """

    framework: str
    double: bool = True

    @property
    def tolerance(self) -> float:
        """How far, relatively, two values may be apart: room for an ε within a logarithm, and for rounding."""
        return 1e-5 if self.double else 5e-4

    @property
    def step(self) -> float:
        """The step of finite differences that rounding allows."""
        return 1e-5 if self.double else 1e-2

    @property
    def slope_tolerance(self) -> float:
        """How far, relatively, a gradient may be from finite differences."""
        return 1e-5 if self.double else 2e-2

    def into(self, array: Array) -> Any:
        """An array as the framework's own."""
        held: Any = np.array(array, dtype=np.float64 if self.double else np.float32)
        if self.framework == "PyTorch":
            import torch

            return torch.from_numpy(held)  # pyright: ignore[reportUnknownMemberType]
        if self.framework == "TensorFlow":
            return _module("tensorflow").constant(held)
        return _module("jax.numpy").asarray(held) if self.framework == "JAX" else held

    def value(self, call: Call, arrays: Mapping[str, Array]) -> Any:
        """The function's result for some arrays, as it returned it."""
        return call({name: self.into(array) for name, array in arrays.items()})

    def gradient(self, call: Call, arrays: Mapping[str, Array], wanted: Sequence[str]) -> dict[str, Array] | None:
        """The gradient of the result's sum that the framework finds, by name; None where it has no such thing.

        An array on which the result does not depend, or whose gradient was cut, has a gradient of zeros.
        """
        held = {name: self.into(array) for name, array in arrays.items()}
        if self.framework == "NumPy":
            return None
        if self.framework == "PyTorch":
            found = _torch_gradient(call, held, wanted)
        elif self.framework == "TensorFlow":
            found = _tensorflow_gradient(call, held, wanted)
        else:
            jax, sums = _module("jax"), _module("jax.numpy").sum

            def total(leaves: Mapping[str, Any]) -> Any:
                return sums(call({**held, **leaves}))

            found = jax.grad(total)({name: held[name] for name in wanted})
        return {name: to_numpy(part) for name, part in found.items()}


def doors_for(used: frozenset[str]) -> tuple[Door, ...]:
    """The doors to try, those of the frameworks that the subject's own code uses first."""
    numpy = [Door("NumPy"), Door("NumPy", double=False)]
    torch = [Door("PyTorch"), Door("PyTorch", double=False)]
    first = torch if "torch" in used else []
    if used & {"tensorflow", "keras"} and "tensorflow" in sys.modules:
        first += [Door("TensorFlow"), Door("TensorFlow", double=False)]
    if used & {"jax", "flax", "optax"} and "jax" in sys.modules:
        double = bool(_module("jax").config.jax_enable_x64)
        first += [Door("JAX", double=double)]
    return tuple(dict.fromkeys([*first, *numpy, *torch]))


def open_door(doors: Sequence[Door], attempt: Callable[[Door], Any], *, subject: str) -> Door:
    """The first door through which a function can be called.

    Raises:
        BadValue: There is none; the message has the first door's error.
    """
    refusals: list[str] = []
    for door in doors:
        try:
            attempt(door)
        except Exception as error:  # whatever a function of the user's does with arrays it does not know
            words = " ".join(str(error).split())
            refusals.append(f"{door.framework}: {type(error).__name__}: {words[:200]}")
        else:
            return door
    first = refusals[0] if refusals else "nothing"
    frameworks = ", ".join(dict.fromkeys(door.framework for door in doors))
    raise BadValue(f"{subject} could not be called with arrays of {frameworks}. {first}.")


def is_single(value: Any) -> bool:
    """Whether a result has fewer than 64 bits, so that finite differences of it need a longer step.

    Example:
        >>> is_single(np.float32(1)), is_single(np.float64(1)), is_single(1.0)
        (True, False, False)
    """
    return any(name in str(getattr(value, "dtype", "")) for name in ("float32", "float16"))


def to_numpy(value: Any) -> Array:
    """An array or number of any framework as float64.

    Raises:
        BadValue: It is neither.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu().double()
    try:
        found = np.asarray(value)
    except Exception as error:
        raise BadValue(f"expected an array or a number, but a {type(value).__name__} was returned") from error
    if found.dtype.kind not in "fiub":
        raise BadValue(f"expected real numbers, but a {type(value).__name__} of {found.dtype} was returned")
    return found.astype(np.float64)


def _torch_gradient(call: Call, held: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, Any]:
    import torch

    leaves = {name: held[name].requires_grad_() for name in wanted}
    value: Any = call(held)
    if not getattr(value, "requires_grad", False):
        return {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
    found = torch.autograd.grad(value.sum(), list(leaves.values()), materialize_grads=True, allow_unused=True)
    return dict(zip(wanted, found, strict=True))


def _tensorflow_gradient(call: Call, held: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, Any]:
    tensorflow = _module("tensorflow")
    with tensorflow.GradientTape() as tape:
        for name in wanted:
            tape.watch(held[name])
        value = tensorflow.reduce_sum(call(held))
    found = tape.gradient(value, [held[name] for name in wanted], unconnected_gradients="zero")
    return dict(zip(wanted, found, strict=True))


def _module(name: str) -> Any:
    import importlib

    return importlib.import_module(name)


def differences(
    call: Callable[[Mapping[str, Array]], float], arrays: Mapping[str, Array], name: str, *, step: float
) -> Array:
    """(f(x + h) - f(x - h)) / 2h in each number of one of the arrays, for a step h."""
    found = np.zeros_like(arrays[name])
    for at in np.ndindex(*found.shape):
        ends: list[float] = []
        for side in (step, -step):
            moved = arrays[name].copy()
            moved[at] += side
            ends.append(call({**arrays, name: moved}))
        found[at] = (ends[0] - ends[1]) / (2 * step)
    return found
