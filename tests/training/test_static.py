"""Steps that say nothing to the host compute what stacked steps compute, bit for bit, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import games
import terminal
from game_cases import cases
from gantlet import catalogue
from gantlet.errors import Refused
from gantlet.objectives.wasserstein import Wasserstein
from gantlet.penalties.gradient import GradientPenalty
from gantlet.studies import plan
from gantlet.studies.build import blueprint
from gantlet.training import checkpoint, feed, optimisers, static_step
from gantlet.training.blueprint import Blueprint, Execution, Player, Sizes, Tuning
from gantlet.training.fleet import Fleet
from gantlet.training.history import Rows
from gantlet.training.schedules import ReduceOnPlateau, Schedule
from terminal import resolve
from thinning import crossed, fast, leading

STATIC = Execution(route="static", dtype=torch.float64)
CAPTURED = Execution(route="captured", dtype=torch.float64)
STACKED = Execution(route="stacked", dtype=torch.float64)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static_step, "_LEAST", 4)


def everything(trained: Fleet) -> dict[str, Any]:
    tensors, rest = checkpoint.snapshot(trained)
    rows: Rows = trained.history.take()
    points = list(zip(rows.slot, rows.step, rows.name, rows.value, strict=True))
    return tensors | rest | {"points": points}


def differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    def equal(a: Any, b: Any) -> bool:
        return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b

    assert one.keys() == other.keys()
    return [name for name in one if not equal(one[name], other[name])]


def assert_equal_to_stacked(sheet: Blueprint, steps: int) -> list[Fleet]:
    """Train on the three routes; a recorded step was replayed, unless its numbers change."""
    fleets = [
        games.train(Fleet(replace(sheet, execution=execution), games.dataset()), steps)
        for execution in (STACKED, STATIC, CAPTURED)
    ]
    stacked, static, captured = (everything(trained) for trained in fleets)
    assert differing(stacked, static) == []
    assert differing(stacked, captured) == []
    assert bool(replayed(fleets[2])) != bool(fleets[2].refused)
    return fleets


def replayed(trained: Fleet) -> list[Any]:
    """The phases of a fleet that were recorded."""
    programs = trained._static._programs if trained._static is not None else {}  # pyright: ignore[reportPrivateUsage]
    return [key for key, program in programs.items() if program.graph is not None]


FORMULAS = {"saturating", "least squares", "alpha", "alpha stable", "coulomb"}
"""Fleets that differ from others in their objective's formula alone."""
PLAYED = [
    pytest.param(*case, marks=[pytest.mark.slow] * (case[0] in FORMULAS))
    for case in fast(crossed(list(cases(3)), (1, 2)))
]


@pytest.mark.parametrize(("name", "k"), PLAYED)
def test_static_and_captured_equal_stacked(name: str, k: int) -> None:
    *_, captured = assert_equal_to_stacked(games.sheet((4, 9, 2), k=k, **cases(3)[name]), 10)  # more than an epoch
    assert bool(captured.refused) == (name in ("tuned", "stalling"))


def wild(lr: tuple[float, ...], **changes: Any) -> Blueprint:
    """Members whose scores become infinite once they are large, which those with high rates reach at steps of their own."""
    plain = games.sheet(tuple(range(1, 1 + len(lr))), steps=60)
    build = plain.discriminator.build
    players = {
        "generator": Player(plain.generator.build, games.adam(len(lr), lr)),
        "discriminator": Player(lambda: games.Poison(build, 0.8), games.adam(len(lr), lr)),
    }
    return replace(plain, **{**players, **changes})


@pytest.mark.parametrize(
    "changes", leading([{"ema": 0.5}, {}, {"tuning": Tuning(Schedule("step", decay=0.9, every=3))}])
)
def test_members_leave_where_they_leave_a_stacked_fleet(changes: dict[str, Any]) -> None:
    stacked, *_ = assert_equal_to_stacked(wild((1e-4, 0.02, 1e-4, 0.05, 0.1), **changes), 40)
    left = {slot: divergence.step for slot, divergence in stacked.divergences.items()}
    assert set(left) == {1, 3, 4}
    assert len(set(left.values())) == 3
    assert max(left.values()) > static_step._LEAST, "nobody left between two looks"  # pyright: ignore[reportPrivateUsage]


def test_a_fleet_of_which_all_left_stands_where_a_stacked_one_stopped() -> None:
    sheet = wild((0.02, 0.1))
    fleets = [Fleet(replace(sheet, execution=execution), games.dataset()) for execution in (STACKED, STATIC)]
    for trained in fleets:
        while any(trained.alive) and trained.step < 40:
            trained.advance()
        trained.settle()
    assert not any(fleets[0].alive)
    assert differing(*(everything(trained) for trained in fleets)) == []


@pytest.mark.parametrize(("execution", "stop"), crossed([STATIC, CAPTURED], (5, 1, 10)))
def test_interrupted_equals_uninterrupted(execution: Execution, stop: int) -> None:
    sheet = replace(wild((1e-4, 0.02, 0.1), ema=0.9), execution=execution)
    whole = games.train(Fleet(sheet, games.dataset()), 20)
    first = games.train(Fleet(sheet, games.dataset()), stop)
    held = checkpoint.snapshot(first)
    points = first.history.take()
    second = Fleet(sheet, games.dataset())
    checkpoint.restore(second, *held)
    games.train(second, 20 - stop)
    one, other = everything(whole), everything(second)
    other["points"] = list(zip(points.slot, points.step, points.name, points.value, strict=True)) + other["points"]
    assert differing(one, other) == []


@pytest.mark.parametrize("execution", [STATIC, CAPTURED], ids=lambda execution: execution.route)
def test_a_checkpoint_in_between_changes_nothing(execution: Execution) -> None:
    sheet = replace(wild((1e-4, 0.02, 0.1), ema=0.9), execution=execution)
    whole, looked_at = (Fleet(sheet, games.dataset()) for _ in range(2))
    games.train(whole, 20)
    for _ in range(20):
        looked_at.advance()
        checkpoint.snapshot(looked_at)
    assert differing(everything(whole), everything(looked_at)) == []


class NoWordToTheHost(TorchDispatchMode):
    """Refuses what reads a tensor's numbers on the host."""

    ASKING = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "unique")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(f"aten::{name}" == func.name().partition(".")[0] for name in self.ASKING):
            raise AssertionError(f"the step asks the device: {func}")
        return func(*args, **(kwargs or {}))


@contextmanager
def no_word() -> Generator[None]:
    with NoWordToTheHost():
        yield


@pytest.mark.parametrize("name", list(cases(3)))
def test_a_static_step_says_nothing_to_the_host(name: str) -> None:
    sheet = replace(games.sheet((4, 9, 2), k=1, steps=5000, **cases(3)[name]), execution=STATIC)
    trained = games.train(Fleet(sheet, games.dataset()), 3 if name == "stalling" else 2)  # one between two plateaus
    with no_word():
        for _ in range(1 if name == "stalling" else 2):
            trained.advance()


def test_a_stacked_step_does_say_something_to_the_host() -> None:
    trained = games.train(games.fleet(), 2)
    with pytest.raises(AssertionError, match="asks the device"), no_word():
        trained.advance()


def steps_of(task: str, method: str, *keys: str) -> Callable[[str], Fleet]:
    (resolved,) = resolve(task, method, "batch_size=16", "steps=12", *keys)
    data = resolved.source.load()

    def made(route: Any) -> Fleet:
        sheet = blueprint([(resolved, 1), (resolved, 2)], data.specification, Execution(route=route))
        return Fleet(sheet, data)

    return made


ALWAYS = {"vanilla", "wgan-gp", "dcgan", "coulomb", "r3gan", "pacgan"}
"""Methods that are tried at every change: together they have every part of the engine."""


@pytest.mark.parametrize(
    "method",
    [pytest.param(method, marks=() if method in ALWAYS else pytest.mark.slow) for method in catalogue.names("method")],
)
def test_every_method_is_static_too(method: str) -> None:
    if method in ("began", "ebgan", "ebgan-pt"):  # energies of auto-encoders, which images have
        made = steps_of("digits", method)
    else:
        made = steps_of("ring8", method, "g_width=8", "d_width=8", "g_depth=1", "d_depth=1")
    stacked, static, captured = (games.train(made(route), 6) for route in ("stacked", "static", "captured"))
    found = everything(stacked)
    assert differing(found, everything(static)) == []
    assert differing(found, everything(captured)) == []
    assert bool(replayed(captured)) != (method in ("began", "r3gan")), "their numbers change"


@pytest.mark.parametrize("name", ["tuned", "stalling"])
def test_numbers_that_lie_on_the_device_are_those_of_the_host(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, where recorded updates must find changing rates and decays."""
    sheet = games.sheet((4, 9, 2), **cases(3)[name])
    host = games.train(Fleet(sheet, games.dataset()), 14)
    monkeypatch.setattr(optimisers, "_RECORDING", ("cpu",))
    device = games.train(Fleet(sheet, games.dataset()), 14)
    for player in ("generator", "discriminator"):
        for slot in range(3):
            there, here = (games.parameters(trained, player, slot) for trained in (device, host))
            assert games.difference(there, here) <= 1e-13
    if name == "tuned":  # the numbers were tensors
        group = device.optimisers["generator"]._torch.param_groups[0]  # pyright: ignore[reportPrivateUsage]
        assert isinstance(group["lr"], torch.Tensor)
        assert isinstance(group["betas"][1], torch.Tensor)


def test_numbers_are_fed_into_places_where_steps_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    tuning = Tuning(penalty=Schedule("cosine", every=9, floor=0.5))
    changes: dict[str, Any] = {
        "objective": Wasserstein(),
        "penalties": (GradientPenalty(weight=2.0, every=2),),
        "tuning": tuning,
    }
    sheet = games.sheet((4, 9, 2), **changes)
    stacked = games.train(Fleet(sheet, games.dataset()), 9)
    monkeypatch.setattr(feed, "_RECORDING", ("cpu",))
    static = games.train(Fleet(replace(sheet, execution=STATIC), games.dataset()), 9)
    for slot in range(3):
        one, other = (games.parameters(trained, "discriminator", slot) for trained in (stacked, static))
        assert games.difference(other, one) <= 1e-13


@pytest.mark.parametrize("route", ["static", "captured"])
def test_a_study_takes_the_route_that_it_is_told(tmp_path: Path, route: Any) -> None:
    stacked, told = (terminal.study(tmp_path / one, "wgan-gp", seeds="2", route=one) for one in ("stacked", route))
    assert [fleet.route for fleet in told.record().plan.fleets] == [route]
    (one, _), (other, _) = (checkpoint.read(store.checkpoint("0000")) for store in (stacked, told))
    assert differing(one, other) == []
    assert "equal bit for bit" in terminal.gantlet("replay", told.folder, 1).out


KEYS = (
    *("", "alpha_d=0.3,1.0 saturating=true", "optimiser=rmsprop", "optimiser=sgd", "optimiser=optimistic-adam"),
    *("optimiser=extra-adam reuse_fake=false", "ema=0.9 generators=2", "pool=endless", "latent=pool generators=2"),
    *("latent=shared", "prior=uniform", "n_critic=3 reuse_fake=false", "order=g_first", "accumulate=4 penalties=r1"),
    *("batch_size_g=8", "generators=3 team=average", "generators=4 team=choose", "generators=3 team_weights=learned"),
    *(
        "generators=3 team_latents=shared team_reduction=half-sum",
        "pack=4 generators=2",
        "dtype=bfloat16",
        "lr=50,1e-4",
    ),
    *("instance_noise=0.3 instance_noise_steps=40", "penalties=dragan", "penalties=lecam", "penalties=orthogonal"),
    *("penalties=consistency", "penalties=max-gradient", "penalties=gradient penalty_weight=1,2", "smoothing=0.1"),
    *(
        "constraint=weight-clipping",
        "lr_trick=true n_critic=3",
        "spectral_norm=true",
        "which_generator=0.5 generators=2",
    ),
)


@pytest.mark.parametrize("keys", leading(list(KEYS), 3))
def test_every_key_of_a_setting_is_recorded_too(keys: str) -> None:
    """A CPU records long trainings unasked, so whatever a user sets must give the bits of stacked steps."""
    method = "alpha" if keys.startswith("alpha") else "vanilla"
    words = ("g_width=8", "d_width=8", "g_depth=1", "d_depth=1", *keys.split())
    resolved = resolve("ring8", method, "batch_size=16", "steps=60", *words)
    data = resolved[0].source.load()
    slots = [(each, seed) for each in resolved for seed in (1, 2)]
    stacked, captured = (
        games.train(Fleet(blueprint(slots, data.specification, Execution(route=route)), data), 60)
        for route in ("stacked", "captured")
    )
    assert differing(everything(stacked), everything(captured)) == []
    assert replayed(captured)


ENDING = (
    "alpha alpha_d=0.3,1.0 saturating=true latent=pool",
    "wgan-gp generators=2 reuse_fake=false n_critic=1",
    *("vanilla ema=0.9 latent=shared reuse_fake=false", "vanilla instance_noise=0.3 instance_noise_steps=40"),
    *("vanilla optimiser=rmsprop penalties=dragan", "vanilla penalties=consistency dtype=bfloat16"),
    *("relativistic prior=uniform", "vanilla generators=3 team_weights=learned", "mmd n_critic=1", "coulomb"),
)


@pytest.mark.parametrize("words", leading(list(ENDING), 2))
def test_the_smaller_batch_of_an_epoch_is_recorded_by_itself(words: str) -> None:
    """As the published rings have it: 40 samples are batches of 16, 16, and 8."""
    method, *keys = words.split()
    small = ("g_width=8", "d_width=8", "g_depth=1", "d_depth=1", "train_size=40", "batch_size=16", "drop_last=false")
    resolved = resolve("ring8", method, *small, "steps=20", *keys)
    data = resolved[0].source.load()
    slots = [(each, seed) for each in resolved for seed in (1, 2)]
    stacked, static, captured = (
        games.train(Fleet(blueprint(slots, data.specification, Execution(route=route)), data), 20)
        for route in ("stacked", "static", "captured")
    )
    assert stacked.loader.seen(20) == 6 * 40 + 32
    found = everything(stacked)
    assert differing(found, everything(static)) == []
    assert differing(found, everything(captured)) == []
    assert {batch for _, batch in replayed(captured)} == {16, 8}


def test_members_leave_at_a_smaller_batch_too() -> None:
    sizes = Sizes(batch=24, latent=3, steps=60, drop_last=False)  # of 64 samples, the third is of 16
    stacked, _, captured = assert_equal_to_stacked(wild((1e-4, 0.02, 1e-4, 0.05, 0.1), sizes=sizes), 40)
    assert len({divergence.step for divergence in stacked.divergences.values()}) == 3
    assert {batch for _, batch in replayed(captured)} == {24, 16}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dcgan", "sngan", "cr-gan"])
def test_convolutions_are_recorded_where_it_is_asked_for(method: str) -> None:
    made = steps_of("digits", method)
    stacked, captured = (games.train(made(route), 6) for route in ("stacked", "captured"))
    assert differing(everything(stacked), everything(captured)) == []
    assert replayed(captured)


def test_the_route_that_is_chosen_for_a_long_training_changes_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("wgan-gp", "lr=1e-3,1e-4")
    told = terminal.study(tmp_path / "told", *words, seeds="2", route="stacked")
    monkeypatch.setattr(plan, "_RECORDED", 6)
    chosen = terminal.study(tmp_path / "chosen", *words, seeds="2")
    assert [fleet.route for fleet in chosen.record().plan.fleets] == ["captured"]
    (one, _), (other, _) = (terminal.checkpoint_of(store, "0000") for store in (told, chosen))
    assert differing(one, other) == []
    assert told.history().equals(chosen.history())


def test_what_needs_a_gpu_is_refused_without_one(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"dtype=tf32 .* the device is cpu\. Use dtype=float32"):
        terminal.planned(tmp_path / "b", "vanilla", "dtype=tf32", device="cpu")


def test_history_that_is_taken_meanwhile_has_each_point_once() -> None:
    """As a study takes it: after it has found out who diverged, at steps between and at those of a look."""
    sheet = wild((1e-4, 0.02, 0.1, 0.005))
    points: list[list[Any]] = []
    for execution in (STACKED, STATIC, CAPTURED):
        trained, taken = Fleet(replace(sheet, execution=execution), games.dataset()), list[Any]()
        for step in range(40):
            trained.advance()
            if step % 5 == 4 or step == 16:
                trained.settle()
                rows = trained.history.take()
                taken += zip(rows.slot, rows.step, rows.name, rows.value, strict=True)
                checkpoint.snapshot(trained)
        points.append(taken)
    assert len(points[0]) > 300
    assert points[0] == points[1] == points[2]


@pytest.mark.parametrize("every", leading([2, 5]))
def test_members_that_part_on_a_plateau_and_diverge(every: int) -> None:
    changes = cases(4)["stalling"] | {"tuning": Tuning(ReduceOnPlateau(every=every))}
    sheet = wild((0.01, 0.01, 0.01, 0.01), **changes)
    stacked, *_ = assert_equal_to_stacked(sheet, 40)
    assert stacked.divergences
    assert len(set(stacked.state["stall/factor"].flatten().tolist())) > 1
