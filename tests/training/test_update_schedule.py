"""Schedules, counted step by step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantlet.errors import Refused
from gantlet.training.update_schedule import UpdateSchedule


def test_the_wgan_schedule_step_by_step() -> None:
    wgan = UpdateSchedule(n_critic=5, critic_schedule="wgan")
    many = [t for t in range(1501) if wgan.updates(t) == 100]
    assert many == [*range(25), 500, 1000, 1500]
    assert {wgan.updates(t) for t in range(1501) if t not in many} == {5}


@given(steps=st.integers(0, 3000), n=st.integers(1, 7), kind=st.sampled_from(["constant", "wgan"]))
def test_totals_are_sums(steps: int, n: int, kind: str) -> None:
    schedule = UpdateSchedule(n_critic=n, critic_schedule=kind)  # pyright: ignore[reportArgumentType]
    assert schedule.total(steps) == sum(schedule.updates(t) for t in range(steps))


@given(updates=st.integers(1, 20_000), n=st.integers(1, 7), kind=st.sampled_from(["constant", "wgan"]))
def test_steps_for_is_the_least(updates: int, n: int, kind: str) -> None:
    schedule = UpdateSchedule(n_critic=n, critic_schedule=kind)  # pyright: ignore[reportArgumentType]
    steps = schedule.steps_for(updates)
    assert schedule.total(steps) >= updates > schedule.total(steps - 1)


@pytest.mark.parametrize("asked", [{"reuse_fake": True}, {"latent": "shared"}])
def test_one_batch_for_both_players_needs_one_update_each(asked: dict[str, object]) -> None:
    with pytest.raises(Refused, match="exactly one discriminator update"):
        UpdateSchedule(n_critic=2, **asked)  # pyright: ignore[reportArgumentType]
