"""Fleets: solo equals stacked, slots do not matter, members diverge alone, teams and doubles of later methods fit."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import games
from contracts.doubles import BalanceLike
from game_cases import LOOP, PLAYERS, batch_norm, cases
from gantlet.networks.mlp import BranchMixture
from gantlet.objectives.vanilla import Vanilla
from gantlet.penalties.clipping import WeightClipping
from gantlet.training.blueprint import Blueprint, Execution, Player
from gantlet.training.fleet import Fleet
from gantlet.training.update_schedule import UpdateSchedule
from thinning import crossed, leading


def one_of(sheet: Blueprint, slot: int) -> Blueprint:
    """The blueprint of one member of a fleet, alone."""

    def pick(thing: Any) -> Any:
        if thing is None:
            return None
        chosen = {n: v[slot : slot + 1] for n, v in vars(thing).items() if isinstance(v, Tensor) and v.numel() > 1}
        return replace(thing, **chosen)

    def alone(player: Player) -> Player:
        spec = player.optimiser
        numbers = {name: (getattr(spec, name)[slot],) for name in ("lr", "beta1", "beta2")}
        return replace(player, optimiser=replace(spec, **numbers))

    return replace(
        sheet,
        seeds=(sheet.seeds[slot],),
        objective=pick(sheet.objective),
        penalties=tuple(pick(penalty) for penalty in sheet.penalties),
        constraint=pick(sheet.constraint),
        noise=pick(sheet.noise),
        generator=alone(sheet.generator),
        discriminator=alone(sheet.discriminator),
        execution=LOOP,
    )


STEPS = 10
"""An epoch has eight, and whatever varies over training does so within them."""


@cache
def stacked(name: str, k: int) -> tuple[Blueprint, Fleet]:
    """A fleet of three members after more than an epoch; to be read, not changed."""
    sheet = games.sheet((4, 9, 2), k=2 if name == "pool" and k > 1 else k, **cases(3)[name])
    return sheet, games.train(Fleet(sheet, games.dataset()), STEPS)


@pytest.mark.parametrize(("slot", "name", "k"), crossed((2, 0), list(cases(3)), (1, 3)))  # the last and the first
def test_solo_equals_stacked(name: str, k: int, slot: int) -> None:
    sheet, together = stacked(name, k)
    assert not together.divergences
    alone = Fleet(one_of(sheet, slot), games.dataset())
    start = {player: games.parameters(alone, player, 0).clone() for player in PLAYERS}
    games.train(alone, STEPS)
    for player in PLAYERS:
        mine, theirs = games.parameters(alone, player, 0), games.parameters(together, player, slot)
        assert games.difference(theirs, mine) <= 1e-9
        assert games.difference(start[player], mine) > 1e-4, "nothing was trained, so equality says nothing"
    for buffer in alone.discriminators.buffers:
        torch.testing.assert_close(
            together.discriminators.buffers[buffer][slot], alone.discriminators.buffers[buffer][0]
        )


@pytest.mark.parametrize("name", leading(("batch norm in both", "vanilla", "wgan-gp", "balance")))
def test_the_loop_of_many_equals_the_stack(name: str) -> None:
    sheet = games.sheet((4, 9, 2), k=2, **cases(3)[name])
    stacked = games.train(Fleet(sheet, games.dataset()))
    looped = games.train(Fleet(replace(sheet, execution=LOOP), games.dataset()))
    for player in PLAYERS:
        for slot in range(3):
            assert (
                games.difference(games.parameters(looped, player, slot), games.parameters(stacked, player, slot)) < 1e-9
            )


def test_slots_and_neighbours_do_not_matter_at_a_fixed_width() -> None:
    one, other = games.train(games.fleet((7, 1, 2))), games.train(games.fleet((3, 4, 7)))
    for player in PLAYERS:
        assert torch.equal(games.parameters(one, player, 0), games.parameters(other, player, 2))


def test_float32_stacked_stays_close_to_solo(dtype: torch.dtype) -> None:
    single = Execution(route="stacked", dtype=torch.float32)
    sheet = games.sheet((4, 9), execution=single)
    together = games.train(Fleet(sheet, games.dataset()))
    alone = games.train(Fleet(replace(one_of(sheet, 1), execution=replace(single, route="loop")), games.dataset()))
    for player in PLAYERS:
        assert games.difference(games.parameters(together, player, 1), games.parameters(alone, player, 0)) < 1e-4


# -------------------------------------------------------------------------------------------------- divergence


class _Tripwire:
    """Vanilla losses, but one member's loss of one player becomes infinite at its n-th call."""

    needs = frozenset[str]()
    symmetric = False
    boundary = 0.0

    def __init__(self, player: str, slot: int, call: int, value: float) -> None:
        self.player, self.slot, self.call, self.value = player, slot, call, value
        self.calls = 0

    def _poison(self, player: str, loss: Tensor) -> Tensor:
        if player != self.player:
            return loss
        self.calls += 1
        if self.calls != self.call:
            return loss
        hit = torch.arange(loss.shape[0]).reshape(-1, 1) == self.slot
        # added, not multiplied: the gradient of a branch that `where` drops would be 0 · nan in every slot
        return loss + torch.where(hit, self.value, 0.0)

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        return self._poison("discriminator", Vanilla().discriminator(real=real, fake=fake))

    def generator(self, *, real: Tensor | None = None, fake: Tensor) -> Tensor:
        return self._poison("generator", Vanilla().generator(fake=fake))


@pytest.mark.parametrize(("value", "player"), crossed((float("nan"), float("inf")), PLAYERS))
def test_a_diverged_member_stays_as_it_was_and_its_neighbours_go_on(player: str, value: float) -> None:
    changes = {**batch_norm(3, d_norm=True), "ema": 0.5}
    sheet = games.sheet((4, 9, 2), **changes, objective=_Tripwire(player, 1, 6, value))
    tripped = games.train(Fleet(sheet, games.dataset()), 5)
    reference = games.train(Fleet(replace(sheet, objective=Vanilla()), games.dataset()), 5)
    before = games.tensors_of(tripped, 1)
    if player == "generator":  # within a step the discriminator moves first, and that update was good
        one_more = games.train(Fleet(replace(sheet, objective=Vanilla()), games.dataset()), 6)
        moved = games.tensors_of(one_more, 1)
        before |= {name: value for name, value in moved.items() if name.startswith("discriminator/")}
    games.train(tripped, 4)
    games.train(reference, 4)
    assert {slot: (left.step, left.player) for slot, left in tripped.divergences.items()} == {1: (5, player)}
    assert tripped.divergences[1].cause == f"the {player}'s loss was not finite"
    for name, value_then in games.tensors_of(tripped, 1).items():
        assert torch.equal(value_then, before[name]), name
    for slot in (0, 2):
        theirs, ours = games.tensors_of(reference, slot), games.tensors_of(tripped, slot)
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert all(torch.isfinite(value).all() for value in games.tensors_of(tripped, 1).values())


def test_an_infinite_gradient_of_a_finite_loss_is_a_divergence_too() -> None:
    class Steep(_Tripwire):
        def _poison(self, player: str, loss: Tensor) -> Tensor:
            if player != "generator":
                return loss
            hit = torch.arange(loss.shape[0]).reshape(-1, 1) == 0
            steep = torch.where(hit, (loss - loss.detach()).abs(), 1.0).sqrt()  # slope 1/0 in the slot that is hit
            return torch.where(hit, steep, loss)

    tripped = games.train(games.fleet((1, 2), objective=Steep("generator", 0, 1, 1.0)), 3)
    assert tripped.divergences[0].cause == "the generator's gradient norm was not finite"
    assert list(tripped.divergences) == [0]


def test_a_constrained_member_that_left_is_not_even_clipped() -> None:
    sheet = games.sheet(
        (4, 9), objective=_Tripwire("discriminator", 0, 1, float("nan")), constraint=WeightClipping(clip=0.001)
    )
    trained = Fleet(sheet, games.dataset())
    before = games.parameters(trained, "discriminator", 0).clone()
    games.train(trained, 2)
    assert torch.equal(games.parameters(trained, "discriminator", 0), before)
    assert float(games.parameters(trained, "discriminator", 1).abs().max()) <= 0.001


def test_history_of_a_diverged_member_ends_with_it() -> None:
    tripped = games.train(games.fleet((1, 2), steps=10, objective=_Tripwire("generator", 1, 4, float("nan"))))
    rows = tripped.history.take()
    steps = {
        slot: [s for s, who, n in zip(rows.step, rows.slot, rows.name, strict=True) if who == slot and n == "loss_g"]
        for slot in (0, 1)
    }
    assert steps == {0: list(range(1, 11)), 1: [1, 2, 3]}


# -------------------------------------------------------------------------------------------------- the rules


def test_only_the_discriminators_own_update_moves_its_running_statistics() -> None:
    trained = games.fleet((1, 2), **batch_norm(2, d_norm=True))
    seen: list[Tensor] = []
    discriminator, generator = trained._update_discriminator, trained._update_generator  # pyright: ignore[reportPrivateUsage]

    def note() -> None:
        seen.append(trained.discriminators.buffers["1.running_mean"].clone())

    trained._update_discriminator = lambda: (note(), discriminator(), note())[0]  # pyright: ignore[reportPrivateUsage]
    trained._update_generator = lambda: (generator(), note())[0]  # pyright: ignore[reportPrivateUsage]
    games.train(trained, 1)
    before, after_d, after_g = seen
    assert not torch.equal(before, after_d)
    assert torch.equal(after_d, after_g)


def test_running_statistics_are_the_mean_over_a_teams_batches() -> None:
    trained = games.fleet((1,), k=2, **batch_norm(1, d_norm=True))
    stack = trained.discriminators
    x = torch.randn(1, 2, 8, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weight, bias = (stack.parameters[name][0] for name in ("0.weight", "0.bias"))
    means = [(x[0, j] @ weight.T + bias).mean(0) for j in range(2)]
    stack.batches(x, advance=True)
    stack.commit()
    expected = 0.1 * (means[0] + means[1]) / 2  # torch's momentum 0.1, from zero
    torch.testing.assert_close(stack.buffers["1.running_mean"][0], expected)
    assert int(stack.buffers["1.num_batches_tracked"][0]) == 1


def test_weights_lie_in_their_box_after_every_step() -> None:
    trained = games.fleet((1, 2, 3), **cases(3)["wgan"])
    for _ in range(10):
        trained.advance()
        for slot, clip in enumerate((0.1, 0.2, 0.05)):
            assert float(games.parameters(trained, "discriminator", slot).abs().max()) <= clip


def test_reused_fakes_are_one_generator_forward() -> None:
    trained = games.fleet((1, 2), schedule=UpdateSchedule(reuse_fake=True))
    calls = 0
    real_call = trained.generators._run  # pyright: ignore[reportPrivateUsage]

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        return real_call(*args, **kwargs)

    trained.generators._run = counted  # pyright: ignore[reportPrivateUsage]
    trained.advance()
    assert calls == 1


def test_the_average_follows_its_recurrence() -> None:
    trained = games.fleet((1, 2), ema=0.75)
    name = next(iter(trained.generators.parameters))
    expected = trained.generators.parameters[name].detach().clone()
    for _ in range(4):
        trained.advance()
        expected = 0.75 * expected + 0.25 * trained.generators.parameters[name].detach()
    assert trained.average is not None
    torch.testing.assert_close(trained.average[name], expected)


def test_the_state_moves_after_the_update_from_losses_before_it() -> None:
    trained = games.fleet((1, 2), objective=BalanceLike(gamma=0.5, rate=0.1))
    outputs = trained.discriminate.both(
        real=trained.loader.real(0),
        fake=trained._generate("discriminator", lambda: 0),  # pyright: ignore[reportPrivateUsage]
    )
    on_real, on_fake = (output.score.detach().mean((-2, -1)) for output in outputs)
    trained.advance()
    expected = (0.1 * (0.5 * on_real - on_fake)).clamp(0, 1)
    torch.testing.assert_close(trained.state["k"].flatten(), expected)


def test_wide_batch_norm_generators_of_the_branch_baseline_train_stacked() -> None:
    family = BranchMixture()
    sheet = games.sheet(
        (1, 2), steps=2, generator=Player(lambda: family.generator(latent=3, shape=(2,)), games.adam(2), True)
    )
    trained = games.train(Fleet(sheet, games.dataset()))
    assert not trained.divergences


def test_dropout_in_a_users_network_is_keyed() -> None:
    def discriminator() -> nn.Module:
        return nn.Sequential(nn.Linear(2, 16), nn.Dropout(0.5), nn.Linear(16, 1), nn.Flatten(0))

    def ended(global_seed: int) -> Tensor:
        torch.manual_seed(global_seed)
        player = Player(discriminator, games.adam(2))
        return games.parameters(
            games.train(games.fleet((1, 2), discriminator=player, execution=LOOP), 5), "discriminator", 1
        )

    assert torch.equal(ended(0), ended(1))
