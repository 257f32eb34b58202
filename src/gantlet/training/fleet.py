"""A fleet: members of one shape, trained at once.

The fleet owns the two stacks, their optimisers, the objective's state and the average of the generators. It knows
nothing of metrics, files or clocks. Here is the order of a step; what an update does is in :mod:`.updates`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from gantlet.data.base import Dataset
from gantlet.devices import arithmetic

from .blueprint import Blueprint
from .compiled import Compiler, own_derivatives
from .ranks import Ranks
from .schedules import ReduceOnPlateau
from .static_step import Phase, StaticStep
from .step import (
    is_due,
)
from .updates import Updates

__all__ = ["Fleet"]


class Fleet(Updates):
    """Members in training.

    Arguments and attributes are those of :class:`~gantlet.training.updates.Updates`, and ``compiler``, which compiles both
    players' networks (None unless that was asked for).
    """

    def __init__(self, blueprint: Blueprint, dataset: Dataset, ranks: Ranks | None = None) -> None:
        super().__init__(blueprint, dataset, ranks)
        execution = blueprint.execution
        self.compiler = Compiler() if execution.compile else None
        if self.compiler is not None:
            self._compile(self.compiler)
        capture = execution.route == "captured"
        changing = self._changing() if capture and execution.device.type == "cpu" else ""
        self._static = StaticStep(self, capture=capture, refused=changing) if execution.static else None

    def advance(self) -> None:
        """Do one step: one generator update and the discriminator updates that belong to it.

        On the routes ``static`` and ``captured``, who has diverged is known after :meth:`settle`.
        """
        with self._arithmetic():
            if self._static is not None:
                self._static.advance()
            else:
                self.one_step(lambda phase: phase.run(), looking=True)

    def _compile(self, compiler: Compiler) -> None:
        self.generators.compile(compiler)
        own = own_derivatives(self.blueprint.objective, self.blueprint.penalties)
        if own:
            compiler.refuse(own)
        else:
            self.discriminators.compile(compiler)

    def _changing(self) -> str:
        """Why a CPU does not record steps whose numbers change: a GPU finds them in its memory, a CPU is called with them."""
        names = self.blueprint.tuning.changing
        if not names:
            return ""
        return f"a CPU would repeat the numbers that they were recorded with, and these change: {', '.join(names)}"

    def _arithmetic(self) -> AbstractContextManager[None]:
        execution = self.blueprint.execution
        return arithmetic(execution.device, tf32=execution.tf32)

    @property
    def refused(self) -> str:
        """Why steps are not recorded although they should be; empty otherwise."""
        return self._static.refused if self._static is not None else ""

    def settle(self) -> None:
        """Find out who has diverged, and stand as a fleet that looked at each update."""
        if self._static is not None:
            with self._arithmetic():
                self._static.settle()

    def one_step(self, run: Callable[[Phase], None], *, looking: bool) -> None:
        """Do one step, phase by phase; ``looking`` reads at each update who diverged."""
        self._looking = looking
        self._tune()
        # Distances are measured at the last step of a log interval: a copy of all weights at every step would cost too much.
        measured = (self.step + 1) % self.history.log_interval == 0
        held = {player: optimiser.copy() for player, optimiser in self.optimisers.items()} if measured else {}
        for phase in self._phases():
            run(phase)
        self.step += 1
        if not looking:
            self.sound_steps += self.sound
        self.history.add(
            {f"moved_{player[0]}": self.optimisers[player].distance(copy) for player, copy in held.items()}
        )
        self.history.close_interval(self.step, self.alive)

    @property
    def alive(self) -> list[bool]:
        """By slot, whether a member is still trained: it has not diverged and was not stopped."""
        return [slot not in self.divergences and slot not in self.stopped for slot in range(self.members)]

    def reached(self, slot: int) -> int:
        """How many steps a member was trained for: all so far, or until it diverged or was stopped."""
        if slot in self.divergences:
            return self.divergences[slot].step
        return self.stopped.get(slot, self.step)

    def stop(self, slots: Sequence[int]) -> None:
        """End the training of some members after this step: nothing of theirs moves from now on."""
        if not slots:
            return
        self.settle()
        ending = [slot for slot in slots if self.alive[slot]]
        if not ending:
            return
        self.stopped.update((slot, self.step) for slot in ending)
        for optimiser in self.optimisers.values():
            optimiser.freeze(ending)
        self.refresh()

    def refresh(self) -> None:
        """Take over what was replaced from outside (a checkpoint)."""
        self._alive.copy_(torch.tensor(self.alive))
        self._plateaus = None
        if self._static is not None:
            self._static.reset()

    def tensors(self) -> list[Tensor]:
        """Everything that a step changes, as it lies in memory."""
        moved = [value for optimiser in self.optimisers.values() for value in optimiser.tensors()]
        stacks = (self.generators, self.discriminators)
        moved += [buffer for stack in stacks for buffer in stack.buffers.values()]
        return [*moved, *(self.average or {}).values(), *self.state.values(), *self.history.tensors()]

    @property
    def built(self) -> int:
        """Changes whenever tensors that a step works on were replaced by others."""
        return sum(optimiser.built for optimiser in self.optimisers.values()) + self.some_frozen

    @property
    def replaces(self) -> bool:
        """Whether the next step may cut optimisers anew, because rates on a plateau part."""
        return self.plateaus_passed != self._plateaus

    def forget(self) -> None:
        """Drop what an update that was cut short left behind."""
        self._fakes = []
        for stack in (self.generators, self.discriminators):
            stack.forget()
        for optimiser in self.optimisers.values():
            optimiser.zero_grad()

    def _phases(self) -> Iterator[Phase]:
        """The phases of this step; what is due in one is known when those before it are done."""
        schedule, d = self.blueprint.schedule, self.discriminator_steps
        batch = self.loader.size_at(self.step)  # batches of other sizes go with one update of D in each step
        if schedule.extragradient:
            due = [self._due("discriminator", d + i) + self._due("generator", 2 * self.step + i) for i in range(2)]
            yield Phase(("both", *due), self._extragradient_step, batch)
        elif schedule.reuse_fake:
            due = self._due("discriminator", d) + self._due("generator", self.step)
            yield Phase(("step", due), self._sharing_step, batch)
        else:
            if schedule.order == "g_first":
                yield Phase(("generator", self._due("generator", self.step)), self._update_generator, batch)
            for update in range(d, d + schedule.updates(self.step)):
                yield Phase(("discriminator", self._due("discriminator", update)), self._update_discriminator, batch)
            if schedule.order == "d_first":
                yield Phase(("generator", self._due("generator", self.step)), self._update_generator, batch)

    def _due(self, player: str, update: int) -> tuple[bool, ...]:
        """What distinguishes this update of a player from others: penalties that are due, and a plateau's reckoning."""
        due = tuple(is_due(penalty, player, update) for penalty in self.blueprint.penalties)
        lr = self.blueprint.tuning.lr
        if player == "discriminator" and isinstance(lr, ReduceOnPlateau):
            due += ((update + 1) % lr.every == 0,)
        return due
