"""Benchmarks: both sides compute the same, the arithmetic is counted right, and windows become the right numbers."""

from __future__ import annotations

import io
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.append(str(Path(__file__).resolve().parent.parent))

from benchmarks import __main__ as program
from benchmarks import (
    arithmetic,
    baselines,
    convolutions,
    images,
    local_workers,
    static_route,
    versus,
    worker,
    workers,
    workloads,
)
from benchmarks.arithmetic import Products, flops, passes
from benchmarks.baselines import Candidate, beside
from benchmarks.images import DCGAN, PAIRS, Images, PlainImages
from benchmarks.plain import ALPHA_D, ALPHA_G, PlainLoop, alpha_loss
from benchmarks.sections import Section, goal, spread
from benchmarks.worker import Done
from benchmarks.workers import Series, Workers
from benchmarks.workloads import MIDDLE, NARROW, RING, WORKLOADS, Workload

from gantlet.objectives.alpha import Alpha
from gantlet.training import convolutional
from gantlet.training.batch_loader import Latents
from gantlet.training.fleet import Fleet
from gantlet.training.randomness import KeyedRandom

TINY = Workload("tiny", depth=2, g_width=12, d_width=10, batch=16, members=3, goal=1.0)
SMALL = Images("small", width=2, batch=8, members=2, goal=1.0)


def counted(step: Any) -> int:
    """The floating point operations of the matrix products that really run."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


# Both sides train the same


def load(plain: PlainLoop | PlainImages, fleet: Fleet, member: int) -> None:
    """Give the plain loop the weights of a member."""
    for module, stack in ((plain.generator, fleet.generators), (plain.discriminator, fleet.discriminators)):
        for mine, theirs in zip(module.parameters(), stack.parameters.values(), strict=True):
            mine.data.copy_(theirs.detach()[member])


def latents_of(fleet: Fleet, batch: int) -> Latents:
    """The fleet's latents, drawn anew by the same keys."""
    draws = KeyedRandom(fleet.blueprint.seeds, device=torch.device("cpu"), dtype=torch.float32)
    return Latents(draws, shape=(1, batch, 2), pool=50_000)


@pytest.mark.parametrize("members", [1, 3])
def test_from_equal_weights_and_draws_both_sides_have_equal_losses(members: int) -> None:
    fleet = workloads.fleet(TINY, members)
    latents, points = latents_of(fleet, TINY.batch), torch.zeros(TINY.batch, 2)
    loops = [PlainLoop(TINY, points) for _ in range(members)]
    for member, plain in enumerate(loops):
        load(plain, fleet, member)
    sums: dict[tuple[str, int], list[float]] = {}
    for step in range(6):
        real, drawn = fleet.loader.real(step), latents.at("generator", step)
        for member, plain in enumerate(loops):
            plain.step(real[member, 0], drawn[member, 0])
        before = {name: value.clone() for name, value in fleet.history.state()[0].items()}
        fleet.advance()
        for name, value in fleet.history.state()[0].items():
            change = value - before.get(name, torch.zeros_like(value))
            for member in range(members):
                sums.setdefault((name, member), []).append(float(change[member]))
    for member, plain in enumerate(loops):
        assert sums["loss_d", member] == pytest.approx([d for d, _ in plain.losses], rel=1e-5)
        assert sums["loss_g", member] == pytest.approx([g for _, g in plain.losses], rel=1e-5)
        assert plain.losses[0] != plain.losses[-1]


@pytest.mark.slow
@pytest.mark.parametrize("enough", [0, 1 << 30], ids=["in turn", "vmap"])
def test_convolutional_sides_have_equal_losses_too(enough: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolutional, "_ENOUGH", enough)
    fleet = images.fleet(SMALL, 2)
    draws = KeyedRandom(fleet.blueprint.seeds, device=torch.device("cpu"), dtype=torch.float32)
    latents = Latents(draws, shape=(1, SMALL.batch, images.LATENT), prior="uniform", pool=None)
    loops = [PlainImages(SMALL, torch.zeros(SMALL.batch, 1, 28, 28)) for _ in range(2)]
    for member, plain in enumerate(loops):
        load(plain, fleet, member)
    for step in range(4):
        real, drawn = fleet.loader.real(step), latents.at("generator", step)
        for member, plain in enumerate(loops):
            plain.step(real[member, 0], drawn[member, 0])
        fleet.advance()
    found = fleet.history.state()[0]
    for member, plain in enumerate(loops):
        for name, losses in zip(("loss_d", "loss_g"), zip(*plain.losses, strict=True), strict=True):
            assert float(found[name][member]) == pytest.approx(sum(losses), rel=1e-5)
        assert plain.losses[0] != plain.losses[-1]


def test_the_plain_images_go_by_in_batches_and_latents_are_uniform(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = PlainImages(SMALL, torch.arange(16.0)[:, None, None, None].expand(16, 1, 28, 28))
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    monkeypatch.setattr(plain, "step", lambda real, latents: seen.append((real, latents)))
    for _ in range(2):
        plain.advance()
    assert sorted(torch.cat([real[:, 0, 0, 0] for real, _ in seen]).tolist()) == list(range(16))
    drawn = torch.cat([latents for _, latents in seen])
    assert drawn.shape == (16, images.LATENT)
    assert -1 <= float(drawn.min()) < -0.99
    assert 0.99 < float(drawn.max()) <= 1


def test_the_convolutional_pair_is_what_the_command_line_resolves() -> None:
    values = images.resolved(DCGAN).values
    assert (values["network"], values["width"], values["batch_size"], values["reuse_fake"]) == ("dcgan28", 32, 64, True)
    assert (values["lr_g"], values["lr_d"], values["beta1"], values["beta2"]) == (2e-4, 2e-4, 0.5, 0.999)
    assert (values["latent"], values["prior"], values["latent_dim"]) == ("fresh", "uniform", images.LATENT)
    assert images.fleet(SMALL, 2, first_seed=5).blueprint.seeds == (5, 6)


def test_each_kind_of_convolutional_contender_runs_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PAIRS, "small", SMALL)
    monkeypatch.setattr(convolutional, "_ENOUGH", 0)
    monkeypatch.setattr(convolutional.InTurn, "pays", convolutional.InTurn.pays)  # put back afterwards
    calls: list[int] = []
    original = torch.nn.functional.batch_norm
    monkeypatch.setattr(torch.nn.functional, "batch_norm", lambda *a, **k: calls.append(1) or original(*a, **k))
    threads, found = torch.get_num_threads(), dict[str, int]()
    for kind, members in (("plain", 1), ("gantlet", 2), ("vmapped", 2)):
        advance = Candidate(kind, "small", members=members, threads=threads, age=1).make()
        calls.clear()
        advance()
        found[kind] = len(calls)
    # Two in the generator, and one in each of three judgements; vmap has both members in one call.
    assert found == {"plain": 5, "gantlet": 2 * 5, "vmapped": 5}


def test_the_plain_loss_is_that_of_the_objective() -> None:
    scores = torch.linspace(-4, 4, 9)
    objective = Alpha(alpha_d=ALPHA_D, alpha_g=ALPHA_G)
    judged = torch.sigmoid(scores)
    on_both = alpha_loss(judged, ALPHA_D, label=1) + alpha_loss(judged, ALPHA_D, label=0)
    torch.testing.assert_close(on_both, objective.discriminator(real=scores, fake=scores))
    torch.testing.assert_close(alpha_loss(judged, ALPHA_G, label=1), objective.generator(fake=scores))


def test_the_plain_loss_at_one_half_by_hand() -> None:
    # ℓ_{1/2}(s) = 1/s - 1, by hand.
    assert float(alpha_loss(torch.tensor([0.25]), 0.5, label=1)) == pytest.approx(3.0)
    assert float(alpha_loss(torch.tensor([0.25]), 0.5, label=0)) == pytest.approx(1 / 0.75 - 1)


def test_the_plain_loop_goes_through_its_pool_without_repetition() -> None:
    points = torch.arange(64.0).reshape(32, 2)
    plain = PlainLoop(TINY, points)
    seen = [next(plain._batches)[0] for _ in range(2)]
    assert sorted(torch.cat(seen)[:, 0].tolist()) == points[:, 0].tolist()
    plain.advance()
    assert len(plain.losses) == 1


def test_a_workload_is_what_the_command_line_resolves() -> None:
    values = workloads.resolved(RING).values
    assert (values["g_width"], values["d_width"], values["g_depth"], values["batch_size"]) == (400, 200, 4, 128)
    assert (values["latent"], values["reuse_fake"], values["lr_g"], values["alpha_d"]) == ("pool", True, 1e-4, 0.5)
    fleet = workloads.fleet(TINY, 2, first_seed=5, reuse_fake=False)
    assert fleet.blueprint.seeds == (5, 6)
    assert not fleet.blueprint.schedule.reuse_fake
    assert fleet.generators.form == "stacked"
    assert workloads.fleet(TINY, 1).generators.form == "loop"


# Arithmetic


def by_hand(workload: Workload, again: bool) -> int:
    """A step's operations, layer by layer: forward, weights and inputs take 2·B·i·o each."""
    total = 0
    layers = list(pairwise([2, *[workload.g_width] * workload.depth, 2]))
    for place, (i, o) in enumerate(layers):
        total += 2 * workload.batch * i * o * (2 + (place > 0) + again)
    for place, (i, o) in enumerate(pairwise([2, *[workload.d_width] * workload.depth, 1])):
        total += 2 * (2 * workload.batch) * i * o * (2 + (place > 0))  # its own update: real and fake
        total += 2 * workload.batch * i * o * 2  # the generator's: no gradient of its weights
    return total


@pytest.mark.parametrize("workload", [RING, NARROW, MIDDLE, TINY], ids=lambda workload: workload.name)
@pytest.mark.parametrize("reuse", [True, False])
def test_operations_are_those_of_the_layers(workload: Workload, reuse: bool) -> None:
    assert flops(workload, reuse_fake=reuse) == by_hand(workload, not reuse)


def test_the_ring_takes_the_stated_operations() -> None:
    assert flops(RING) / 1e9 == pytest.approx(0.617, abs=1e-3)
    assert flops(RING, reuse_fake=False) / 1e9 == pytest.approx(0.74, abs=1e-3)


@pytest.mark.parametrize("reuse", [True, False])
def test_the_bare_products_run_what_is_counted(reuse: bool) -> None:
    products = Products(TINY, 3, reuse_fake=reuse)
    assert products.flops == counted(products.advance) == 3 * flops(TINY, reuse_fake=reuse)


@pytest.mark.parametrize(("members", "reuse"), [(1, True), (3, True), (3, False)])
def test_a_step_of_gantlet_has_no_other_products(members: int, reuse: bool) -> None:
    fleet = workloads.fleet(TINY, members, reuse_fake=reuse)
    assert counted(fleet.advance) == members * flops(TINY, reuse_fake=reuse)


def test_the_plain_loop_also_differentiates_the_discriminators_weights_in_vain() -> None:
    plain = PlainLoop(TINY, torch.randn(64, 2))
    in_vain = 2 * TINY.batch * sum(i * o for i, o in pairwise(TINY.discriminator_sizes))
    assert counted(plain.advance) == flops(TINY) + in_vain


def test_bare_products_neither_grow_nor_die_out() -> None:
    products = Products(RING, 1)
    for _ in range(3):
        products.advance()
    for _, _, out in products._calls:
        assert 1e-3 < float(out.abs().mean()) < 1e3


def test_a_chain_of_bare_products_is_the_network_without_its_rectifiers() -> None:
    products = Products(TINY, 2)
    products.advance()
    layers = len(passes(TINY)[0].sizes) - 1
    x = products._calls[0][0]
    for layer in range(layers):
        x = x @ products._weights["generator", layer].mT
    torch.testing.assert_close(products._calls[layers - 1][2], x)
    assert [part.player for part in passes(TINY, reuse_fake=False)].count("generator") == 2
    assert arithmetic.Pass("generator", (2, 3), 5, backward=False).flops == 60


# Sharing out, windows, series


@pytest.mark.parametrize("processes", [1, 2, 3, 8, 50])
def test_members_are_shared_out_once_each(processes: int) -> None:
    crew_of = beside(RING, processes)
    seeds = [part.first_seed + place for part in crew_of for place in range(part.members)]
    assert seeds == list(range(1, RING.members + 1))
    sizes = [part.members for part in crew_of]
    assert max(sizes) - min(sizes) <= 1
    assert all(part.threads == 1 for part in crew_of)


def test_a_series_adds_up_what_works_together() -> None:
    pair = [Candidate("gantlet", "ring", members=4), Candidate("gantlet", "ring", members=2)]
    series = Series()
    series.take(pair, [Done(10, 2.0, 1.0, 30, 100), Done(20, 4.0, 3.0, 0, 50)])  # 4·5 + 2·5 a second; 80 in 4 s
    series.take(pair, [Done(10, 1.0, 1.0, 30, 100), Done(20, 1.0, 1.0, 0, 70)])
    series.take(pair, [Done(10, 4.0, 1.0, 30, 100), Done(20, 8.0, 3.0, 0, 50)])
    assert series.rates == [30.0, 80.0, 15.0]
    assert series.rate == 30.0
    assert series.efficiencies == [20.0, 40.0, 20.0]
    assert series.faults == [1.0, 1.0, 1.0]
    assert series.resident == 150
    half = Series(rates=[60.0, 160.0, 30.0])
    assert series.against(half) == [0.5, 0.5, 0.5]


def test_a_worker_advances_in_its_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WORKLOADS, "tiny", TINY)
    candidate = Candidate("gantlet", "tiny", members=2, threads=torch.get_num_threads(), age=2)
    made: list[Any] = []
    original = Candidate.make
    monkeypatch.setattr(Candidate, "make", lambda self: made.append(self) or original(self))
    orders = "\n".join(json.dumps(order) for order in [vars(candidate), [0.0, 0.0], [0.0, 0.0]])
    answers = io.StringIO()
    worker.main(io.StringIO(orders), answers)
    ready, *done = [json.loads(line) for line in answers.getvalue().splitlines()]
    assert made == [candidate]
    assert ready["resident"] > 1 << 20
    assert [Done(**entry).steps for entry in done] == [1, 1]  # at least one step, however short the window
    assert all(entry["seconds"] > 0 and entry["cpu"] >= 0 for entry in done)


def test_memory_is_given_back_only_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WORKLOADS, "tiny", TINY)
    told: list[bool] = []
    monkeypatch.setattr(baselines.engine, "keep_freed_memory", lambda: told.append(True) or True)
    threads = torch.get_num_threads()
    Candidate("gantlet", "tiny", threads=threads).make()
    assert told == [True]
    Candidate("gantlet", "tiny", threads=threads, keep_memory=False).make()
    assert told == [True]
    assert baselines.engine.keep_freed_memory() is False


class Told:
    """Workers that work as fast as they are told."""

    rates: dict[str, list[float]]

    def __init__(self, candidates: list[Candidate]) -> None:
        self.candidates = list(candidates)
        self.turn = 0

    def wait_until_ready(self) -> None:
        pass

    def dismiss(self) -> None:
        pass

    def window(self, seconds: float) -> list[Done]:
        rates = self.rates[self.candidates[0].kind]
        rate = rates[self.turn % len(rates)]
        self.turn += 1
        return [Done(int(rate), 1.0, 1.0, 0, 0) for _ in self.candidates]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[float]]:
    Told.rates = {"plain": [999.0, 10.0, 20.0, 30.0], "gantlet": [999.0, 6.0, 6.0, 12.0]}
    Told.rates["products"] = [999.0, 12.0, 8.0, 16.0]
    monkeypatch.setattr(workers, "Workers", Told)
    return Told.rates


def test_the_first_round_only_warms_up(told: dict[str, list[float]]) -> None:
    found = workers.measure({"loop": [Candidate("plain", "ring")]}, rounds=3, seconds=0.0)
    assert found["loop"].rates == told["plain"][1:]


def test_a_comparison_is_a_ratio_of_medians_and_a_share_by_rounds(
    told: dict[str, list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versus, "cores", lambda: 2)
    section = versus.compare(RING, rounds=3, seconds=0.0, limit=True)
    sides = section.numbers["sides"]
    chosen = sides["gantlet, 2 processes × 1 thread"]
    assert chosen["rates"] == [48.0, 48.0, 96.0]  # 4 members in each of two processes
    assert chosen["ratio"] == pytest.approx(48 / 20)
    assert chosen["share"] == pytest.approx([0.5, 0.75, 0.75])
    assert section.numbers["base"].startswith("plain loop, threads")
    assert section.notes[1:] == [
        "Ratio to the plain loop: 2.40, goal ≥ 2: met.",
        "Share of the arithmetic limit: 0.75, goal ≥ 0.65: met.",
    ]
    assert {name for name in sides if "side by side" in name} == {"2 plain loops side by side"}
    assert sides["2 plain loops side by side"]["ratio"] == 2.0


def test_a_convolutional_fleet_is_compared_with_loops_of_as_many_processes(
    told: dict[str, list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convolutions, "cores", lambda: 2)
    told["vmapped"] = [999.0, 2.0, 2.0, 3.0]
    section = convolutions.compare(DCGAN, rounds=3, seconds=0.0)
    ratios = {name: side["ratio"] for name, side in section.numbers["sides"].items()}
    assert ratios == {
        "plain loop": 1.0,
        "gantlet": 8 * 6 / 20,
        "gantlet under vmap": 8 * 2 / 20,
        "2 plain loops side by side": 2.0,
        "gantlet, 2 processes": 8 * 6 / 20,  # 4 members in each
    }
    assert section.notes == [
        "Ratio to the plain loop, one process each: 2.40, goal ≥ 1.3: met.",
        "With 2 processes on either side, the ratio is 1.20×.",
    ]
    assert section.title == "dcgan28: width 32, batch 64, 8 members, 1 thread per process"


def test_a_lone_run_is_compared_at_equal_threads(told: dict[str, list[float]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versus, "cores", lambda: 2)
    section = versus.lone([NARROW], rounds=3, seconds=0.0)
    assert [row[0] for row in section.rows] == ["narrow, threads: 1", "narrow, threads: 2"]
    assert section.numbers["narrow, threads: 1"]["ratio"] == pytest.approx(6 / 20)
    assert section.notes[0] == "narrow, threads: 1: 0.30, goal ≥ 1: missed."


@pytest.mark.slow
def test_a_real_process_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    real = Workers([Candidate("products", "narrow", members=2)])
    try:
        real.wait_until_ready()
        (done,) = real.window(0.05)
    finally:
        real.dismiss()
    assert done.steps > 1
    assert 0 < done.seconds < 5


# Printing


def test_a_table_is_flush_and_complete() -> None:
    section = Section("lengths", ("what", "cm"), [("span", "23.0"), ("a foot", "30.5")], ["By eye."])
    assert section.text().splitlines() == ["lengths", "  what      cm", "  span    23.0", "  a foot  30.5", "By eye."]


def test_goals_hold_on_their_bound() -> None:
    assert goal("a", 2.0, least=2.0).endswith("met.")
    assert goal("a", 0.31, most=0.3).endswith("missed.")
    assert spread([3.0, 1.0, 2.5, 2.0], 1) == "2.2 (1.0 to 3.0)"


def test_named_parts_are_printed_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {
        name: (lambda rounds, name=name: Section(name, ("n",), [(str(rounds),)], numbers={"n": rounds}))
        for name in ("one", "two")
    }
    monkeypatch.setattr(program, "PARTS", parts)
    file = tmp_path / "found.json"
    program.main(["two", "--rounds", "3", "--json", str(file)])
    printed = capsys.readouterr().out
    assert "\ntwo\n  n\n  3\n" in printed
    assert "one" not in printed
    found = json.loads(file.read_text(encoding="utf-8"))
    assert (found["two"], "one" in found, found["machine"]["torch"]) == ({"n": 3}, False, torch.__version__)


def test_unknown_parts_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        program.main(["rings"])
    assert "unknown part rings: choose from ring, narrow" in capsys.readouterr().err


def test_workers_are_compared_without_their_start(monkeypatch: pytest.MonkeyPatch) -> None:
    took = {(900, 1): (100.0, 60.0), (900, 2): (190.0, 69.6), (1, 1): (1.0, 0.5), (1, 2): (1.0, 9.5)}
    monkeypatch.setattr(local_workers, "trained", lambda steps, workers: local_workers.Trained(*took[steps, workers]))
    section = local_workers.compare(rounds=3, steps=900)
    assert section.numbers["ratio"] == [1.9] * 3
    assert section.numbers["cost"] == pytest.approx([0.01] * 3)  # 69.6 - 60 - 9 of 60 seconds
    assert section.numbers["start"] == [9.0] * 3
    assert [note.endswith("met.") for note in section.notes[:2]] == [True, True]


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
def test_a_study_that_is_timed_is_really_trained(count: int) -> None:
    found = local_workers.trained(3, workers=count)
    assert found.rate > 0
    assert found.cpu > 0


@pytest.mark.slow
def test_the_routes_are_compared_on_each_workload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    section = static_route.compare(rounds=1, seconds=0.001)
    assert set(section.numbers) == {"ring", "narrow"}
    assert [list(routes) for routes in section.numbers.values()] == [["static", "captured"]] * 2
    assert all(ratio > 0 for routes in section.numbers.values() for (ratio,) in routes.values())
