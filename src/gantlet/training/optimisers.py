"""Optimisers on stacks: torch's own, with settings per member and members that can be frozen.

Each run of neighbouring slots with equal settings is one parameter group of an ordinary torch optimiser. The group holds
views ``stack[i:j]`` (detached leaves) whose ``.grad`` are views of the stacked gradient, so eight equal members cost one
fused kernel per tensor. A member that diverged keeps its parameters and its optimiser state as they were, bit for bit: its
rows are put back after every update, so that groups, and what was recorded of them, stay as they are. A zero gradient would
not do that: Adam's momentum goes on moving.

A vectorised kernel rounds the last few numbers of a tensor otherwise than the rest, so a member's share of a tensor must
be a whole number of vectors, or its numbers would depend on its slot. Parameters of other sizes (last layers' biases)
therefore live side by side in one *bank* per member, padded to whole vectors. Small ones do too: one kernel then does the
work of many, which is most of a narrow network's step.

An optimistic optimiser moves by twice its update and takes the one before back, :math:`w \\leftarrow w + 2 u_t - u_{t-1}`,
whatever rule makes the updates :math:`u_t` (Daskalakis et al., 2018, Training GANs with optimism,
https://arxiv.org/abs/1711.00141): bilinear games, around which plain gradients turn for ever, then converge.

Legend: ``N`` networks of a stack, ``S`` members, ``P`` numbers of a bank's row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor

from .adam import STEP, AdamRun, FusedAdam, Run, fresh_state, takes_fused

__all__ = ["OptimiserSpec", "StackOptimiser"]

_RECORDING = ("cuda",)  # kinds of devices on which steps are recorded, so that changing numbers must lie there
_VECTOR = 16  # float32 numbers of the widest vector register
_BANK = "bank"
_BEFORE = "update_before"
_SMALL = 4096  # numbers per network below which a parameter is cheaper to copy than to step on its own


@dataclass(frozen=True)
class OptimiserSpec:
    """Which optimiser, and its settings per member.

    Attributes:
        name: ``adam``, ``rmsprop`` or ``sgd``; torch's own in each case.
        lr: Learning rate per member, ``S`` numbers.
        beta1: Adam's first moment decay (SGD: momentum) per member.
        beta2: Adam's second moment decay (RMSprop: its alpha) per member.
        eps: The number inside or beside the root.
        fused: Whether Adam runs torch's fused kernel.
        optimistic: Whether each update is doubled and the one before taken back.
    """

    name: Literal["adam", "rmsprop", "sgd"]
    lr: tuple[float, ...]
    beta1: tuple[float, ...]
    beta2: tuple[float, ...]
    eps: float = 1e-8
    fused: bool = True
    optimistic: bool = False

    def group(self, member: int) -> dict[str, Any]:
        """The options of one member's parameter group."""
        lr, beta1, beta2 = self.lr[member], self.beta1[member], self.beta2[member]
        if self.name == "adam":
            return {"lr": lr, "betas": (beta1, beta2), "eps": self.eps}
        if self.name == "rmsprop":
            return {"lr": lr, "alpha": beta2, "eps": self.eps, "momentum": beta1}
        return {"lr": lr, "momentum": beta1}

    def build(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer | FusedAdam:
        """The torch optimiser of these groups, or what moves as it does; on a GPU one whose updates can be recorded."""
        device = groups[0]["params"][0].device.type
        gpu = device == "cuda"
        if self.name == "adam":
            fused = self.fused and all(takes_fused(group) for group in groups)
            if fused and device == "cpu":
                return FusedAdam(groups)
            return torch.optim.Adam(groups, fused=fused, foreach=gpu and not fused, capturable=gpu)
        if self.name == "rmsprop":
            return torch.optim.RMSprop(groups, foreach=True, capturable=gpu)
        return torch.optim.SGD(groups, foreach=not gpu, fused=gpu)


def _banked(parameter: Tensor) -> bool:
    return parameter[0].numel() % _VECTOR != 0 or parameter[0].numel() < _SMALL


class StackOptimiser:
    """One torch optimiser over a stack.

    Arguments:
        parameters: The stacked leaves ``[N, ...]`` by name.
        spec: The optimiser; its settings are per member.
        members: How many members ``S`` share the stack (``N`` is a multiple of it).
        varies: What will be tuned of ``lr`` and ``beta2``. On a GPU these are tensors there, so that a recorded update
            reads what they are now.

    Attributes:
        built: How often the groups were cut anew; what was recorded before then is of other tensors.
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        spec: OptimiserSpec,
        *,
        members: int,
        varies: frozenset[str] = frozenset(),
    ) -> None:
        self.parameters = dict(parameters)
        self.spec = spec
        self.built = 0
        self.members = members
        first = next(iter(self.parameters.values()))
        self.per_member = first.shape[0] // members
        self._varies = varies if first.device.type in _RECORDING else frozenset[str]()
        self._active = [True] * members
        self._moves = torch.ones(first.shape[0], dtype=torch.bool, device=first.device)  # [N]
        self._frozen: dict[str, Tensor] = {}  # optimiser state whose rows count where a member is frozen
        self._kept: dict[str, Tensor] = {}  # the same of parameters
        self._adam: list[AdamRun] = []
        self._places: dict[str, tuple[int, int]] = {}
        self._gradients: dict[str, Tensor] = {}
        self._tuning: list[tuple[float, tuple[float, float] | None]] = [(1.0, None)] * members
        self._slabs = {name: p.detach() for name, p in self.parameters.items() if not _banked(p)}
        self._move_into_bank({name: p for name, p in self.parameters.items() if _banked(p)})
        self._before = {name: torch.zeros_like(slab) for name, slab in self._slabs.items()} if spec.optimistic else {}
        self._build({})

    def zero_grad(self) -> None:
        """Forget the gradients of the stack."""
        self._gradients = {}
        for parameter in self.parameters.values():
            parameter.grad = None

    def norm(self) -> Tensor:
        """Each member's gradient norm over the whole stack, ``[S]``; the gradients are now in hand for :meth:`step`."""
        self._gradients = self._collect()
        held = [gradient.reshape(self.members, -1) for gradient in self._gradients.values()]
        norms = [torch.linalg.vector_norm(gradient, dim=1) for gradient in held]
        return norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms), dim=0)

    def tune(self, lr: Sequence[float], beta2: tuple[float, float] | None = None) -> None:
        """Scale each member's learning rate by its factor from now on.

        ``beta2 = (share, end)`` sets Adam's second decay to ``end + share · (its own - end)``.
        """
        tuning = [(factor, beta2) for factor in lr]
        if tuning == self._tuning:
            return
        self._tuning = tuning
        if any(len({tuning[member] for member in self._members(run)}) > 1 for run in self._runs):  # equals part
            self._build(self.state())
            return
        for run, group in zip(self._runs, self._torch.param_groups, strict=True):
            for key, value in self._options(self._members(run)[0]).items():
                _set(group, key, value)

    def copy(self) -> dict[str, Tensor]:
        """The parameters as they are now."""
        return {name: slab.clone() for name, slab in self._slabs.items()}

    def restore(self, held: Mapping[str, Tensor]) -> None:
        """Put the parameters back to where :meth:`copy` found them."""
        for slabs in (self._slabs, self._kept):  # who was frozen ahead of there stays there
            for name, slab in slabs.items():
                slab.copy_(held[name])

    def distance(self, held: Mapping[str, Tensor]) -> Tensor:
        """How far each member's parameters are from where :meth:`copy` found them, ``[S]``."""
        gaps = [(slab - held[name]).reshape(self.members, -1) for name, slab in self._slabs.items()]
        return torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(gap, dim=1) for gap in gaps]), dim=0)

    def step(self) -> None:
        """Move every member that is still active along its gradient."""
        held = self.copy() if self.spec.optimistic else {}
        self._move()
        for name, before in self._before.items():
            slab = self._slabs[name]
            update = slab - held[name]
            slab += update - before
            before.copy_(update)
        for name, kept in self._kept.items():
            slab = self._slabs[name]
            torch.where(_align(self._moves, slab), slab, kept, out=slab)

    def _move(self) -> None:
        gradients, self._gradients = self._gradients or self._collect(), {}
        complete = len(gradients) == len(self._slabs)
        if complete and not self._adam and any("betas" in g and not takes_fused(g) for g in self._torch.param_groups):
            self._adam = self._own_adam()
        if self._adam and complete:
            for run in self._adam:
                run.move(gradients)
            return
        for run in self._runs:
            for name, view in run.views.items():
                view.grad = gradients[name][run.start : run.stop] if name in gradients else None
        self._torch.step()
        for run in self._runs:
            for view in run.views.values():
                view.grad = None
        if self.spec.name == "adam" and self.spec.fused and complete and self._runs:
            self._adam = self._own_adam()

    def _own_adam(self) -> list[AdamRun]:
        for view in (view for run in self._runs for view in run.views.values()):
            if not self._torch.state[view]:
                self._torch.state[view] = fresh_state(view)
        groups = self._torch.param_groups
        return [AdamRun.of(run, group, self._torch) for run, group in zip(self._runs, groups, strict=True)]

    def freeze(self, members: Sequence[int]) -> None:
        """Freeze members that diverged: nothing of theirs moves from now on."""
        state = self.state()
        for member in members:
            self._active[member] = False
        self._hold(state)

    def state(self) -> dict[str, Tensor]:
        """The optimiser's state as stacked tensors: ``<slab>/<key> -> [N, ...]`` (``step`` -> ``[N]``)."""
        gathered: dict[str, Tensor] = {}
        for run in self._runs:
            for name, view in run.views.items():
                for key, value in self._torch.state[view].items():
                    self._gather(gathered, f"{name}/{key}", value, run)
        gathered |= {f"{name}/{_BEFORE}": update.clone() for name, update in self._before.items()}
        if not self._kept:
            return gathered
        for name, value in gathered.items():  # what had no state when it was frozen has none
            frozen = self._frozen.get(name, torch.zeros_like(value))
            gathered[name] = torch.where(_align(self._moves, value), value, frozen)
        return self._frozen | gathered

    def tensors(self) -> list[Tensor]:
        """Everything that an update changes, as it lies in memory."""
        values = [value for held in self._torch.state.values() for value in held.values()]
        return [*self._slabs.values(), *self._before.values(), *(v for v in values if isinstance(v, Tensor))]

    def load(self, state: Mapping[str, Tensor], active: Sequence[bool]) -> None:
        """Continue from :meth:`state`."""
        self._active = list(active)
        for name, before in self._before.items():
            before.copy_(state[f"{name}/{_BEFORE}"])
        self._build({name: value.clone() for name, value in state.items()})
        self._hold({name: value.clone() for name, value in state.items()})

    def _hold(self, state: dict[str, Tensor]) -> None:
        """Have frozen members keep these states, and the parameters that they have now."""
        if all(self._active):
            self._frozen, self._kept = {}, {}
            return
        by_network = [active for active in self._active for _ in range(self.per_member)]
        self._moves.copy_(torch.tensor(by_network))
        self._frozen = state
        if not self._kept:
            self._kept = self.copy()
        for name, kept in self._kept.items():  # in place: a recorded update reads these very tensors
            kept.copy_(self._slabs[name])

    def _move_into_bank(self, banked: Mapping[str, Tensor]) -> None:
        if not banked:
            return
        begin = 0
        for name, parameter in banked.items():
            self._places[name] = (begin, begin + parameter[0].numel())
            begin += parameter[0].numel()
        first = next(iter(banked.values()))
        bank = first.new_zeros(first.shape[0], -(-begin // _VECTOR) * _VECTOR)  # [N, P]
        for name, parameter in banked.items():
            start, stop = self._places[name]
            bank[:, start:stop] = parameter.detach().reshape(len(bank), -1)
            parameter.data = bank[:, start:stop].view(parameter.shape)
        self._slabs[_BANK], self._padding = bank, torch.zeros_like(bank[:, begin:])

    def _collect(self) -> dict[str, Tensor]:
        """The gradient of each slab, ``[N, ...]``; that of the bank is put together."""
        gradients = {name: self.parameters[name].grad for name in self._slabs if name != _BANK}
        if self._places:
            parts = [self._part_of_bank(name, start, stop) for name, (start, stop) in self._places.items()]
            gradients[_BANK] = torch.cat([*parts, self._padding], 1)
        return {name: gradient for name, gradient in gradients.items() if gradient is not None}

    def _part_of_bank(self, name: str, start: int, stop: int) -> Tensor:  # [N, stop - start]
        gradient, size = self.parameters[name].grad, self.members * self.per_member
        return self._padding.new_zeros(size, stop - start) if gradient is None else gradient.reshape(size, -1)

    def _gather(self, gathered: dict[str, Tensor], name: str, value: object, run: Run) -> None:
        if not isinstance(value, Tensor):
            return  # momentum_buffer is None until the first step
        size = self.members * self.per_member
        shape = (size, *value.shape[1:]) if value.dim() else (size,)
        if name not in gathered:
            gathered[name] = torch.zeros(shape, dtype=value.dtype, device=value.device)
        gathered[name][run.start : run.stop] = value.detach()

    def _build(self, state: Mapping[str, Tensor]) -> None:
        state = {name: value for name, value in state.items() if not name.endswith(f"/{_BEFORE}")}
        self._adam, self._runs = [], self._cut()
        self.built += 1
        groups: list[dict[str, Any]] = []
        for run in self._runs:
            run.views = {name: slab[run.start : run.stop] for name, slab in self._slabs.items()}
            groups.append({"params": list(run.views.values()), **self._tunable(self._options(self._members(run)[0]))})
        self._torch = self.spec.build(groups)
        for run in self._runs:
            for name, view in run.views.items():
                self._restore(view, name, state, run)

    def _restore(self, view: Tensor, name: str, state: Mapping[str, Tensor], run: Run) -> None:
        for full, value in state.items():
            owner, _, key = full.rpartition("/")
            if owner != name:
                continue
            moving = next((m for m in self._members(run) if self._active[m]), run.start // self.per_member)
            part = value[moving * self.per_member] if key == STEP else value[run.start : run.stop]
            self._torch.state[view][key] = part.clone()

    def _members(self, run: Run) -> range:
        return range(run.start // self.per_member, run.stop // self.per_member)

    def _options(self, member: int) -> dict[str, Any]:
        """A member's options as they are now."""
        (factor, beta2), options = self._tuning[member], self.spec.group(member)
        options["lr"] *= factor
        if beta2 is not None and "betas" in options:
            share, end = beta2
            options["betas"] = (options["betas"][0], end + share * (options["betas"][1] - end))
        return options

    def _tunable(self, options: dict[str, Any]) -> dict[str, Any]:
        """Options whose numbers that vary are tensors on the device."""
        if "lr" in self._varies:
            first = next(iter(self._slabs.values()))
            options["lr"] = torch.tensor(options["lr"], device=first.device, dtype=first.dtype)
        if "beta2" in self._varies and "betas" in options:
            beta1, beta2 = options["betas"]
            options["betas"] = (beta1, torch.tensor(beta2, device=self._moves.device, dtype=torch.float64))
        return options

    def _cut(self) -> list[Run]:
        """The runs of neighbouring members with equal settings."""
        options = [self._options(m) for m in range(self.members)]
        edges = [0, *(m for m in range(1, self.members) if options[m] != options[m - 1]), self.members]
        return [Run(start * self.per_member, stop * self.per_member) for start, stop in pairwise(edges)]


def _set(options: dict[str, Any], name: str, value: Any) -> None:
    """Give an option a new value, in place where it is a tensor."""
    held = options[name]
    if isinstance(held, Tensor):
        held.fill_(value)
    elif isinstance(held, tuple) and isinstance(held[1], Tensor):
        held[1].fill_(value[1])
    else:
        options[name] = value


def _align(mask: Tensor, like: Tensor) -> Tensor:
    return mask.reshape(-1, *[1] * (like.dim() - 1))
