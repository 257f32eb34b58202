"""Networks that torch.compile has compiled train as those that it has not, to the last rounding, and what it cannot compile is said."""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import terminal
from gantlet.data.base import Dataset
from gantlet.errors import BadValue, Refused
from gantlet.objectives.vanilla import Vanilla
from gantlet.studies.arithmetic import check_arithmetic
from gantlet.studies.build import blueprint
from gantlet.training import checkpoint, compiled
from gantlet.training.blueprint import Blueprint, Execution
from gantlet.training.fleet import Fleet
from terminal import resolve

DRAWN = torch.Generator().manual_seed(3)
POINTS = Dataset(torch.randn(40, 2, generator=DRAWN), torch.zeros(16, 2))
IMAGES = Dataset(torch.rand(32, 1, 8, 8, generator=DRAWN) * 2 - 1, torch.zeros(8, 1, 8, 8))
SMALL = ("g_width=16", "d_width=16", "g_depth=2", "d_depth=2")
CONVOLUTIONS = ("network=dcgan", "width=4")
WITHIN = 1e-12
"""In double precision, of numbers around 1, after 20 steps."""


@pytest.fixture(autouse=True)
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forwards and backwards are traced as for any backend, and run by torch's own kernels, which takes seconds less."""
    monkeypatch.setattr(compiled, "BACKEND", "aot_eager")
    # Kernels that were tried must fit what follows; where they do not, torch compiles again, and nobody has tried that.
    config: Any = importlib.import_module("torch._dynamo.config")
    with config.patch(error_on_recompile=True):
        yield


def sheet(task: str, method: str, *words: str, seeds: tuple[int, ...] = (1, 2)) -> Blueprint:
    kind = () if any(word.startswith("dtype=") for word in words) else ("dtype=float64",)
    (resolved,) = resolve(task, method, "batch_size=16", "steps=20", *kind, *words)
    execution = Execution(route="stacked" if len(seeds) > 1 else "loop")
    return blueprint([(resolved, seed) for seed in seeds], dataset(task).specification, execution)


def dataset(task: str) -> Dataset:
    return POINTS if task == "ring8" else IMAGES


def trained(plan: Blueprint, data: Dataset, *, compile: bool, steps: int = 20) -> Fleet:
    fleet = Fleet(replace(plan, execution=replace(plan.execution, compile=compile)), data)
    for _ in range(steps):
        fleet.advance()
    fleet.settle()
    return fleet


def gap(one: Fleet, other: Fleet) -> float:
    """The largest difference of any number that training has moved, history included."""
    (first, _), (second, _) = checkpoint.snapshot(one), checkpoint.snapshot(other)
    assert first.keys() == second.keys()
    pairs = [(first[name], second[name]) for name in first if first[name].is_floating_point()]
    return max(float((a - b).abs().max()) for a, b in pairs if a.numel())


PLAYED = [
    pytest.param("ring8", "wgan-gp", (*SMALL, "n_critic=2"), 4, id="penalty", marks=pytest.mark.slow),
    pytest.param("ring8", "vanilla", SMALL, 3, id="vanilla", marks=pytest.mark.slow),
    pytest.param("ring8", "r3gan", SMALL, 3, id="critic of both batches", marks=pytest.mark.slow),
    pytest.param("digits", "dcgan", CONVOLUTIONS, 3, id="batch norm", marks=pytest.mark.slow),
    pytest.param("ring8", "hinge", (*SMALL, "spectral_norm=true"), 3, id="spectral norm", marks=pytest.mark.slow),
    pytest.param("digits", "r3gan", ("g_width=4", "d_width=4"), 3, id="residual", marks=pytest.mark.slow),
    pytest.param("digits", "dcgan", (*CONVOLUTIONS, "generators=2"), 3, id="team", marks=pytest.mark.slow),
]
"""With how many calls there are to compile at least: the generator's with and without gradients, the discriminator's twice."""


@pytest.mark.parametrize(("task", "method", "words", "calls"), PLAYED)
def test_compiled_equals_eager(task: str, method: str, words: tuple[str, ...], calls: int) -> None:
    plan, data = sheet(task, method, *words), dataset(task)
    plain, fast = (trained(plan, data, compile=on) for on in (False, True))
    assert plain.compiler is None
    assert fast.compiler is not None
    assert (fast.compiler.refused, fast.compiler.compiled >= calls) == ("", True)
    assert gap(plain, fast) <= WITHIN


@pytest.mark.slow
@pytest.mark.parametrize("route", ["loop", "static"])
def test_so_do_other_routes_and_lone_members(route: Any) -> None:
    plan = sheet("ring8", "wgan-gp", *SMALL, "n_critic=1", seeds=(1,) if route == "loop" else (1, 2))
    plan = replace(plan, execution=replace(plan.execution, route=route))
    plain, fast = (trained(plan, POINTS, compile=on) for on in (False, True))
    assert fast.compiler is not None
    assert (fast.compiler.refused, fast.compiler.compiled) == ("", 4)
    assert gap(plain, fast) <= WITHIN


@pytest.mark.slow
def test_a_resumed_fleet_has_the_numbers_of_one_that_was_not_interrupted() -> None:
    """The last batch of an epoch is smaller, and has kernels of its own, whichever batch came first."""
    shallow = ("g_width=16", "d_width=16", "g_depth=1", "d_depth=1")
    plan = sheet("ring8", "vanilla", *shallow, "drop_last=false", "dtype=float32")
    whole = trained(plan, POINTS, compile=True)
    stopped = trained(
        plan, POINTS, compile=True, steps=5
    )  # before a smaller batch, which is the first that the other sees
    resumed = Fleet(replace(plan, execution=replace(plan.execution, compile=True)), POINTS)
    checkpoint.restore(resumed, *checkpoint.snapshot(stopped))
    while resumed.step < 20:
        resumed.advance()
    (one, _), (other, _) = checkpoint.snapshot(whole), checkpoint.snapshot(resumed)
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
    assert whole.compiler is not None
    assert whole.compiler.compiled >= 6


def test_what_cannot_be_compiled_stays_as_it_is_and_one_note_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(graph: Any, inputs: Any) -> Any:
        raise RuntimeError("No working C++ compiler found.\nHave a look at the manual.")

    monkeypatch.setattr(compiled, "BACKEND", broken)
    plan = sheet("ring8", "wgan-gp", *SMALL, "n_critic=1")
    with caplog.at_level(logging.WARNING, "gantlet"):
        fast = trained(plan, POINTS, compile=True, steps=3)
    assert fast.compiler is not None
    assert fast.compiler.compiled == 0
    (note,) = [record.getMessage() for record in caplog.records]
    assert note.startswith("note: compile=true")
    assert note.endswith("No working C++ compiler found.")
    assert gap(trained(plan, POINTS, compile=False, steps=3), fast) == 0


@dataclass(frozen=True)
class Slope(Vanilla):
    """A user's own objective, which differentiates twice."""

    def generator(self, *, real: Tensor | None = None, fake: Tensor) -> Tensor:
        loss = super().generator(real=real, fake=fake)
        (slope,) = torch.autograd.grad(loss.sum(), [fake], create_graph=True)
        return loss + slope.square().sum(-1)


def test_an_objective_of_one_s_own_has_a_discriminator_that_is_not_compiled() -> None:
    plan = replace(sheet("ring8", "vanilla", *SMALL), objective=Slope())
    plain, fast = (trained(plan, POINTS, compile=on, steps=5) for on in (False, True))
    assert fast.compiler is not None
    assert fast.compiler.refused == "Slope is given the discriminator's outputs and may differentiate them twice"
    assert fast.compiler.compiled > 0
    assert gap(plain, fast) <= WITHIN


def test_masks_are_drawn_as_ever() -> None:
    plan = sheet("ring8", "vanilla", *SMALL, seeds=(1,))
    build = plan.discriminator.build
    masked = replace(plan.discriminator, build=lambda: torch.nn.Sequential(torch.nn.Dropout(0.3), build()))
    plan = replace(plan, discriminator=masked)
    plain, fast = (trained(plan, POINTS, compile=on, steps=5) for on in (False, True))
    assert fast.compiler is not None
    assert "dropout" in fast.compiler.refused
    assert gap(plain, fast) <= WITHIN


def test_what_does_not_go_together_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"compile=true .* --processes 2 .* Use compile=false, or one process"):
        check_arithmetic(Execution(compile=True, processes=2))
    with pytest.raises(Refused, match="compile=true does not go with the route captured"):
        check_arithmetic(Execution(compile=True, route="captured"))
    with pytest.raises(BadValue, match="--route captured records the kernels of networks that are not compiled"):
        terminal.planned(tmp_path / "a", "vanilla", "compile=true", route="captured", device="cpu")


@pytest.mark.slow
def test_a_study_records_it_and_is_replayed(tmp_path: Path) -> None:
    plain, fast = (
        terminal.study(tmp_path / value, "vanilla", f"compile={value}", seeds="2") for value in ("false", "true")
    )
    assert fast.record().settings[0].values["compile"] is True
    assert terminal.parameter_gap(plain, fast) <= 1e-5
    assert "equal bit for bit" in terminal.gantlet("replay", fast.folder, 1).out


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler")
def test_kernels_of_torch_s_own_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "BACKEND", "inductor")
    plan = sheet("ring8", "wgan-gp", *SMALL, "n_critic=1")
    plain, fast = (trained(plan, POINTS, compile=on) for on in (False, True))
    assert fast.compiler is not None
    assert (fast.compiler.refused, fast.compiler.compiled) == ("", 4)
    assert gap(plain, fast) <= WITHIN


@pytest.mark.slow
def test_without_a_compiler_a_study_is_trained_all_the_same(tmp_path: Path) -> None:
    words = ("run", "ring8", "vanilla", *SMALL, "compile=true", "steps=4", "samples=64", "--out", str(tmp_path / "out"))
    bare = {"CXX": "no-such-compiler", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "gantlet", *words], env=os.environ | bare, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).count("note: compile=true") == 1
    assert "Traceback" not in done.stderr
