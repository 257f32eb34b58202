"""The updates of both players, for all members of a fleet at once, from batches to parameters.

A member whose loss or gradient norm is not finite has diverged from that update on: what it holds stays as it stood before,
bit for bit, and its slot is computed and ignored.

The gradient of an update is added up over micro-batches and averaged over the processes that share a batch
(:mod:`.division`, :mod:`.ranks`); by default there is one of each.

Legend: ``S`` members, ``K`` generators of a team, ``B`` batch, ``N`` processes, ``b`` micro-batch, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from typing import Literal

import torch
from torch import Tensor

from gantlet.data.base import Dataset

from . import objective_state
from .after_update import average as move_average
from .after_update import constrain
from .blueprint import Blueprint
from .generator_weights import GeneratorWeights
from .history import History
from .initial_networks import initial_stack
from .memory import keep_freed_memory
from .optimisers import StackOptimiser
from .ranks import Alone, Ranks
from .schedules import ReduceOnPlateau
from .stack import Stack
from .step import (
    Discriminators,
    PenaltyContext,
    PlayerBatch,
    combined,
    critic,
    joined_batch,
    losses,
    mean_of,
    monitors,
    needs_of,
    penalty_losses,
    penalty_monitors,
    which_generator,
)
from .step_inputs import StepInputs

__all__ = ["Divergence", "Updates"]


@dataclass(frozen=True)
class Divergence:
    """How a member diverged: at which step (counted from 0), in whose update, and what was not finite."""

    step: int
    player: str
    cause: str


class Updates:
    """What members are made of, and how an update of each player changes it.

    Arguments:
        blueprint: What to train, and how.
        dataset: What to train on.
        ranks: The processes that train together; this one alone by default.

    Attributes:
        step: Steps done so far.
        discriminator_steps: Discriminator updates done so far.
        divergences: By slot, how members diverged.
        stopped: By slot, after which step members were stopped early; like those that diverged, they stay as they are.
        generators: The stack of S·K generators.
        discriminators: The stack of S discriminators.
        generator_weights: The learned weights of the teams, None where all generators weigh the same.
        optimisers: By player; learned weights are one of their own.
        average: The averaged generator parameters, None without averaging.
        state: The objective's state.
    """

    def __init__(self, blueprint: Blueprint, dataset: Dataset, ranks: Ranks | None = None) -> None:
        keep_freed_memory()
        self.blueprint, self.ranks = blueprint, ranks or Alone()
        self.step: int = 0
        self.discriminator_steps = 0
        self._updates: Callable[[], int] = lambda: self.discriminator_steps
        self.divergences: dict[int, Divergence] = {}
        self.stopped: dict[int, int] = {}
        sizes, execution = blueprint.sizes, blueprint.execution
        self.members = len(blueprint.seeds)
        self._alive = torch.ones(self.members, dtype=torch.bool, device=execution.device)
        self.sound = torch.ones((), dtype=torch.bool, device=execution.device)
        self.sound_steps = torch.zeros((), dtype=torch.int64, device=execution.device)
        self._looking = True
        self.division = blueprint.division(self.ranks.count, self.ranks.rank)
        self.inputs = StepInputs(blueprint, dataset, self.division, self._updates)
        self.feed, self.loader = self.inputs.feed, self.inputs.loader
        self.generators = initial_stack(blueprint, blueprint.generator, "generator", sizes.generators, self.ranks)
        self.discriminators = initial_stack(blueprint, blueprint.discriminator, "discriminator", 1, self.ranks)
        self.discriminate = Discriminators(self.discriminators, blueprint.discriminator.batch_statistics)
        self.optimisers = {
            "generator": StackOptimiser(
                self.generators.parameters,
                blueprint.generator.optimiser,
                members=self.members,
                varies=blueprint.tuning.varies,
            ),
            "discriminator": StackOptimiser(
                self.discriminators.parameters,
                blueprint.discriminator.optimiser,
                members=self.members,
                varies=blueprint.tuning.varies,
            ),
        }
        learned = blueprint.team.learned
        self.generator_weights = (
            GeneratorWeights(
                learned,
                members=self.members,
                generators=sizes.generators,
                execution=execution,
                varies=blueprint.tuning.varies,
            )
            if learned
            else None
        )
        if self.generator_weights is not None:
            self.optimisers["weights"] = self.generator_weights.optimiser
        self.state = objective_state.initial(blueprint)
        self.average = (
            {name: value.detach().clone() for name, value in self.generators.parameters.items()}
            if blueprint.ema
            else None
        )
        self.history = History(self.members, sizes.steps, execution.device)
        self._fakes: list[Tensor] = []
        self._plateaus: int | None = None
        learners = [] if self.generator_weights is None else [self.generator_weights.logits]
        self.ranks.watch("generator", [*self.generators.parameters.values(), *learners])
        self.ranks.watch("discriminator", list(self.discriminators.parameters.values()))

    # ------------------------------------------------------------------------------------------------ training

    def _sharing_step(self) -> None:
        """Both updates from one forward pass of the generators."""
        self._fakes = [self._generate("generator", lambda: self.step, part, advance=True) for part in self._parts]
        if self.blueprint.schedule.order == "g_first":
            self._update_generator()
        self._update_discriminator()
        if self.blueprint.schedule.order == "d_first":
            self._update_generator()
        self._fakes = []

    def _update_discriminator(self) -> None:
        batch, good = self._differentiate_discriminator()
        self._move("discriminator")
        self._after_discriminator(batch, good)

    def _update_generator(self) -> None:
        good = self._differentiate_generator(lambda: self.step)
        self._move("generator")
        if self.generator_weights is not None:
            self._move("weights")
        self._after_generator(good)

    def _extragradient_step(self) -> None:
        """Look ahead with one batch; then move from where both stood, along the gradients computed there with the next."""
        held = {player: optimiser.copy() for player, optimiser in self.optimisers.items()}
        for index in range(2):
            batch, good_d = self._differentiate_discriminator()
            good_g = self._differentiate_generator(lambda i=index: 2 * self.step + i)
            if index:
                for player, optimiser in self.optimisers.items():
                    optimiser.restore(held[player])
            for player in self.optimisers:
                self._move(player)
            self._after_discriminator(batch, good_d & good_g)
            self._after_generator(good_d & good_g, average=index == 1)

    def _differentiate_discriminator(self) -> tuple[PlayerBatch, Tensor]:
        """The gradients of the discriminators' update; the batch, and ``[S]`` who may move."""
        update, batches = self._updates, list[PlayerBatch]()
        real = self.inputs.real(update)

        def terms(part: int) -> dict[str, Tensor]:
            self.discriminators.next_part()
            self.discriminators.at(self.division.called("discriminator", part), update())
            mine = self._inputs(self.division.part(real, 2, part), "d/real", update, part)  # [S, 1, b, *x]
            fake = self._inputs(self._fakes_for_discriminator(part), "d/fake", update, part)  # [S, K, b, *x]
            real_output, fake_output = self.discriminate.both(real=mine, fake=fake)
            batch = PlayerBatch(real_output, fake_output, mine, fake, self.state)
            batches.append(batch)
            found = {"loss_d": losses(self.blueprint.objective, "discriminator", batch)}
            found |= self._which("discriminator", batch)
            return found | self._penalties("discriminator", batch, update, part)

        good = self._differentiate("discriminator", terms)
        return joined_batch(batches, self.blueprint.objective, self.ranks), good

    def _differentiate_generator(self, update: Callable[[], int]) -> Tensor:
        objective = self.blueprint.objective
        real = self.inputs.real(lambda: max(0, self._updates() - 1)) if self._wants_real() else None

        def terms(part: int) -> dict[str, Tensor]:
            made = self._fakes[part] if self._fakes else self._generate("generator", update, part, advance=True)
            fake = self._inputs(made, "g/fake", update, part)
            discriminate = self.discriminate.frozen()
            mine = fake.detach()
            if real is not None:
                mine = self._inputs(self.division.part(real, 2, part), "g/real", update, part)
            with torch.no_grad():
                real_output = discriminate(mine) if "real" in needs_of(objective) else None
            batch = PlayerBatch(real_output, discriminate(fake), mine, fake, self.state)
            found = {"loss_g": losses(objective, "generator", batch)} | self._which("generator", batch)
            return found | self._penalties("generator", batch, update, part)

        return self._differentiate("generator", terms)

    def _differentiate(self, player: str, terms: Callable[[int], dict[str, Tensor]]) -> Tensor:  # -> [S] who may move
        """Put a player's gradients in place, and drop every member whose loss or gradient is not finite."""
        optimiser = self.optimisers[player]
        optimiser.zero_grad()
        means, loss = self._backward(player, terms)
        norm = optimiser.norm()
        good = self._alive & (loss + norm).isfinite()
        if player == "generator" and self.generator_weights is not None:
            good = good & self.generator_weights.optimiser.norm().isfinite()
            self.history.add(
                {"generator_weights_entropy": self.generator_weights.entropy(self.generator_weights.logits)}
            )
        if not self._looking:
            self.sound &= (good == self._alive).all()
        elif not bool((good == self._alive).all()):
            self._diverge(player, good, loss.isfinite())
        self.history.add(means | {f"gradient_{player[0]}": norm})
        return good

    def _backward(
        self, player: str, terms: Callable[[int], dict[str, Tensor]]
    ) -> tuple[dict[str, Tensor], Tensor]:  # -> {name: [S, K]}, [S]
        """Add up the gradients of all micro-batches; the means of the terms and of the loss over the whole batch."""
        halved = player == "discriminator" and self.blueprint.team.reduction == "half-sum"
        seen: list[dict[str, Tensor]] = []

        def loss(part: int) -> Tensor:
            found = terms(part)
            halves = {name: term / 2 if halved and name == "loss_d" else term for name, term in found.items()}
            whole = self._joined(player, reduce(torch.add, halves.values()))  # [S]
            seen.append({name: term.detach() for name, term in found.items()} | {"": whole.detach()})
            return whole.sum() if len(self._parts) == 1 else whole.sum() / len(self._parts)

        for part in self._parts:
            self.ranks.backward(player, partial(loss, part), last=part == self._parts[-1])
        means = mean_of(seen, self.ranks)
        return means, means.pop("")

    def _joined(self, player: str, team: Tensor) -> Tensor:  # [S, K] -> [S]
        reduction = "mean" if self.blueprint.team.reduction == "mean" else "sum"
        if self.generator_weights is None:
            return combined(team, reduction)
        return (
            self.generator_weights.generator_loss(team, reduction)
            if player == "generator"
            else self.generator_weights.discriminator_loss(team, reduction)
        )

    def _move(self, player: str) -> None:
        self.optimisers[player].step()
        self.optimisers[player].zero_grad()

    def _after_discriminator(self, batch: PlayerBatch, good: Tensor) -> None:
        self._commit(self.discriminators, good)
        if self.blueprint.constraint is not None:
            constrain(self.discriminators.parameters, self.blueprint.constraint, self._moved(good))
        self.history.add(monitors(self.blueprint.objective, batch))
        if self.state:
            moved, monitored = objective_state.advanced(
                self.blueprint, self.state, batch, good, self.discriminator_steps
            )
            for name, value in moved.items():
                self.state[name].copy_(value)
            self.history.add(monitored)
        self.discriminator_steps += 1

    def _after_generator(self, good: Tensor, *, average: bool = True) -> None:
        self._commit(self.generators, good.repeat_interleave(self._team))
        if average and self.average is not None:
            moved = self._moved(good.repeat_interleave(self._team))
            move_average(self.average, self.generators.parameters, self.blueprint.ema, moved)

    def _commit(self, stack: Stack, good: Tensor) -> None:
        own = self.ranks.count > 1 and self.blueprint.execution.batch_norm == "per-rank"
        mean = self.ranks.mean if own else None
        stack.commit(self._moved(good), mean=mean)

    def _moved(self, good: Tensor) -> Tensor | None:
        """Who may move, None for everyone."""
        return good if self.some_frozen else None

    def _tune(self) -> None:
        """Learning rates and Adam's second decay as this step has them."""
        tuning = self.blueprint.tuning
        if isinstance(tuning.lr, ReduceOnPlateau):
            if self.plateaus_passed == self._plateaus:
                return
            self._plateaus = self.plateaus_passed
            factors = self.state["stall/factor"].flatten().tolist()
        else:
            factors = [tuning.lr.factor(self.step)] * self.members
        share = tuning.beta2.factor(self.step)  # 1: the start, 0: the end
        for optimiser in self.optimisers.values():
            optimiser.tune(factors, beta2=None if tuning.beta2.kind == "constant" else (share, tuning.beta2_end))

    @property
    def plateaus_passed(self) -> int | None:
        """How often a learning rate on a plateau has been reckoned anew; None for one that is on none."""
        lr = self.blueprint.tuning.lr
        return self.discriminator_steps // lr.every if isinstance(lr, ReduceOnPlateau) else None

    @property
    def some_frozen(self) -> bool:
        """Whether a member has diverged or was stopped, and stays as it is."""
        return bool(self.divergences or self.stopped)

    def _inputs(self, x: Tensor, name: str, update: Callable[[], int], part: int) -> Tensor:
        return self.inputs.judged(x, name, update, step=lambda: self.step, part=part)

    def _diverge(self, player: str, good: Tensor, finite_loss: Tensor) -> None:
        diverged = [slot for slot, now in enumerate((self._alive & ~good).tolist()) if now]
        for slot in diverged:
            cause = "gradient norm" if bool(finite_loss[slot]) else "loss"
            self.divergences[slot] = Divergence(self.step, player, f"the {player}'s {cause} was not finite")
        for optimiser in self.optimisers.values():
            optimiser.freeze(diverged)
        self._alive.copy_(good)

    def _penalties(self, player: str, batch: PlayerBatch, update: Callable[[], int], part: int) -> dict[str, Tensor]:
        penalties, sizes = self.blueprint.penalties, self.blueprint.sizes
        if not penalties:
            return {}
        self.history.add(penalty_monitors(penalties, player, batch))
        parameters = (self.generators if player == "generator" else self.discriminators).parameters
        schedule = self.blueprint.tuning.penalty
        factor = self.feed.number("factor", lambda: schedule.factor(self.step), varies=schedule.kind != "constant")

        def draw(name: str, shape: tuple[int, ...], kind: Literal["normal", "uniform"]) -> Tensor:
            return self.inputs.draw(name, update, shape, kind)

        discriminate = self.discriminate.differentiable(frozen=player == "generator")
        batches, division = self.blueprint.fake_batches, self.division
        given = PenaltyContext(player, update(), batches, draw, parameters, factor, division, part, sizes.whole)
        return penalty_losses(penalties, critic(self.blueprint.objective, discriminate, batch), batch, given)

    def _fakes_for_discriminator(self, part: int) -> Tensor:
        if self._fakes:
            return self._fakes[part].detach()
        with torch.no_grad():
            if self.blueprint.schedule.latent == "shared":
                return self._generate("generator", lambda: self.step, part)
            return self._generate("discriminator", self._updates, part)

    def _generate(
        self, player: str, update: Callable[[], int], part: int = 0, *, advance: bool = False
    ) -> Tensor:  # -> [S, K, b, *x]
        if advance:
            self.generators.next_part()
        self.generators.at(self.division.called(player, part), update())
        latents = self.inputs.latents(player, update, part).flatten(0, 1)  # [S·K, b, latent]
        made = self.generators(latents, advance=advance)["out"].unflatten(0, (self.members, self._team))
        if self.blueprint.team.kind == "average":
            return made.mean(1, keepdim=True)
        return made if self.blueprint.team.kind == "stackelberg" else made.flatten(1, 2).unsqueeze(1)

    def _which(self, player: str, batch: PlayerBatch) -> dict[str, Tensor]:
        weight = self.blueprint.team.which.get(player)
        return {"which_generator": weight * which_generator(batch.fake)} if weight else {}

    def _wants_real(self) -> bool:
        needs = needs_of(self.blueprint.objective)
        return bool({"real", "samples"} & needs) or any(p.player == "generator" for p in self.blueprint.penalties)

    @property
    def _parts(self) -> range:
        return range(self.division.parts)

    @property
    def _team(self) -> int:
        return self.blueprint.sizes.generators
