"""Training aids: every setting of schedules, optimisers, packs, noise and heads arrives in the blueprint, or is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from gantlet import catalogue
from gantlet.data.base import Dataset
from gantlet.errors import BadValue, GantletError, Refused, UnknownName
from gantlet.networks.generator_head import Embedded
from gantlet.studies.build import blueprint
from gantlet.training.blueprint import Blueprint, Execution, Tuning
from gantlet.training.fleet import Fleet
from gantlet.training.schedules import ReduceOnPlateau, Schedule
from gantlet.training.update_schedule import UpdateSchedule
from terminal import gantlet, resolve

POINTS = Dataset(torch.randn(256, 2, generator=torch.Generator().manual_seed(0)), torch.zeros(8, 2))
SMALL = ("g_width=6", "d_width=6", "g_depth=1", "d_depth=1", "batch_size=8")


def sheet(methods: str, *words: str, steps: int = 1000) -> Blueprint:
    settings = resolve("ring8", methods, f"steps={steps}", *SMALL, *words)
    return blueprint([(resolved, 5) for resolved in settings], POINTS.specification, Execution(route="stacked"))


def test_without_a_word_nothing_changes_over_training() -> None:
    assert sheet("vanilla").tuning == Tuning(
        Schedule("constant", 0.5, 1000), Schedule("constant", 0.5, 1000), Schedule("constant", 1.0, 1000), 0.99
    )
    assert sheet("vanilla").noise is None


def test_schedules_arrive_with_their_numbers() -> None:
    words = ("lr_schedule=step", "lr_decay=0.95", "lr_every=30", "lr_floor=0.2", "burn_in=500")
    tuning = sheet("vanilla", *words, "beta2_schedule=cosine", "beta2_end=0.95").tuning
    assert tuning.lr == Schedule("step", 0.95, 30, 0.2)
    assert (tuning.beta2, tuning.beta2_end) == (Schedule("cosine", 1.0, 500), 0.95)
    penalised = sheet("wgan-gp", "penalty_schedule=cosine", "penalty_floor=0.1").tuning.penalty
    assert penalised == Schedule("cosine", 0.5, 1000, 0.1)
    began = resolve("digits", "began", "network=autoencoder", "code=4", "lr_every=10")
    images = Dataset(torch.zeros(64, 1, 8, 8), torch.zeros(4, 1, 8, 8))
    assert blueprint([(began[0], 1)], images.specification, Execution()).tuning.lr == ReduceOnPlateau(0.5, 10, 0.2)


def test_the_trick_of_the_tensorflow_comparison() -> None:
    """One critic update per step at five times its learning rate: 1e-4 · 5 for WGAN-GP, 5e-5 · 5 for WGAN."""
    for method, lr in (("wgan-gp", 1e-4), ("wgan", 5e-5)):
        tricked = sheet(method, "lr_trick=true")
        assert tricked.schedule == UpdateSchedule()
        assert tricked.discriminator.optimiser.lr == (pytest.approx(5 * lr),)
        assert tricked.generator.optimiser.lr == (lr,)
        (resolved,) = resolve("ring8", method, "epochs=2", "lr_trick=true", *SMALL)
        assert blueprint([(resolved, 1)], POINTS.specification, Execution()).sizes.steps == 2 * (256 // 8)


@pytest.mark.parametrize(
    ("optimiser", "name", "optimistic", "extra"),
    [
        ("adam", "adam", False, False),
        ("optimistic-adam", "adam", True, False),
        ("optimistic-sgd", "sgd", True, False),
        ("extra-adam", "adam", False, True),
        ("extra-sgd", "sgd", False, True),
    ],
)
def test_optimisers_that_play_the_game(optimiser: str, name: str, optimistic: bool, extra: bool) -> None:
    built = sheet("vanilla", f"optimiser={optimiser}", "reuse_fake=false")
    for player in (built.generator, built.discriminator):
        assert (player.optimiser.name, player.optimiser.optimistic) == (name, optimistic)
    assert built.schedule.extragradient == extra


def test_an_extragradient_run_counts_both_its_batches_as_epochs() -> None:
    (resolved,) = resolve("ring8", "vanilla", "epochs=2", "optimiser=extra-adam", "reuse_fake=false", *SMALL)
    assert blueprint([(resolved, 1)], POINTS.specification, Execution()).sizes.steps == 256 // 8


def test_packs_noise_heads_and_spectral_norm() -> None:
    packed = sheet("pacgan", "pack=4")
    assert packed.sizes.pack == 4
    assert packed.discriminator.build()(torch.zeros(2, 8)).shape == (2,)
    noisy = sheet("vanilla", "instance_noise=0,0.3", "instance_noise_steps=50")
    noise: Any = noisy.noise
    assert noise.scale.flatten().tolist() == [0.0, pytest.approx(0.3)]
    assert noise.schedule == Schedule("linear", every=50)
    described = sheet("vanilla", "features=3").discriminator.build()
    assert any(isinstance(part, Embedded) for part in described.modules())
    assert described(torch.zeros(2, 2)).code.shape == (2, 3)
    names = {type(part).__name__ for part in sheet("sngan").discriminator.build().modules()}
    assert "SpectralLinear" in names
    assert "Linear" not in names


@pytest.mark.parametrize(
    ("words", "has", "said"),
    [
        ("dtype=bfloat16", {"avx512_bf16": False, "cpu_name": "x"}, True),
        ("dtype=bfloat16", {"avx512_bf16": False, "amx_bf16": True}, False),
        ("dtype=float32", {"avx512_bf16": False}, False),
    ],
)
def test_bfloat16_is_slow_where_the_processor_has_no_instructions_for_it(
    words: str, has: dict[str, Any], said: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    notes = sheet("vanilla", words).notes
    assert any("no instructions for products in bfloat16" in note for note in notes) is said


def test_bfloat16_is_for_products_only() -> None:
    execution = sheet("vanilla", "dtype=bfloat16").execution
    assert (execution.dtype, execution.mixed) == (torch.float32, True)


def test_penalties_and_constraints_of_one_s_own_choice() -> None:
    built = sheet(
        "vanilla", "penalties=r1+lecam", "r1_weight=3", "r1_every=4", "lecam_weight=0.5", "constraint=weight-clipping"
    )
    one, other = built.penalties
    r1: Any = one
    assert (type(one).__name__, type(other).__name__) == ("R1", "LeCam")
    assert (float(r1.weight), r1.every) == (3.0, 4)
    assert built.constraint is not None
    bare = sheet("wgan-gp", "penalties=none")
    assert bare.penalties == ()
    assert sheet("wgan", "constraint=none", "critic_schedule=constant").constraint is None
    settings = resolve("ring8", "vanilla", "penalties=none,gradient,r1")
    assert [resolved.values["penalties"] for resolved in settings] == ["none", "gradient", "r1"]
    assert [name for name in settings[1].values if name.startswith("penalty_")] != []


@pytest.mark.parametrize(
    ("words", "kind", "sentence"),
    [
        ("pack=3", Refused, "not a multiple"),
        ("optimiser=extra-adam n_critic=2 reuse_fake=false", Refused, "n_critic=2"),
        ("optimiser=extra-adam", Refused, "reuse_fake=true"),
        ("lr_schedule=on-stall", Refused, "lr_schedule=on-plateau watches"),
        ("penalties=r1+r1", BadValue, "twice"),
        ("penalties=r7", UnknownName, "Did you mean"),
        ("constraint=clip", UnknownName, "weight-clipping"),
        ("penalties=pulling-away", Refused, "autoencoder"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(words: str, kind: type[GantletError], sentence: str) -> None:
    with pytest.raises(kind, match=sentence):
        sheet("vanilla", *words.split())


def test_the_refusals_reach_the_command_line_without_a_traceback(tmp_path: Any) -> None:
    done = gantlet("run", "ring8", "vanilla", "pack=3", "steps=2", "--out", str(tmp_path / "out"))
    assert done.status == 2
    assert "is not a multiple of 3. Choose one that is." in done.err
    assert not (tmp_path / "out").exists()


def test_smoothing_is_a_key_of_the_classifying_methods() -> None:
    objective: Any = sheet("vanilla", "smoothing=0,0.1").objective
    assert objective.smoothing.flatten().tolist() == [0.0, pytest.approx(0.1)]


def test_every_aid_at_once_trains_and_is_finite() -> None:
    words = ("pack=2", "instance_noise=0.1", "spectral_norm=true", "penalties=r1+r2+lecam", "r1_every=2", "ema=0.9")
    built = sheet("hinge", *words, "lr_schedule=cosine", "optimiser=optimistic-adam", "dtype=bfloat16", steps=6)
    fleet = Fleet(replace(built, execution=replace(built.execution, route="stacked")), POINTS)
    for _ in range(6):
        fleet.advance()
    assert not fleet.divergences
    logged = set(fleet.history.take().name)
    assert {catalogue.find("penalty", name).label for name in ("r1", "r2", "lecam")} <= logged
