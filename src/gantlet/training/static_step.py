"""Steps that say nothing to the host: whether members diverged is asked once in a while, not at every update.

A static step computes what a stacked one does, with everything that differs from step to step in fixed places
(:mod:`.feed`) and everything that it changes changed in place. So it can be recorded and replayed, as a CUDA graph, which
spares the host some hundreds of launches per step, or on a CPU as a list of calls (:mod:`.recording`): that is the route
``captured``. Its unit is a phase (one player's update, or a whole step where both share a forward pass), recorded once for
each combination of penalties that are due, and once more for the smaller batch that may end an epoch.

Members that diverge are dropped exactly where a stacked step drops them, without a look at each update: a tensor on the
device counts the sound steps since the last *mark*, where a copy of everything was put aside. When the host reads fewer
sound steps than were done, it puts the copy back, does the sound steps again (draws are keyed, so they are the same), and
does the next one while looking, as a stacked step does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from .feed import Feed, Feeding
from .history import History
from .recording import Memory, Recording

__all__ = ["Phase", "StaticStep", "Stepping"]

_LOG = logging.getLogger("gantlet")
_LEAST = 25
"""Steps at least between two looks at the device."""


@dataclass(frozen=True)
class Phase:
    """A part of a step; phases of equal ``key`` and as many samples in a ``batch`` do the same with other numbers."""

    key: tuple[Any, ...]
    run: Callable[[], None]
    batch: int


class Stepping(Protocol):
    """What a static step drives: a fleet."""

    step: int
    discriminator_steps: int
    history: History
    feed: Feed
    sound: Tensor
    sound_steps: Tensor

    @property
    def alive(self) -> list[bool]:
        """By slot, whether a member has not diverged."""
        ...

    @property
    def built(self) -> int:
        """Changes whenever tensors that a step works on were replaced by others."""
        ...

    @property
    def replaces(self) -> bool:
        """Whether the next step may replace tensors by others, so that there is no way back past it."""
        ...

    def one_step(self, run: Callable[[Phase], None], *, looking: bool) -> None:
        """Do one step, phase by phase; ``looking`` reads at each update who diverged."""
        ...

    def tensors(self) -> list[Tensor]:
        """Everything that a step changes, as it lies in memory."""
        ...

    def forget(self) -> None:
        """Drop what an update that was cut short left behind."""
        ...


@dataclass
class _Program:
    """A phase that was run once: what it is fed, what it counts, and its graph once it is recorded."""

    feedings: Sequence[Feeding]
    updates: int
    counts: dict[str, int]
    graph: torch.cuda.CUDAGraph | Recording | None = None


class StaticStep:
    """Does the steps of a fleet without asking the device at each.

    Arguments:
        fleet: What is trained.
        capture: Whether phases are recorded and replayed; needs a GPU of Nvidia or a CPU.
        refused: Why they cannot be, which is known already; empty if nothing is.

    Attributes:
        refused: Why recording was given up, empty if it was not.
    """

    def __init__(self, fleet: Stepping, *, capture: bool, refused: str = "") -> None:
        self._fleet, self._capture = fleet, capture
        self._interval = max(fleet.history.log_interval, _LEAST)
        self._programs: dict[tuple[Any, ...], _Program] = {}
        self._built = -1
        self._pool: Any = None
        self._memory: Memory = {}
        self._aside: list[Tensor] = []
        self._from: tuple[int, int] | None = None
        self._history: tuple[dict[str, int], int, frozenset[str]] = ({}, 0, frozenset())
        self.refused = ""
        if refused:
            self._refuse(refused)

    def reset(self) -> None:
        """Forget where the fleet was: it was put somewhere else."""
        self._from = None

    def advance(self) -> None:
        """Do one step."""
        if self._from is None or self._fleet.replaces:  # a first step makes what later ones change in place
            self.settle()
            self._look()
            return
        self._fleet.one_step(self._run, looking=False)
        if self._fleet.step - self._from[0] >= self._interval:
            self.settle()

    def settle(self) -> None:
        """Ask the device who has diverged since it was asked last, and be where a stacked fleet would be."""
        fleet, target = self._fleet, self._fleet.step
        if self._from is None or self._from[0] == target:
            return
        sound = int(fleet.sound_steps)
        if sound == target - self._from[0]:
            self._mark()
            return
        self._go_back()
        for _ in range(sound):
            fleet.one_step(self._run, looking=False)
        self._look()
        while fleet.step < target and any(fleet.alive):
            fleet.one_step(self._run, looking=False)
        self.settle()

    def _look(self) -> None:
        self._fleet.one_step(lambda phase: phase.run(), looking=True)
        self._mark()

    def _mark(self) -> None:
        fleet = self._fleet
        fleet.sound.fill_(True)
        fleet.sound_steps.zero_()
        tensors = [tensor.detach() for tensor in fleet.tensors()]
        if [t.shape for t in tensors] != [t.shape for t in self._aside]:
            self._aside = [torch.empty_like(tensor) for tensor in tensors]
        _copy(self._aside, tensors)
        self._from, self._history = (fleet.step, fleet.discriminator_steps), fleet.history.mark()

    def _go_back(self) -> None:
        assert self._from is not None
        fleet = self._fleet
        tensors = [tensor.detach() for tensor in fleet.tensors()][: len(self._aside)]
        _copy(tensors, self._aside)
        fleet.history.go_back(self._history)
        fleet.step, fleet.discriminator_steps = self._from
        fleet.sound.fill_(True)

    # ------------------------------------------------------------------------------------------------ recording

    def _run(self, phase: Phase) -> None:
        if not self._capture:
            self._first(phase)
            return
        if self._fleet.built != self._built:
            self._programs, self._pool, self._memory, self._built = {}, None, {}, self._fleet.built
        program = self._programs.get((phase.key, phase.batch))
        if program is None:
            self._programs[phase.key, phase.batch] = self._first(phase)
            return
        if program.graph is None and self._fleet.sound.device.type == "cpu":
            program.graph = self._noted(program, phase)
            return
        if program.graph is None:
            program.graph = self._recorded(phase)
            if program.graph is None:
                self._first(phase)
                return
        self._replay(program, program.graph)

    def _first(self, phase: Phase) -> _Program:
        fleet, before = self._fleet, self._fleet.history.counts
        start = fleet.discriminator_steps
        with fleet.feed.fixed(phase.batch) as feedings:
            phase.run()
        after = fleet.history.counts
        counts = {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}
        return _Program(feedings, fleet.discriminator_steps - start, counts)

    def _noted(self, program: _Program, phase: Phase) -> Recording | None:
        """Do the phase, and note its calls; None where they cannot be made again, and none will be any more."""
        self._feed(program)
        with self._fleet.feed.filled(phase.batch), Recording() as recording:
            phase.run()
        recording.keep(self._memory)
        if recording.refused:
            self._refuse(recording.refused)
            return None
        return recording

    def _recorded(self, phase: Phase) -> torch.cuda.CUDAGraph | None:
        """The phase as a graph; nothing is computed yet. None where it cannot be recorded, and none will be any more."""
        fleet, history = self._fleet, self._fleet.history.mark()
        start, graph = fleet.discriminator_steps, torch.cuda.CUDAGraph()
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        stream = torch.cuda.current_stream()
        try:
            with fleet.feed.filled(phase.batch), torch.cuda.graph(graph, pool=self._pool):
                phase.run()
        except RuntimeError as error:
            cause = error.__context__ or error  # ending a recording that failed raises another one
            first, _, _ = str(cause).strip().partition("\n")
            self._refuse(f"the GPU refuses: {first}")
            torch.cuda.set_stream(stream)  # a recording that fails may leave its own behind
            fleet.forget()
            graph = None
        fleet.discriminator_steps = start
        fleet.history.go_back(history)
        return graph

    def _refuse(self, reason: str) -> None:
        self._capture, self.refused = False, reason
        _LOG.warning("note: steps are not recorded, because %s", reason)

    def _feed(self, program: _Program) -> None:
        fleet = self._fleet
        start = fleet.discriminator_steps
        for feeding in program.feedings:
            fleet.discriminator_steps = start + feeding.after
            feeding.again()
        fleet.discriminator_steps = start

    def _replay(self, program: _Program, graph: torch.cuda.CUDAGraph | Recording) -> None:
        fleet = self._fleet
        start = fleet.discriminator_steps
        self._feed(program)
        graph.replay()
        fleet.discriminator_steps = start + program.updates
        fleet.history.count(program.counts)


@torch.no_grad()
def _copy(to: list[Tensor], of: list[Tensor]) -> None:
    for target, source in zip(to, of, strict=True):
        target.copy_(source)
