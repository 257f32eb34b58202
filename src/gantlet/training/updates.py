"""The updates of both players, for all members of a fleet at once, from batches to parameters.

A member whose loss or gradient norm is not finite has diverged from that update on: what it holds stays as it stood before,
bit for bit, and its slot is computed and ignored.

Legend: ``S`` members, ``K`` generators of a team, ``B`` batch, ``N`` samples, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import torch
from torch import Tensor, nn

from gantlet.data.base import Dataset
from gantlet.penalties.base import DiscriminatorFunction
from gantlet.randomness import seed_of, seeded

from . import objective_state
from .batch_loader import BatchLoader, Latents
from .blueprint import Blueprint, Player
from .discriminator_input import DiscriminatorInput
from .feed import Feed
from .generator_weights import GeneratorWeights
from .history import History
from .memory import keep_freed_memory
from .optimisers import StackOptimiser
from .randomness import KeyedRandom
from .schedules import ReduceOnPlateau
from .stack import Stack
from .step import (
    Discriminators,
    PenaltyContext,
    PlayerBatch,
    combined,
    critic,
    losses,
    monitors,
    needs_of,
    penalty_losses,
    penalty_monitors,
    which_generator,
)

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

    def __init__(self, blueprint: Blueprint, dataset: Dataset) -> None:
        keep_freed_memory()
        self.blueprint = blueprint
        self.step: int = 0
        self.discriminator_steps = 0
        self._updates: Callable[[], int] = lambda: self.discriminator_steps
        self.divergences: dict[int, Divergence] = {}
        self.stopped: dict[int, int] = {}
        sizes, execution, schedule = blueprint.sizes, blueprint.execution, blueprint.schedule
        self.members = len(blueprint.seeds)
        self._alive = torch.ones(self.members, dtype=torch.bool, device=execution.device)
        self.sound = torch.ones((), dtype=torch.bool, device=execution.device)
        self.sound_steps = torch.zeros((), dtype=torch.int64, device=execution.device)
        self._looking = True
        self.feed = Feed(lambda: self.discriminator_steps, device=execution.device, dtype=execution.dtype)
        random = self._random = KeyedRandom(blueprint.seeds, device=execution.device, dtype=execution.dtype)
        self._input = DiscriminatorInput(random, self.feed, sizes.pack, blueprint.noise, sizes.made)
        self.loader = BatchLoader(dataset, random, batch=sizes.batch, kind=blueprint.feed, drop_last=sizes.drop_last)
        self._latents = Latents(
            random,
            shape=(sizes.generators, self._batch_each(), sizes.latent),
            prior=blueprint.prior,
            pool=dataset.size if schedule.latent == "pool" else None,
            shared=blueprint.team.share_latents or blueprint.team.kind == "average",
            size_at=None if sizes.drop_last else self.loader.size_at,
        )
        self.generators = self._stack(blueprint.generator, "generator", sizes.generators)
        self.discriminators = self._stack(blueprint.discriminator, "discriminator", 1)
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
        self._fake: Tensor | None = None
        self._plateaus: int | None = None

    # ------------------------------------------------------------------------------------------------ training

    def _sharing_step(self) -> None:
        """Both updates from one forward pass of the generators."""
        self._fake = self._generate("generator", lambda: self.step, advance=True)
        if self.blueprint.schedule.order == "g_first":
            self._update_generator()
        self._update_discriminator()
        if self.blueprint.schedule.order == "d_first":
            self._update_generator()
        self._fake = None

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
        objective, update = self.blueprint.objective, self._updates
        self.discriminators.at("discriminator", update())
        batch_of_real = self.feed.tensor("real", lambda: self.loader.real(update()))
        real = self._inputs(batch_of_real, "d/real", update)  # [S, 1, B, *x]
        fake = self._inputs(self._fakes_for_discriminator(), "d/fake", update)  # [S, K, B, *x]
        real_output, fake_output = self.discriminate.both(real=real, fake=fake)
        batch = PlayerBatch(real_output, fake_output, real, fake, self.state)
        terms = {"loss_d": losses(objective, "discriminator", batch)}
        terms |= self._which("discriminator", batch) | self._penalties(
            "discriminator", self.discriminate, batch, update
        )
        return batch, self._differentiate("discriminator", terms)

    def _differentiate_generator(self, update: Callable[[], int]) -> Tensor:
        objective = self.blueprint.objective
        made = self._fake if self._fake is not None else self._generate("generator", update, advance=True)
        fake = self._inputs(made, "g/fake", update)
        discriminate = self.discriminate.frozen()
        real = fake.detach()
        if self._wants_real():
            last = self.feed.tensor("real", lambda: self.loader.real(max(0, self._updates() - 1)))
            real = self._inputs(last, "g/real", update)
        with torch.no_grad():
            real_output = discriminate(real) if "real" in needs_of(objective) else None
        batch = PlayerBatch(real_output, discriminate(fake), real, fake, self.state)
        terms = {"loss_g": losses(objective, "generator", batch)}
        terms |= self._which("generator", batch) | self._penalties("generator", discriminate, batch, update)
        return self._differentiate("generator", terms)

    def _differentiate(self, player: str, terms: Mapping[str, Tensor]) -> Tensor:  # -> [S] who may move
        """Put a player's gradients in place, and drop every member whose loss or gradient is not finite."""
        halved = player == "discriminator" and self.blueprint.team.reduction == "half-sum"
        joined = {name: term / 2 if halved and name == "loss_d" else term for name, term in terms.items()}
        loss = self._joined(player, reduce(torch.add, joined.values()))  # [S]
        optimiser = self.optimisers[player]
        optimiser.zero_grad()
        loss.sum().backward()
        norm = optimiser.norm()
        good = self._alive & (loss.detach() + norm).isfinite()
        if player == "generator" and self.generator_weights is not None:
            good = good & self.generator_weights.optimiser.norm().isfinite()
            self.history.add(
                {"generator_weights_entropy": self.generator_weights.entropy(self.generator_weights.logits)}
            )
        if not self._looking:
            self.sound &= (good == self._alive).all()
        elif not bool((good == self._alive).all()):
            self._diverge(player, good, loss.detach().isfinite())
        self.history.add({name: value.detach() for name, value in terms.items()} | {f"gradient_{player[0]}": norm})
        return good

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
        self.discriminators.commit(good if self.some_frozen else None)
        self._constrain(good)
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
        self.generators.commit(good.repeat_interleave(self._team) if self.some_frozen else None)
        if average:
            self._average(good)

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

    def _inputs(self, x: Tensor, name: str, update: Callable[[], int]) -> Tensor:
        return self._input(x, name=name, update=update, step=lambda: self.step)

    def _diverge(self, player: str, good: Tensor, finite_loss: Tensor) -> None:
        diverged = [slot for slot, now in enumerate((self._alive & ~good).tolist()) if now]
        for slot in diverged:
            cause = "gradient norm" if bool(finite_loss[slot]) else "loss"
            self.divergences[slot] = Divergence(self.step, player, f"the {player}'s {cause} was not finite")
        for optimiser in self.optimisers.values():
            optimiser.freeze(diverged)
        self._alive.copy_(good)

    def _penalties(
        self, player: str, discriminate: DiscriminatorFunction, batch: PlayerBatch, update: Callable[[], int]
    ) -> dict[str, Tensor]:
        penalties, sizes = self.blueprint.penalties, self.blueprint.sizes
        if not penalties:
            return {}
        self.history.add(penalty_monitors(penalties, player, batch))
        parameters = (self.generators if player == "generator" else self.discriminators).parameters
        schedule = self.blueprint.tuning.penalty
        factor = self.feed.number("factor", lambda: schedule.factor(self.step), varies=schedule.kind != "constant")

        def draw(name: str, shape: tuple[int, ...], kind: Literal["normal", "uniform"]) -> Tensor:
            return self.feed.tensor(name, lambda: self._random.draw(name, update(), shape, kind))

        given = PenaltyContext(player, update(), self.blueprint.fake_batches, draw, parameters, factor, sizes.whole)
        return penalty_losses(penalties, critic(self.blueprint.objective, discriminate, batch), batch, given)

    def _fakes_for_discriminator(self) -> Tensor:
        if self._fake is not None:
            return self._fake.detach()
        with torch.no_grad():
            if self.blueprint.schedule.latent == "shared":
                return self._generate("generator", lambda: self.step)
            return self._generate("discriminator", self._updates)

    def _generate(self, player: str, update: Callable[[], int], *, advance: bool = False) -> Tensor:  # -> [S, K, B, *x]
        self.generators.at(player, update())
        latents = self.feed.tensor(player, lambda: self._latents.at(player, update())).flatten(0, 1)  # [S·K, B, latent]
        made = self.generators(latents, advance=advance)["out"].unflatten(0, (self.members, self._team))
        if self.blueprint.team.kind == "average":
            return made.mean(1, keepdim=True)
        return made if self.blueprint.team.kind == "stackelberg" else made.flatten(1, 2).unsqueeze(1)

    def _which(self, player: str, batch: PlayerBatch) -> dict[str, Tensor]:
        weight = self.blueprint.team.which.get(player)
        return {"which_generator": weight * which_generator(batch.fake)} if weight else {}

    def _batch_each(self) -> int:
        """Samples that each generator makes for one discriminator batch."""
        sizes = self.blueprint.sizes
        return sizes.batch // sizes.generators if self.blueprint.team.kind == "choose" else sizes.made

    def _constrain(self, good: Tensor) -> None:
        constraint = self.blueprint.constraint
        if constraint is None:
            return
        everyone = not self.some_frozen
        with torch.no_grad():
            for parameter in self.discriminators.parameters.values():
                projected = constraint.project(parameter)
                if not everyone:
                    projected = torch.where(good.reshape(-1, *[1] * (parameter.dim() - 1)), projected, parameter)
                parameter.copy_(projected)

    def _average(self, good: Tensor) -> None:
        if self.average is None:
            return
        moved = good.repeat_interleave(self._team)
        everyone = not self.some_frozen
        with torch.no_grad():
            for name, parameter in self.generators.parameters.items():
                mean = torch.lerp(parameter, self.average[name], self.blueprint.ema)
                if not everyone:
                    mean = torch.where(moved.reshape(-1, *[1] * (mean.dim() - 1)), mean, self.average[name])
                self.average[name].copy_(mean)

    def _wants_real(self) -> bool:
        needs = needs_of(self.blueprint.objective)
        return bool({"real", "samples"} & needs) or any(p.player == "generator" for p in self.blueprint.penalties)

    @property
    def _team(self) -> int:
        return self.blueprint.sizes.generators

    # ------------------------------------------------------------------------------------------------ building

    def _stack(self, player: Player, name: str, per_member: int) -> Stack:
        execution = self.blueprint.execution
        modules: list[nn.Module] = []
        for seed in self.blueprint.seeds:
            for index in range(per_member):
                with seeded(seed_of(seed, index, f"init/{name}")):
                    modules.append(player.build())
        seeds = [seed for seed in self.blueprint.seeds for _ in range(per_member)]
        return Stack(
            modules,
            form=execution.form(len(modules)),
            seeds=seeds,
            device=execution.device,
            dtype=execution.dtype,
            mixed=execution.mixed,
        )
