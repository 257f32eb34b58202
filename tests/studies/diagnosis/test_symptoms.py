"""Every symptom is found where it is made by hand, nowhere else, and its remedy is a command that resolves."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from gantlet.requests.grid import Axis
from gantlet.requests.resolve import Request, expand
from gantlet.studies.diagnosis import SYMPTOMS, symptoms
from gantlet.studies.diagnosis.base import Course, Finding, MemberCase, Symptom
from gantlet.studies.diagnosis.idle_generator import inhomogeneity
from gantlet.studies.diagnosis.oscillation import turns
from gantlet.studies.diagnosis.samples import CopyDistances, MemberSamples

Make = Callable[..., MemberCase]
FALLING = np.geomspace(1.0, 1e-4, 1000)
SWINGING = 0.9 + 0.6 * np.sin(np.linspace(0, 60, 1000))


def normal(*shape: int, seed: int = 2) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def team(*parts: torch.Tensor, weights: list[float] | None = None) -> dict[str, Any]:
    shares = torch.tensor(weights) if weights else torch.full((len(parts),), 1 / len(parts))
    return {"samples": MemberSamples(torch.stack(parts), shares), "values": {"generators": len(parts)}}


CASES: dict[str, list[Mapping[str, Any]]] = {
    "divergence": [
        {"row": {"status": "diverged", "diverged_step": 77, "cause": "the generator's loss was not finite"}},
        {"courses": {"loss_d": np.geomspace(1, 1e5, 1000)}},
        {"courses": {"gradient_g": 1e9}},
        {"samples": MemberSamples(1000 * normal(1, 500, 2), torch.ones(1))},
        {"samples": MemberSamples(torch.full((1, 500, 2), math.nan), torch.ones(1))},
    ],
    "mode-collapse": [
        {"row": {"reverse_kl": math.log(8 / 3), "modes": 3}},
        {"row": {"reverse_kl": None, "class_entropy": math.log(2.0)}, "modes": 10},
        {"modes": 0, "samples": MemberSamples(1 + 1e-3 * normal(1, 500, 2), torch.ones(1))},
    ],
    "vanishing-gradient": [
        {"courses": {"gradient_g": FALLING, "loss_d": 0.3}},
        {"courses": {"gradient_g": FALLING, "loss_d": 0.3}, "method": "vanilla-saturating"},
        {"courses": {"gradient_g": FALLING}, "undecided": math.nan, "method": "wgan"},
    ],
    "overconfident-discriminator": [{"courses": {"loss_d": 0.02, "score_real": 8.0, "score_fake": -8.0}}],
    "oscillation": [
        {"courses": {"loss_d": SWINGING}},
        {"courses": {"tvd": Course(np.arange(50.0, 1001, 50), np.tile([0.1, 0.6, 0.6, 0.1], 5))}},
    ],
    "idle-generator": [
        team(normal(500, 2, seed=1), normal(500, 2, seed=2), 5 + normal(500, 2, seed=3)),
        team(normal(500, 2, seed=1), 5 + normal(500, 2), weights=[0.99, 0.01]),
        team(normal(500, 2, seed=1), 5 + 1e-4 * normal(500, 2)),
    ],
    "memorisation": [
        {"row": {"memorisation_lenet": 0.93}},
        {"copies": CopyDistances(0.8, 0.02, 0.5)},
        {"copies": CopyDistances(0.8, 0.02, 0.5), "images": True},
    ],
    "starved-input": [
        {"pool": 500},
        {"values": {"train_size": 500}, "user_keys": frozenset({"train_size"})},
        {"pool": 500, "row": {"images_seen": None}, "values": {"n_critic": 5}, "courses": {"loss_d": 1.3}},
    ],
}


def look(member: MemberCase) -> dict[str, Finding]:
    found = [symptom.look(member) for symptom in symptoms()]
    return {each.symptom: each for each in found if each is not None}


def test_every_symptom_has_cases_and_a_line() -> None:
    made = symptoms()
    assert [symptom.name for symptom in made] == list(CASES)
    assert len(SYMPTOMS) == len(made)
    for symptom in made:
        assert isinstance(symptom, Symptom)
        assert symptom.summary
        assert symptom.summary[0].islower()


def test_a_healthy_member_has_nothing(make: Make) -> None:
    assert look(make()) == {}


def test_a_member_of_which_nothing_is_known_has_nothing(make: Make) -> None:
    empty = make(samples=None, modes=0, extent=0.0, pool=0, undecided=math.nan, row={"reverse_kl": None, "modes": None})
    assert look(MemberCase(**{**vars(empty), "courses": {}, "row": {"status": "stopped"}})) == {}


@pytest.mark.parametrize(("name", "changes"), [(name, each) for name, cases in CASES.items() for each in cases])
def test_what_is_made_by_hand_is_found_with_evidence(make: Make, name: str, changes: Mapping[str, Any]) -> None:
    found = look(make(**changes))
    assert set(found) == {name}
    assert found[name].run == 3
    assert found[name].evidence
    assert found[name].numbers
    assert found[name].advice.endswith(".")


@pytest.mark.parametrize(("name", "changes"), [(name, each) for name, cases in CASES.items() for each in cases])
def test_the_remedy_is_a_command_that_resolves(make: Make, name: str, changes: Mapping[str, Any]) -> None:
    member = make(**changes)
    program, command, folder, method, *words = shlex.split(look(member)[name].remedy)
    assert (program, command, folder) == ("gantlet", "extend", str(member.folder))
    axes = tuple(Axis((word.partition("=")[0],), (word.partition("=")[2],)) for word in words)
    task = "digits" if member.images else "ring8"
    (resolved,) = expand(Request(task, (method,), axes))
    assert all(resolved.sources[axis.keys[0]] == "user" for axis in axes)


@pytest.mark.parametrize("name", ["mode-collapse", "vanishing-gradient", "overconfident-discriminator", "oscillation"])
def test_the_remedy_resolves_for_a_discriminator_with_batch_statistics(make: Make, name: str) -> None:
    """It was refused: a gradient penalty needs a discriminator that judges each sample alone."""
    member = make(**CASES[name][0], batch_statistics=True)
    _, _, _, method, *words = shlex.split(look(member)[name].remedy)
    pairs = [word.partition("=") for word in words] + [("network", "=", "dcgan28")]
    (resolved,) = expand(Request("digits", (method,), [Axis((key,), (value,)) for key, _, value in pairs]))
    assert resolved.training.instance_noise == 0.1


def test_a_gradient_of_which_the_first_tenth_is_not_recorded_still_vanishes(make: Make) -> None:
    late = Course(np.arange(200.0, 1001, 2), np.geomspace(1.0, 1e-4, 401))
    assert set(look(make(courses={"gradient_g": late, "loss_d": 0.3}))) == {"vanishing-gradient"}


# The other way round: what looks like it and is not


def test_a_gradient_that_fades_when_nothing_can_be_told_apart_has_not_vanished(make: Make) -> None:
    assert look(make(courses={"gradient_g": FALLING, "loss_d": 1.38})) == {}


def test_a_critics_loss_near_zero_is_no_confidence(make: Make) -> None:
    assert look(make(courses={"loss_d": 0.001}, undecided=math.nan)) == {}


def test_noise_and_trends_do_not_oscillate(make: Make) -> None:
    noise = 1 + 0.5 * np.random.default_rng(3).normal(size=1000)
    assert look(make(courses={"loss_d": noise})) == {}
    assert look(make(courses={"loss_d": np.linspace(3, 0.5, 1000)})) == {}


def test_endless_data_do_not_starve(make: Make) -> None:
    assert look(make(pool=500, values={"pool": "endless"})) == {}


def test_a_little_memorisation_within_its_error_is_none(make: Make) -> None:
    assert look(make(copies=CopyDistances(0.7, 0.1, 0.5))) == {}


def test_turns_need_their_margin() -> None:
    wave = np.sin(np.linspace(0, 6 * np.pi, 300))
    assert turns(wave, margin=0.9) == 6
    assert turns(-wave, margin=0.9) == 6
    assert turns(np.array([0.0, -0.8, 0.8, -0.8]), margin=1.0) == 1
    assert turns(wave, margin=2.5) == 0
    assert turns(np.zeros(0), margin=1.0) == 0


def test_inhomogeneity_is_zero_for_one_distribution_and_one_for_two_points() -> None:
    assert inhomogeneity(normal(500, 2, seed=1), normal(500, 2, seed=9)) < 0.01
    assert inhomogeneity(normal(500, 2, seed=1), 3 + normal(500, 2, seed=9)) > 0.4
    assert inhomogeneity(torch.zeros(5, 2), torch.zeros(5, 2)) == 0
