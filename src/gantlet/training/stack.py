"""Stacks: N networks of one architecture as one tensor per parameter.

S discriminators are a stack of S; S teams of K generators are a stack of S·K. In the form ``stacked`` the module runs
under ``vmap(functional_call)`` (a plain chain of linear layers: without it, see ``dense``), so that N small matrix products
become one batched product; wide convolutions on a CPU, which gain nothing from that, run in turn and in a form of their
own, see ``convolutional``. In the form ``loop`` the networks run one after another, from the same stacked storage. In both,
on a GPU, each convolution has the form that is faster for its shape, see ``convolution_forms``.

Buffers (running statistics) are handled functionally: a call works on a copy, and :meth:`Stack.commit` takes the copy
over once the update it belongs to is known to be good.

Legend: ``N`` networks, ``J`` batches that are scored separately, ``B`` batch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from gantlet.objectives.base import DiscriminatorOutput
from gantlet.randomness import seed_of, seeded

from .compiled import Compiler
from .convolution_forms import by_shape, choice_on
from .convolutional import in_turn
from .dense import dense_stack
from .synchronised import synchronise

__all__ = ["Form", "Stack", "refuses_vmap"]

Form = Literal["loop", "stacked"]
_Tensors = dict[str, Tensor]


class Stack:
    """N networks of one architecture.

    Arguments:
        modules: The networks; their parameters are copied into the stack.
        form: ``stacked`` (vmap) or ``loop``.
        seeds: One per network; they key dropout masks and the like in the form ``loop``.
        device: Where the stack lives.
        dtype: Its floating type.
        mixed: Whether training computes products in bfloat16; results are cast back to ``dtype``.
        synchronised: Whether batch norms take their statistics over all processes that train together.

    Attributes:
        parameters: Leaves ``[N, ...]`` by name.
        buffers: Buffers and constant parameters ``[N, ...]`` by name.
        compiler: Compiles calls in training; None to compute them as they are.
    """

    def __init__(
        self,
        modules: Sequence[nn.Module],
        *,
        form: Form,
        seeds: Sequence[int],
        device: torch.device,
        dtype: torch.dtype,
        mixed: bool = False,
        synchronised: bool = False,
    ) -> None:
        self._lower: Callable[[], AbstractContextManager[Any]] = nullcontext
        self._dtype = dtype
        if mixed:
            self._lower = lambda: torch.autocast(device.type, torch.bfloat16)
        self.size = len(modules)
        self.form: Form = form
        self.seeds = tuple(seeds)
        self.moment = ("", 0)
        self.compiler: Compiler | None = None
        self._calls = 0
        self.parameters: _Tensors = {}
        self.buffers: _Tensors = {}
        held = [dict(module.named_parameters()) for module in modules]
        for name, parameter in held[0].items():
            stacked = _stack([each[name] for each in held], device, dtype)
            if parameter.requires_grad:
                self.parameters[name] = nn.Parameter(stacked)
            else:
                self.buffers[name] = stacked
        moved = [dict(module.named_buffers()) for module in modules]
        for name in moved[0]:
            self.buffers[name] = _stack([each[name] for each in moved], device, dtype)
        self._pending: _Tensors | None = None
        self._earlier: list[_Tensors] = []  # what the micro-batches of this update have moved before
        self._in_turn = in_turn(modules[0]) if form == "stacked" and device.type == "cpu" and not mixed else None
        forms = [modules[0]] if self._in_turn is None else [modules[0], self._in_turn.network]
        self._templates = {
            (index == 1, True): copy.deepcopy(form).to(device, dtype).train() for index, form in enumerate(forms)
        }
        chosen = choice_on(device)
        if chosen is not None:
            for template in self._templates.values():
                by_shape(template, self.size if form == "stacked" else 1, chosen)
        if mixed and not (form == "loop" and device.type == "cuda"):  # there a normalisation takes bfloat16 as it is
            _normalise_in(dtype, self._templates.values())
        if synchronised:
            self._templates = {key: synchronise(network) for key, network in self._templates.items()}
        qualifies = not self.buffers and (form == "stacked" or self.size == 1)
        self._dense = dense_stack(modules[0]) if qualifies else None
        self.stochastic = any(isinstance(part, nn.modules.dropout._DropoutNd) for part in modules[0].modules())  # pyright: ignore[reportPrivateUsage]

    def compile(self, compiler: Compiler) -> None:
        """Have calls in training compiled; a stack that draws masks, each from its own seed, stays as it is."""
        if self.stochastic:
            compiler.refuse("masks of dropout are drawn from each member's own seed")
            return
        self.compiler = compiler

    def at(self, name: str, step: int) -> None:
        """Say which update comes next; it keys the masks of stochastic layers."""
        self.moment, self._calls = (name, step), 0

    def __call__(
        self,
        x: Tensor,
        *,
        parameters: Mapping[str, Tensor] | None = None,
        train: bool = True,
        advance: bool = False,
        eager: bool = False,
    ) -> dict[str, Tensor]:
        """Run every network on its own batch, ``[N, B, *in] -> {"score" or "out": [N, B, *out], …}``.

        Arguments:
            parameters: Used instead of the stack's own (detached ones, an average).
            train: Whether batch norm uses the statistics of the batch.
            advance: Whether moved buffers are kept for :meth:`commit`.
            eager: Whether the call is not compiled, so that it can be differentiated twice.
        """
        held = self._working_buffers() if train and self.buffers else dict(self.buffers)
        with self._lower():
            used = dict(parameters or self.parameters)
            if train and self.compiler is not None and not eager:
                out = self.compiler.run(self._run_training, x, used, held)
            else:
                out = self._run(x, used, held, train)
        out = {name: value.to(self._dtype) for name, value in out.items()}
        if advance and train and self.buffers:
            self._pending = held
        return out

    def batches(
        self,
        x: Tensor,
        *,
        parameters: Mapping[str, Tensor] | None = None,
        advance: bool = False,
        eager: bool = False,
    ) -> dict[str, Tensor]:
        """Run every network on J batches, each with its own batch statistics, ``[N, J, B, *in] -> [N, J, B, *out]``.

        Running statistics move to the mean over the J batches.
        """
        batches = x.shape[1]
        held = {name: _repeat(buffer, batches) for name, buffer in self._working_buffers().items()}
        used = dict(parameters or self.parameters)
        with self._lower():
            if self.compiler is not None and not eager:
                out = self.compiler.run(self._run_batches, x, used, held)
            else:
                out = self._run_batches(x, used, held)
        out = {name: value.to(self._dtype) for name, value in out.items()}
        if advance:
            self._pending = {name: _mean_over_batches(buffer) for name, buffer in held.items()}
        return out

    def evaluate(self, network: int, parameters: Mapping[str, Tensor], x: Tensor) -> Tensor:
        """One network in evaluation mode, ``[B, *in] -> [B, *out]``; ``parameters`` are its own, ``[1, ...]``.

        A discriminator's score or a generator's sample.
        """
        held = {name: value.squeeze(0) for name, value in parameters.items()}
        out = self._one(False)(held, {name: buffer[network] for name, buffer in self.buffers.items()}, x)
        return out["out"] if "out" in out else out["score"]

    def next_part(self) -> None:
        """Have the next micro-batch begin with the buffers of the last update; what each moves is averaged by :meth:`commit`."""
        if self._pending is not None:
            self._earlier.append(self._pending)
            self._pending = None

    def commit(self, good: Tensor | None = None, *, mean: Callable[[Tensor], Tensor] | None = None) -> None:
        """Take over the buffers that the last advancing calls moved, where ``good`` ``[N]`` (everywhere if None).

        ``mean`` averages them over the processes that train together, where each has moved its own.
        """
        if self._pending is None:
            return
        parts = [*self._earlier, self._pending]
        for name in self._pending:
            held = self.buffers[name]  # moved in place: a recorded step reads this very tensor
            moved = parts[-1][name]
            if len(parts) > 1 and moved.is_floating_point():
                moved = torch.stack([part[name] for part in parts]).mean(0)
            if mean is not None and moved.is_floating_point():
                moved = mean(moved)
            held.copy_(moved if good is None else torch.where(_align(good, held), moved, held))
        self.forget()

    def forget(self) -> None:
        """Drop buffers that were moved and not committed."""
        self._pending, self._earlier = None, []

    def _working_buffers(self) -> _Tensors:
        source = self.buffers if self._pending is None else self._pending
        return {name: buffer.clone() for name, buffer in source.items()}

    def _vmapped(self, batch: int) -> bool:
        return self.form == "stacked" and not (self._in_turn is not None and self._in_turn.pays(batch))

    def _one(self, train: bool, *, in_turn: bool = False) -> Callable[[_Tensors, _Tensors, Tensor], dict[str, Tensor]]:
        if (in_turn, train) not in self._templates:  # that for evaluation is made when it is asked for
            self._templates[in_turn, train] = copy.deepcopy(self._templates[in_turn, True]).eval()
        template = self._templates[in_turn, train]

        def call(parameters: _Tensors, buffers: _Tensors, x: Tensor) -> dict[str, Tensor]:
            # Looking for tied weights takes as long as a small layer, and there are none in networks in turn.
            return _named(functional_call(template, {**parameters, **buffers}, (x,), tie_weights=not in_turn))

        return call

    def _run(self, x: Tensor, parameters: _Tensors, buffers: _Tensors, train: bool) -> dict[str, Tensor]:
        if self._dense is not None:
            return {"out": (self._dense.alone if self.form == "loop" else self._dense)(parameters, x)}
        if self._vmapped(x.shape[1]):
            return vmap(self._one(train))(parameters, buffers, x)
        one = self._one(train, in_turn=self.form == "stacked")
        if self.size == 1:  # views: no gradient is scattered into a stack of one
            alone = {name: _laid(value.squeeze(0)) for name, value in parameters.items()}
            calls = [self._seeded(one, 0, alone, {n: b.squeeze(0) for n, b in buffers.items()}, x.squeeze(0))]
            return {name: value.unsqueeze(0) for name, value in calls[0].items()}
        # unbind, never indexing: indexing a leaf scatters its gradient into zeros of the whole stack
        split = {name: value.unbind(0) for name, value in parameters.items()}
        calls = [
            self._seeded(one, i, {n: p[i] for n, p in split.items()}, {n: b[i] for n, b in buffers.items()}, x[i])
            for i in range(self.size)
        ]
        return {name: torch.stack([call[name] for call in calls]) for name in calls[0]}

    def _run_training(self, x: Tensor, parameters: _Tensors, buffers: _Tensors) -> dict[str, Tensor]:
        return self._run(x, parameters, buffers, True)

    def _run_batches(self, x: Tensor, parameters: _Tensors, buffers: _Tensors) -> dict[str, Tensor]:
        if self._vmapped(x.shape[2]):
            return vmap(vmap(self._one(True), in_dims=(None, 0, 0)))(parameters, buffers, x)
        columns = [
            self._run(x[:, j], parameters, {name: buffer[:, j] for name, buffer in buffers.items()}, True)
            for j in range(x.shape[1])
        ]
        return {name: torch.stack([column[name] for column in columns], 1) for name in columns[0]}

    def _seeded(
        self,
        one: Callable[[_Tensors, _Tensors, Tensor], dict[str, Tensor]],
        index: int,
        parameters: _Tensors,
        buffers: _Tensors,
        x: Tensor,
    ) -> dict[str, Tensor]:
        if not self.stochastic:
            return one(parameters, buffers, x)
        name, step = self.moment
        with seeded(seed_of(self.seeds[index], step, f"mask/{name}/{self._calls}"), x.device):
            self._calls += index == self.size - 1
            return one(parameters, buffers, x)


def refuses_vmap(module: nn.Module, example: Tensor) -> str | None:
    """Why a module cannot be stacked, or None when it can; ``example`` is one batch ``[B, *in]``.

    Both a forward and a backward pass are tried, on copies.
    """
    if _draws_masks(module):
        return "it draws dropout masks inside"
    try:
        device, dtype = example.device, example.dtype
        stack = Stack([copy.deepcopy(module)] * 2, form="stacked", seeds=(0, 0), device=device, dtype=dtype)
        out = stack(torch.stack([example, example]).requires_grad_(True))
        sum(value.sum() for value in out.values()).backward()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    except Exception as error:  # whatever a user's module does under vmap
        return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return None


def _normalise_in(dtype: torch.dtype, networks: Iterable[nn.Module]) -> None:
    """Have all normalisations take their input in a type: statistics in bfloat16 are coarse, and vmap refuses them."""
    for part in (part for network in networks for part in network.modules()):
        if isinstance(part, nn.modules.batchnorm._NormBase | nn.GroupNorm | nn.LayerNorm):  # pyright: ignore[reportPrivateUsage]
            part.register_forward_pre_hook(lambda _, given: (given[0].to(dtype),))


def _draws_masks(module: nn.Module) -> bool:
    return any("dropout" in type(part).__name__.lower() for part in module.modules())


def _named(out: Any) -> dict[str, Tensor]:
    if isinstance(out, DiscriminatorOutput):
        parts = {"score": out.score, "code": out.code, "generator_logits": out.generator_logits}
        return {name: part for name, part in parts.items() if part is not None}
    return {"out": out}


def _stack(tensors: Sequence[Tensor], device: torch.device, dtype: torch.dtype) -> Tensor:
    stacked = torch.stack([tensor.detach() for tensor in tensors]).to(device)
    return stacked.to(dtype) if stacked.is_floating_point() else stacked


def _repeat(buffer: Tensor, batches: int) -> Tensor:
    return buffer.unsqueeze(1).repeat(1, batches, *[1] * (buffer.dim() - 1))


def _mean_over_batches(buffer: Tensor) -> Tensor:
    return buffer.mean(1) if buffer.is_floating_point() else buffer[:, 0].clone()


def _laid(weight: Tensor) -> Tensor:
    """A kernel on a GPU with its channels last, which its tensor cores want: images then follow."""
    return weight.contiguous(memory_format=torch.channels_last) if weight.is_cuda and weight.dim() == 4 else weight


def _align(mask: Tensor, like: Tensor) -> Tensor:
    return mask.reshape(-1, *[1] * (like.dim() - 1))
