"""A double of a device that is not the CPU: its tensors compute on the CPU, and meet no tensor of the CPU unless they are moved.

It stands for a GPU of Apple (``mps``), and like it has no double precision. What it refuses, such a device refuses in the
same words: tensors of two devices in one operation, float64, and a conversion to NumPy. Where such a device would take what has become of
memory that the host does not keep (``non_blocking``), the double refuses, too. It counts what the host reads.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

__all__ = ["DEVICE", "Reads", "elsewhere"]

DEVICE = torch.device("mps", 0)

_MOVES = ("aten::_to_copy", "aten::copy_")
_INDEXED = ("aten::index.Tensor", "aten::index_put_", "aten::_index_put_impl_")  # which take indices of the CPU, too
_BY_VMAP = (
    "aten::native_batch_norm",
    "aten::native_group_norm",
)  # for which vmap makes weights where it takes all to be
_READS = ("aten::_local_scalar_dense", "aten::equal", "aten::is_nonzero", "aten::nonzero", "aten::masked_select")

_DOUBLE = [False]


@dataclass
class Reads:
    """What the host asked of the device, by operation."""

    names: list[str] = field(default_factory=list[str])


class Far(Tensor):
    """A tensor of the device."""

    inside: Tensor

    @staticmethod
    def __new__(cls: type[Far], values: Tensor) -> Far:
        made: Far = Tensor._make_wrapper_subclass(  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
            cls,
            values.size(),
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            layout=values.layout,
            device=values.device,
        )
        made.inside = values
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl  # pyright: ignore

    @property
    def device(self) -> torch.device:  # pyright: ignore[reportIncompatibleVariableOverride]
        return DEVICE

    @property
    def data(self) -> Tensor:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.detach()

    @data.setter
    def data(self, value: Far) -> None:
        Tensor.data.__set__(self, value)  # pyright: ignore
        self.inside = value.inside

    def __repr__(self, **_: Any) -> str:
        return f"Far({self.inside})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


def _computed(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    far = [tensor for tensor in tensors if isinstance(tensor, Far)]
    name, asked = func.name(), kwargs.get("device")
    near = any(tensor.dim() and not isinstance(tensor, Far) for tensor in tensors)
    mixes = name in _MOVES or (name.startswith((*_INDEXED, *_BY_VMAP)) and isinstance(args[0], Far))
    if far and near and not mixes:
        raise RuntimeError(f"Expected all tensors to be on the same device, but found at least two devices: {name}")
    stays = bool(far) if asked is None else torch.device(asked).type == DEVICE.type
    if name in ("aten::copy_", "aten::new_empty_strided"):  # the latter is asked for by autograd, from its own device
        stays = isinstance(args[0], Far)
    given = dict(kwargs) | ({} if asked is None else {"device": torch.device("cpu")})
    made = func(*tree_map(_values, tuple(args)), **tree_map(_values, given))
    return tree_map(partial(_placed, given=far), made) if stays else made


def _values(value: Any) -> Any:
    return value.inside if isinstance(value, Far) else value


def _placed(value: Any, given: Sequence[Far]) -> Any:
    if not isinstance(value, Tensor):
        return value
    for tensor in given:  # what was changed in place
        if tensor.inside is value:
            return tensor
    if value.dtype == torch.float64 and not _DOUBLE[0]:
        raise TypeError(
            "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. "
            "Please use float32 instead."
        )
    return Far(value)


class _Dispatching(TorchDispatchMode):
    def __init__(self, reads: Reads) -> None:
        super().__init__()
        self._reads = reads

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.name().partition(".")[0] in _READS and isinstance(args[0], Far):
            self._reads.names.append(func.name())
        return _computed(func, args, kwargs or {})


class _Functions(TorchFunctionMode):
    """What torch decides before it dispatches, from a device that it takes for the CPU."""

    def __init__(self, reads: Reads) -> None:
        super().__init__()
        self._reads = reads

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = dict(kwargs or {})
        here = isinstance(_innermost(args[0]), Far) if args and isinstance(args[0], Tensor) else False
        if func in (torch.tensor, torch.as_tensor) and given.get("device") is not None:
            device = torch.device(given.pop("device"))
            return self._moved(func(*args, **given), here, (device,), {})
        if here and func == Tensor.device.__get__:  # pyright: ignore[reportUnknownMemberType]
            return DEVICE
        if here and func is Tensor.numpy:
            raise TypeError(f"can't convert {DEVICE} device type tensor to numpy. Use Tensor.cpu() first.")
        if here and func in (torch.quantile, Tensor.quantile):  # whose own tensors would be of the CPU
            return Far(func(args[0].inside, *args[1:], **given))
        if func is Tensor.cpu:
            func, args = Tensor.to, (args[0], torch.device("cpu"))
        if func is Tensor.tolist and here:
            self._reads.names.append("tolist")
            return args[0].inside.tolist()
        if func is Tensor.to:
            return self._moved(args[0], here, args[1:], given)
        return func(*args, **given)

    def _moved(self, tensor: Tensor, here: bool, args: Sequence[Any], given: dict[str, Any]) -> Tensor:
        if args and isinstance(args[0], Tensor):
            args = (args[0].device, args[0].dtype)
        copy = given.pop("copy", False)
        device, dtype, at_once, layout = torch._C._nn._parse_to(*args, **given)  # pyright: ignore
        there = here if device is None else device.type == DEVICE.type
        if at_once and there and not here:
            raise RuntimeError(
                "non_blocking: the host's memory is not pinned, and may be another's before it was copied"
            )
        wanted = {"dtype": dtype or tensor.dtype, "device": DEVICE if there else torch.device("cpu")}
        if there == here and wanted["dtype"] == tensor.dtype and not copy and layout is None:
            return tensor
        if here and not there:
            self._reads.names.append("to cpu")
        return torch.ops.aten._to_copy(tensor, **wanted, memory_format=layout)


def _innermost(tensor: Tensor) -> Tensor:
    inside = torch._C._functorch  # pyright: ignore
    while inside.is_functorch_wrapped_tensor(tensor):  # pyright: ignore
        tensor = inside.get_unwrapped(tensor)  # pyright: ignore
    return tensor


@contextmanager
def elsewhere(*, double: bool = False) -> Generator[Reads]:
    """Have tensors of :data:`DEVICE` meanwhile, with ``double`` precision as on a GPU of Nvidia or without; yields what the host reads."""
    reads = Reads()
    _DOUBLE[0] = double
    kept = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with _Dispatching(reads), _Functions(reads):
            yield reads
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(kept)
