"""Blueprints: every value of a setting arrives where it acts, per member where it varies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gantlet.data.base import Dataset
from gantlet.errors import Refused
from gantlet.studies.build import blueprint, steps_of
from gantlet.training.blueprint import Blueprint, Execution
from gantlet.training.update_schedule import UpdateSchedule
from terminal import TINY, resolve

POINTS = Dataset(torch.zeros(256, 2), torch.zeros(8, 2))


def sheet(methods: str, *words: str, task: str = "ring8", dataset: Dataset = POINTS) -> Blueprint:
    """The blueprint of one fleet whose members are the settings of this grid, each with seed 5."""
    settings = resolve(task, methods, *words)
    return blueprint([(resolved, 5) for resolved in settings], dataset.specification, Execution(route="stacked"))


def test_what_varies_is_one_number_per_member_and_the_rest_is_shared() -> None:
    built = sheet("alpha", "alpha_d=0.3,1,inf", "lr_g=0.1", "lr_d=0.2", "beta1=0.6", "beta2=0.7")
    objective: Any = built.objective
    assert objective.alpha_d.tolist() == [[[0.30000001192092896]], [[1.0]], [[float("inf")]]]
    assert objective.alpha_g.shape == (3, 1, 1)
    assert (objective.saturating, objective.form) == (False, "faithful")
    for player, lr in ((built.generator, 0.1), (built.discriminator, 0.2)):
        assert player.optimiser.name == "adam"
        assert (player.optimiser.lr, player.optimiser.beta1, player.optimiser.beta2) == (
            (lr,) * 3,
            (0.6,) * 3,
            (0.7,) * 3,
        )
    assert built.seeds == (5, 5, 5)


def test_penalties_and_constraints_get_their_settings() -> None:
    penalised = sheet("wgan-gp", "penalty_weight=1,10", "penalty_target=2")
    penalty: Any = penalised.penalties[0]
    assert (penalty.weight.flatten().tolist(), penalty.target.flatten().tolist()) == ([1, 10], [2, 2])
    clipped = sheet("wgan", "clip=0.5,0.25")
    constraint: Any = clipped.constraint
    assert constraint.clip.flatten().tolist() == [0.5, 0.25]
    assert clipped.generator.optimiser.name == "rmsprop"
    assert clipped.schedule == UpdateSchedule(n_critic=5, critic_schedule="wgan")
    assert sheet("vanilla").constraint is None


def test_fixed_fields_reach_the_objective() -> None:
    saturating: Any = sheet("vanilla-saturating").objective
    plain: Any = sheet("vanilla").objective
    assert (saturating.saturating, plain.saturating) == (True, False)


def test_sizes_schedule_and_the_rest() -> None:
    words = ("batch_size=16", "latent_dim=3", "steps=9", "generators=2", "order=g_first", "latent=shared")
    built = sheet(
        "vanilla", *words, "reuse_fake=false", "prior=uniform", "pool=endless", "ema=0.9", "team_reduction=sum"
    )
    assert (built.sizes.batch, built.sizes.latent, built.sizes.steps, built.sizes.generators) == (16, 3, 9, 2)
    assert built.schedule == UpdateSchedule(order="g_first", latent="shared")
    assert (built.prior, built.feed, built.ema, built.team.reduction) == ("uniform", "endless", 0.9, "sum")
    generator = built.generator.build()
    assert generator(torch.zeros(4, 3)).shape == (4, 2)


@pytest.mark.parametrize(("dtype", "expected"), [("float32", torch.float32), ("float64", torch.float64)])
def test_the_dtype_is_that_of_the_setting(dtype: str, expected: torch.dtype) -> None:
    built = sheet("alpha", "alpha_d=0.3", f"dtype={dtype}")
    objective: Any = built.objective
    assert built.execution.dtype is objective.alpha_d.dtype is expected


@pytest.mark.parametrize(
    ("words", "steps"),
    [
        (["steps=7"], 7),
        (["epochs=3", "batch_size=64"], 12),  # 256 / 64 batches an epoch
        (["epochs=3", "batch_size=100"], 6),  # the last partial batch is dropped
        (["epochs=0.5", "batch_size=64"], 2),
        (["epochs=0.001"], 1),  # at least one
    ],
)
def test_epochs_are_passes_of_the_pool_through_the_discriminator(words: list[str], steps: int) -> None:
    (resolved,) = resolve("ring8", "vanilla", *words)
    assert steps_of(resolved.training, 256) == steps


def test_more_critic_updates_mean_fewer_steps_for_as_many_epochs() -> None:
    (resolved,) = resolve("ring8", "wgan-gp", "epochs=5", "batch_size=32", "n_critic=4")
    assert steps_of(resolved.training, 256) == 10  # 40 updates, four a step


def test_a_discriminator_with_batch_statistics_is_found_and_refused_where_it_may_not_be(tmp_path: Path) -> None:
    own = tmp_path / "judges.py"
    own.write_text(
        "from torch import nn\n"
        "def mixing():\n"
        "    return nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))\n"
    )
    words = [*TINY[:4], f"discriminator={own}:mixing"]
    assert sheet("vanilla", *words).discriminator.batch_statistics
    assert not sheet("vanilla").discriminator.batch_statistics
    with pytest.raises(Refused, match="one sample's score depends on the others of its batch"):
        sheet("wgan-gp", *words)


def test_settings_of_network_and_data_reach_their_parts() -> None:
    (resolved,) = resolve("ring8", "vanilla", "g_width=8", "g_depth=2", "train_size=100", "test_size=50")
    family: Any = resolved.family
    assert (family.g_width, family.g_depth, family.d_width) == (8, 2, 200)
    dataset = resolved.source.load()
    assert (len(dataset.train), len(dataset.test)) == (100, 50)


def test_an_objective_class_without_settings_is_built_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text(
        "class Plain:\n"
        "    def discriminator(self, *, real, fake):\n        return (fake - real).mean(-1)\n"
        "    def generator(self, *, real=None, fake):\n        return -fake.mean(-1)\n"
        "INSTANCE = Plain()\n"
    )
    for name in ("Plain", "INSTANCE"):
        built = sheet(f"{tmp_path}/plain.py:{name}")
        assert type(built.objective).__name__ == "Plain"


def test_an_instance_of_an_objective_keeps_its_values_unless_the_user_turns_them(tmp_path: Path) -> None:
    (tmp_path / "made.py").write_text("from gantlet.objectives.alpha import Alpha\nMADE = Alpha(alpha_d=3.0)\n")
    kept: Any = sheet(f"{tmp_path}/made.py:MADE").objective
    turned: Any = sheet(f"{tmp_path}/made.py:MADE", "alpha_d=4").objective
    assert (float(kept.alpha_d), float(turned.alpha_d)) == (3.0, 4.0)


def test_building_leaves_the_global_random_state_alone() -> None:
    torch.manual_seed(3)
    expected = torch.get_rng_state()
    built = sheet("vanilla", *TINY[:4])
    assert torch.equal(torch.get_rng_state(), expected)
    assert replace(built, seeds=(1,)) != built
