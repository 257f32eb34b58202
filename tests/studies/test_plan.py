"""Plans: who trains together, how wide, by which route; a function of the request and the memory alone."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gantlet.data.base import Dataset
from gantlet.errors import BadValue, UsageError
from gantlet.studies.build import blueprint
from gantlet.studies.plan import Limits, Plan, bytes_per_member, longest_first, make_plan
from gantlet.studies.plan import plan_of as read_plan
from gantlet.studies.record import FleetPlan, read_record
from gantlet.training.blueprint import Execution
from terminal import plan_of, planned, resolve, study_record

POINTS = Dataset(torch.zeros(256, 2), torch.zeros(8, 2))
SMALL = ("g_width=4", "d_width=4", "g_depth=1", "d_depth=1")
DROPOUT = (
    "from torch import nn\n"
    "def judge():\n    return nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.5), nn.ReLU(), nn.Linear(4, 1))\n"
)


def of_width(members: int, **limits: Any) -> list[tuple[int, int]]:
    """(members, pads) of each fleet of ``members`` seeds of one setting."""
    resolved = resolve("ring8", "vanilla", *SMALL)
    plan = make_plan(resolved, range(members), [POINTS.specification], Limits(memory=1 << 40, **limits))
    return [(len(fleet.runs), fleet.pads) for fleet in plan.fleets]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 12))
def test_the_width_divides_the_members_as_evenly_as_it_can(members: int, widest: int) -> None:
    fleets = of_width(members, width=widest)
    width = -(-members // -(-members // widest))
    assert all(mine + pads == width for mine, pads in fleets)
    assert sum(mine for mine, _ in fleets) == members
    assert len(fleets) == -(-members // width)
    assert all(pads == 0 for _, pads in fleets[:-1])


@pytest.mark.parametrize(
    ("members", "limits", "fleets"),
    [
        (1, {}, [(1, 0)]),
        (7, {}, [(7, 0)]),
        (100, {}, [(50, 0), (50, 0)]),  # at most 64 on a CPU
        (65, {}, [(33, 0), (32, 1)]),
        (10, {"workers": 2}, [(5, 0), (5, 0)]),
        (10, {"workers": 3}, [(4, 0), (4, 0), (2, 2)]),
        (10, {"width": 4}, [(4, 0), (4, 0), (2, 2)]),
        (10, {"width": 400}, [(10, 0)]),
        (5, {"width": 1}, [(1, 0)] * 5),
        (10, {"width": 4, "route": "loop"}, [(4, 0), (4, 0), (2, 0)]),  # a loop needs no pads
    ],
)
def test_widths(members: int, limits: dict[str, Any], fleets: list[tuple[int, int]]) -> None:
    assert of_width(members, **limits) == fleets


def test_pads_are_copies_of_the_first_member_at_the_end() -> None:
    plan = plan_of("vanilla", seeds="5", limits=Limits(width=3))
    assert [(fleet.slots, fleet.pads, fleet.runs) for fleet in plan.fleets] == [
        ((0, 1, 2), 0, (0, 1, 2)),
        ((3, 4, 3), 1, (3, 4)),
    ]
    assert [seed for _, seed in plan.slots(plan.fleets[1])] == [4, 5, 4]


# Who shares a fleet


@pytest.mark.parametrize(
    ("words", "fleets"),
    [
        (["lr_g=0.1,0.2"], 1),
        (["lr=0.1,0.2", "beta1=0,0.5", "beta2=0.9,0.99"], 1),
        (["batch_size=16,32"], 2),
        (["generators=1,2"], 2),
        (["optimiser=adam,sgd"], 2),
        (["steps=3,6"], 2),
        (["ema=0,0.9"], 2),
        (["order=d_first,g_first"], 2),
        (["g_width=4,8"], 2),
        (["data_seed=1,2"], 2),
        (["evaluations=1,2"], 2),
        (["lr=0.1,0.2", "g_width=4,8"], 2),
    ],
)
def test_what_varies_shares_a_fleet_and_what_cuts_does_not(words: list[str], fleets: int) -> None:
    assert len(plan_of("vanilla", *words, seeds="2").fleets) == fleets


@pytest.mark.parametrize(
    ("method", "words", "fleets"),
    [
        ("alpha", ["alpha_d=0.3,1,inf", "alpha_g=1,2"], 1),
        ("alpha", ["saturating=true,false"], 2),
        ("alpha", ["form=stable,faithful"], 2),
        ("wgan-gp", ["penalty_weight=1,10"], 1),
        ("wgan", ["clip=0.1,0.01"], 1),
        ("least-squares", ["a=-1,0", "b=1,2"], 1),
        ("vanilla,alpha", [], 2),
    ],
)
def test_what_varies_in_an_objective_or_penalty(method: str, words: list[str], fleets: int) -> None:
    assert len(plan_of(method, *words).fleets) == fleets


def test_runs_are_numbered_setting_by_setting_seed_by_seed() -> None:
    plan = plan_of("vanilla,alpha", "lr=0.1,0.2", seeds="4,9")
    assert [(m.run, m.setting, m.seed) for m in plan.members] == [
        (2 * setting + place, setting, seed) for setting in range(4) for place, seed in enumerate((4, 9))
    ]


def test_equal_settings_are_neighbours_in_a_fleet() -> None:
    plan = plan_of("vanilla", "lr_g=0.3,0.1,0.2", "beta1=0.5,0", seeds="3")
    (fleet,) = plan.fleets
    met = [resolved.label for resolved, _ in plan.slots(fleet)]
    assert sum(one != other for one, other in pairwise(met)) == len(plan.settings) - 1
    assert sorted(fleet.runs) == list(range(18))
    assert [seed for _, seed in plan.slots(fleet)] == [1, 2, 3] * 6


# Routes


@pytest.mark.parametrize(
    ("members", "limits", "routes"),
    [
        (1, {}, ["loop"]),
        (2, {}, ["stacked"]),
        (1, {"route": "stacked"}, ["stacked"]),
        (3, {"route": "loop"}, ["loop"]),
        (2, {"width": 1}, ["loop", "loop"]),
        (2, {"width": 1, "route": "stacked"}, ["stacked", "stacked"]),
    ],
)
def test_routes(members: int, limits: dict[str, Any], routes: list[str]) -> None:
    plan = plan_of("vanilla", "steps=100", seeds=str(members), limits=Limits(**limits))
    assert [fleet.route for fleet in plan.fleets] == routes


OWN = """
from gantlet.objectives.vanilla import Vanilla

class Mine(Vanilla):
    pass
"""


@pytest.mark.parametrize(
    ("method", "words", "route"),
    [
        ("vanilla", ["steps=500"], "captured"),
        ("wgan-gp", ["steps=500"], "captured"),
        ("wgan", ["steps=500", "generators=2"], "captured"),
        ("vanilla", ["steps=499"], "stacked"),  # too few to be worth it
        ("vanilla", ["steps=500", "lr_schedule=step"], "stacked"),  # numbers that change
        ("wgan-gp", ["steps=500", "penalty_schedule=cosine"], "stacked"),
        ("vanilla", ["steps=500", "drop_last=false"], "captured"),  # each size by itself
        ("vanilla", ["steps=500", "compile=true"], "stacked"),
        ("vanilla", ["steps=500", "spectral_norm=true"], "stacked"),  # not a chain of linear layers
        ("{own}", ["steps=500"], "stacked"),  # a part that may count its calls
    ],
)
def test_a_cpu_records_long_trainings_of_linear_layers(
    method: str, words: list[str], route: str, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(OWN)
    plan = plan_of(method.format(own=f"{tmp_path}/own.py:Mine"), *words, seeds="2")
    assert [fleet.route for fleet in plan.fleets] == [route]


@pytest.mark.parametrize(
    ("device", "keys", "route"),
    [
        ("cuda", "drop_last=true", "captured"),
        ("cuda", "compile=true", "static"),
        ("cuda", "drop_last=false", "captured"),
        ("cpu", "drop_last=true", "loop"),
        ("cpu", "drop_last=false", "loop"),
    ],
)
def test_a_fleet_of_one_pair_is_recorded_on_a_gpu_or_not_stacked(device: str, keys: str, route: str) -> None:
    limits = Limits(device=torch.device(device), memory=1 << 34, width=1)
    plan = plan_of("vanilla", "steps=500", keys, seeds="2", limits=limits)
    assert [fleet.route for fleet in plan.fleets] == [route] * 2


def test_a_lone_team_is_recorded_and_a_lone_pair_is_not() -> None:
    teams = plan_of("vanilla", "steps=500", "generators=1,2", "evaluations=1", seeds="1")
    assert [fleet.route for fleet in teams.fleets] == ["loop", "captured"]


def test_what_cannot_be_stacked_runs_one_by_one_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(DROPOUT)
    word = f"discriminator={tmp_path}/own.py:judge"
    (fleet,) = plan_of("vanilla", word, seeds="3").fleets
    assert (fleet.route, fleet.pads) == ("loop", 0)
    assert "run one by one" in fleet.notes[0]
    assert "the discriminator: it draws dropout masks inside" in fleet.notes[0]
    with pytest.raises(BadValue, match=r"--route stacked is not possible \(the discriminator: it draws dropout"):
        plan_of("vanilla", word, seeds="3", limits=Limits(route="stacked"))


# Memory


def need(*words: str, methods: str = "vanilla") -> int:
    (resolved,) = resolve("ring8", methods, *SMALL, *words)
    return bytes_per_member(blueprint([(resolved, 1)], POINTS.specification, Execution()), POINTS.specification)


def test_little_memory_makes_a_narrower_fleet_and_says_so() -> None:
    memory = int(3.5 * need() / 0.7)  # room for three members and a half
    resolved = resolve("ring8", "vanilla", *SMALL)
    plan = make_plan(resolved, range(7), [POINTS.specification], Limits(memory=memory))
    assert [len(fleet.slots) for fleet in plan.fleets] == [3, 3, 3]
    assert all("width 3 instead of 7: a member takes about" in fleet.notes[0] for fleet in plan.fleets)
    assert make_plan(resolved, range(3), [POINTS.specification], Limits(memory=memory)).fleets[0].notes == ()


def test_workers_share_the_memory() -> None:
    memory = int(4.5 * need() / 0.7)
    resolved = resolve("ring8", "vanilla", *SMALL)
    plan = make_plan(resolved, range(8), [POINTS.specification], Limits(memory=memory, workers=2))
    assert [len(fleet.slots) for fleet in plan.fleets] == [2, 2, 2, 2]


def test_workers_share_the_memory_where_settings_make_fleets_enough() -> None:
    memory = int(4.5 * need() / 0.7)
    resolved = resolve("ring8", "vanilla", "g_width=4,5", *[word for word in SMALL if not word.startswith("g_width")])
    plan = make_plan(resolved, range(4), [POINTS.specification] * 2, Limits(memory=memory, workers=2))
    assert [len(fleet.slots) for fleet in plan.fleets] == [2, 2, 2, 2]  # two of three would not fit side by side


def test_memory_grows_with_what_takes_it() -> None:
    base = need("batch_size=64")
    assert need("batch_size=128") > base
    assert need("batch_size=64", "generators=3") > base
    assert need("batch_size=64", "dtype=float64") == 2 * base
    assert need("batch_size=64", "ema=0.9") - base == 4 * (2 * 4 + 4 + 4 * 2 + 2)  # one more copy of the generator
    assert need("batch_size=64", methods="wgan-gp") > base


def test_a_member_without_room_is_planned_alone() -> None:
    resolved = resolve("ring8", "vanilla", *SMALL)
    plan = make_plan(resolved, range(2), [POINTS.specification], Limits(memory=1))
    assert [len(fleet.slots) for fleet in plan.fleets] == [1, 1]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"width": 0}, "--width 0 is not at least 1"),
        ({"workers": -1}, "--workers -1 is negative; 0 means one per core"),
        ({"route": "ladder"}, "--route ladder is not loop, stacked, static or captured"),
        ({"executor": "locall"}, "no executor called 'locall'. Did you mean 'local'"),
    ],
)
def test_options_that_mean_nothing_are_refused(folder: Path, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        planned(folder, "vanilla", **options)
    assert not folder.exists()


# The record


def grid() -> Plan:
    return plan_of("vanilla,alpha", "lr=0.1,0.2", "generators=1,2", seeds="5", limits=Limits(width=3))


def read_back(plan: Plan, place: Path) -> Plan:
    """The plan of a study whose record was written to a file and read again."""
    settings, recorded = plan.recorded()
    (place / "study.json").write_text(
        study_record(settings=settings, plan=recorded, members=len(plan.members)).to_json(), encoding="utf-8"
    )
    return read_plan(read_record(place / "study.json"))


def test_a_plan_survives_its_record(tmp_path: Path) -> None:
    plan = grid()
    again = read_back(plan, tmp_path)
    assert (again.members, again.fleets) == (plan.members, plan.fleets)
    for read, resolved in zip(again.settings, plan.settings, strict=True):
        assert (read.label, read.values, read.sources) == (resolved.label, resolved.values, resolved.sources)
        assert (read.training, read.objective, read.family) == (resolved.training, resolved.objective, resolved.family)
        assert (read.source, read.penalties) == (resolved.source, resolved.penalties)
    assert [fleet for fleet in plan.fleets if slots_differ(plan, again, fleet)] == []


def slots_differ(one: Plan, other: Plan, fleet: FleetPlan) -> bool:
    slots = ([(resolved.label, seed) for resolved, seed in plan.slots(fleet)] for plan in (one, other))
    return next(slots) != next(slots)


def test_infinity_survives_the_record(tmp_path: Path) -> None:
    again = read_back(plan_of("alpha", "alpha_d=inf"), tmp_path)
    assert again.settings[0].values["alpha_d"] == float("inf")


def test_a_plan_looks_at_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    first = grid()
    for name in ("time", "monotonic", "perf_counter", "time_ns"):
        monkeypatch.setattr(time, name, lambda: pytest.fail("a plan looked at the clock"))
    assert grid().recorded() == first.recorded()


def test_fleets_are_numbered_in_order() -> None:
    assert [fleet.id for fleet in grid().fleets] == [f"{place:04d}" for place in range(len(grid().fleets))]


def test_workers_take_the_longest_fleets_first() -> None:
    methods = ("vanilla", "wgan-gp", "alpha")
    resolved = [one for method in methods for one in resolve("ring8", method, *SMALL, "steps=10")]
    plan = make_plan(resolved, (1, 2), [POINTS.specification] * 3, Limits())
    order = [plan.slots(fleet)[0][0].method.name for fleet in longest_first(plan, plan.fleets)]
    assert order == ["wgan-gp", "vanilla", "alpha"]  # five penalised updates a step; equal ones keep their order
