"""A step on a CPU as a list of calls: noted while it is done once, then made again without autograd.

A third of a narrow network's step is not arithmetic but autograd's nodes, views, and Python around some two hundred small
kernels. A recording notes each kernel of a step as it runs, forward, backward and optimiser alike. Since a static step has
all that it is fed and all that it changes in fixed places, the calls can be made again as they stand: the same kernels in
the same order, hence the same bits.

A tensor that a call takes or gives is known by its storage. Storages that are older than the recording are taken as they
are. Those that a call made are given memory that stays, which other ones take over once nothing reads them any more; a call
then writes there through its ``out=`` form (or is copied there, where it has none). So views are made once instead of at
every step, and nothing is allocated.

A call that hands a number to the host, draws random numbers, or makes a tensor that is sparse or as long as its contents say cannot be
made again. It is computed all the same, so that the step is whole, and the recording says why it is of no use.
"""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from .out_form import OutForm, Step, into, out_form

__all__ = ["Memory", "Recording"]

_UNREPEATABLE = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape, torch.Tag.nondeterministic_seeded}
_CONSTANT = ("scalar_tensor", "full", "full_like", "ones", "ones_like", "zeros", "zeros_like", "new_zeros")
"""Kernels whose result is the same at every step; it is made once, unless another call writes to it."""

Memory = dict[int, list[torch.UntypedStorage]]
"""Storages that stay, by their bytes; recordings that are made again one after another share them."""


@dataclass(frozen=True)
class _Place:
    """A tensor in a storage that a call made."""

    storage: int
    dtype: torch.dtype
    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int


@dataclass
class _Made:
    """A storage that a call made: its bytes, the last call that has it, and whether a later call may write to it."""

    bytes: int
    last: int
    written: bool = False


@dataclass(frozen=True)
class _Call:
    """A kernel and its form for a given result, what it takes, and where its results are; None for one in an older storage."""

    kernel: Any
    form: OutForm | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: list[_Place | None]


class Recording(TorchDispatchMode):
    """Notes every kernel that runs inside ``with recording:``; then :meth:`keep` it, and :meth:`replay` it.

    Attributes:
        refused: Why the calls cannot be made again; empty if they can.

    Example:
        >>> x, total = torch.tensor([1.0, 2.0], requires_grad=True), torch.zeros(2)
        >>> with Recording() as recording:
        ...     total += torch.autograd.grad((x * x).sum(), x)[0]
        >>> recording.keep({})
        >>> _ = x.data.fill_(5.0)
        >>> recording.replay()
        >>> total
        tensor([12., 14.])
    """

    def __init__(self) -> None:
        super().__init__()
        self.refused = ""
        self._calls: list[_Call] = []
        self._made: list[_Made] = []
        self._numbers: dict[StorageWeakRef, int] = {}  # a weak reference keeps an address from being used again
        self._steps: list[Step] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run a kernel and note it."""
        out = func(*args, **(kwargs or {}))
        if func.namespace == "profiler":
            return out
        results = [] if out is None else tree_leaves(out)
        if _UNREPEATABLE & set(func.tags) or not all(one is None or _plain(one) for one in results):
            self.refused = self.refused or f"{func} cannot be made again"
        if not self.refused:
            self._note(func, args, kwargs or {}, results)
        return out

    def keep(self, memory: Memory) -> None:
        """Give what the calls make a place in memory that stays; what they made while they were noted is gone."""
        if not self.refused and self._alive():
            gc.collect()  # circles of references, which last until Python looks for them
            if self._alive():
                self.refused = "something of a step is kept after it"
        if not self.refused:
            plan = _Plan(self._made, memory)
            self._steps = [step for index, call in enumerate(self._calls) for step in plan.step(index, call)]
        self._calls, self._made, self._numbers = [], [], {}

    @torch.no_grad()
    def replay(self) -> None:
        """Make the calls again."""
        for function, args, kwargs in self._steps:
            function(*args, **kwargs)

    def _alive(self) -> bool:
        """Whether something still holds what the calls made."""
        return any(not storage.expired() for storage in self._numbers)

    def _note(self, kernel: Any, args: tuple[Any, ...], kwargs: dict[str, Any], results: list[Tensor | None]) -> None:
        mutable, given = kernel._schema.is_mutable, tree_leaves((args, kwargs))
        taken = {StorageWeakRef(one.untyped_storage()) for one in given if isinstance(one, Tensor)}
        older = taken | self._numbers.keys()
        fresh = [one for one in results if one is not None and StorageWeakRef(one.untyped_storage()) not in older]
        if not fresh and not mutable:
            return  # a view
        form = out_form(kernel, args, kwargs, fresh[0]) if len(results) == 1 and not mutable else None
        args, kwargs = tree_map_only(Tensor, self._placed, (args, kwargs))
        for place in tree_leaves((args, kwargs)) if mutable else ():
            if isinstance(place, _Place):
                self._made[place.storage].written = True
        for one in fresh:
            storage = one.untyped_storage()
            if self._numbers.setdefault(StorageWeakRef(storage), len(self._made)) == len(self._made):
                self._made.append(_Made(storage.nbytes(), len(self._calls)))
        made = [self._placed(one) if one is not None and any(one is new for new in fresh) else None for one in results]
        self._calls.append(_Call(kernel, form, args, kwargs, made))

    def _placed(self, tensor: Tensor) -> Any:
        number = self._numbers.get(StorageWeakRef(tensor.untyped_storage()))
        if number is None:
            return tensor.detach()
        self._made[number].last = len(self._calls)
        return _Place(number, tensor.dtype, tuple(tensor.shape), tensor.stride(), int(tensor.storage_offset()))


def _plain(result: object) -> bool:
    """Whether a result is a tensor with a storage: no number for the host, no handle, nothing sparse."""
    return isinstance(result, Tensor) and result.layout is torch.strided


class _Plan:
    """Which memory stays for which storage: that of one whose last call is over is free for others."""

    def __init__(self, made: Sequence[_Made], memory: Memory) -> None:
        self._made, self._memory = made, memory
        self._free = defaultdict(list, {size: list(held) for size, held in memory.items()})
        self._storages: dict[int, torch.UntypedStorage] = {}
        self._views: dict[_Place, Tensor] = {}
        self._ending: dict[int, list[int]] = defaultdict(list)
        for number, one in enumerate(made):
            self._ending[one.last].append(number)

    def step(self, index: int, call: _Call) -> list[Step]:
        """A call on memory that stays; none for a constant, which is made now."""
        constant = call.kernel.overloadpacket.__name__ in _CONSTANT
        places = [place for place in call.results if place is not None]
        if once := constant and not any(self._made[place.storage].written for place in places):
            for place in places:  # memory of its own, which nothing takes over
                self._storages[place.storage] = torch.UntypedStorage(self._made[place.storage].bytes)
                self._ending[self._made[place.storage].last].remove(place.storage)
        given = tree_map_only(_Place, self._view, (call.args, call.kwargs, call.results))
        function, args, kwargs = into(call.kernel, call.form, *given)
        for number in self._ending[index]:
            self._free[self._made[number].bytes].append(self._storages[number])
        if once:
            function(*args, **kwargs)
        return [] if once else [(function, args, kwargs)]

    def _view(self, place: _Place) -> Tensor:
        if place.storage not in self._storages:
            size = self._made[place.storage].bytes
            if not self._free[size]:
                self._free[size].append(torch.UntypedStorage(size))
                self._memory.setdefault(size, []).extend(self._free[size])
            self._storages[place.storage] = self._free[size].pop()
        if place not in self._views:
            empty = torch.empty(0, dtype=place.dtype)
            self._views[place] = empty.set_(self._storages[place.storage], place.offset, place.size, place.stride)
        return self._views[place]
