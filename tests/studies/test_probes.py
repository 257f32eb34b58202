"""What is remembered of networks: that of gantlet's own, by everything that decides which network is built."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from torch import nn

from gantlet import catalogue
from gantlet.data.specification import SampleSpec
from gantlet.networks.custom import CustomNetworks
from gantlet.networks.mlp import MLP
from gantlet.randomness import seeded
from gantlet.studies.build import discriminator_network
from gantlet.studies.plan import Limits, make_plan
from gantlet.studies.probes import ask
from gantlet.studies.size import parameters_of
from terminal import planned, resolve

TRAINING = """
import sys, gantlet
small = dict(g_width=4, d_width=4, batch_size=8, steps=1, train_size=64, test_size=64, samples=20, metrics="classification-error")
study = gantlet.run("digits", ["dcgan", "wgan-gp"], out="study", options={"workers": 1}, **small)
print(set(study.runs["status"]), "torch._dynamo" in sys.modules)
"""
OWN = "from torch import nn\n\ndef judge():\n    return nn.Sequential({})\n"


@pytest.fixture
def asked() -> list[nn.Module]:
    return []


@pytest.fixture
def count(asked: list[nn.Module]) -> Callable[..., int]:
    """A question, new in each test, that notes which networks it was asked about."""

    def parameters(build: Callable[[], nn.Module], *_: object) -> int:
        asked.append(build())
        return sum(value.numel() for value in asked[-1].parameters())

    return parameters


def generator(family: object, latent: int = 3, shape: tuple[int, ...] = (2,)) -> Callable[[], nn.Module]:
    return partial(family.generator, latent=latent, shape=shape)  # type: ignore[attr-defined]


def test_equal_families_are_asked_about_once(count: Callable[..., int], asked: list[nn.Module]) -> None:
    one, other = (ask(count, generator(MLP(g_width=5))) for _ in range(2))
    assert (one, len(asked)) == (other, 1)


@pytest.mark.parametrize(
    "other",
    [
        generator(MLP(g_width=6)),
        generator(MLP(), latent=4),
        generator(MLP(), shape=(4,)),
        partial(MLP().discriminator, shape=(2,)),
        partial(discriminator_network, MLP(), (2,), heads=1, features=0, spectral_norm=False),
        partial(discriminator_network, MLP(), (2,), heads=3, features=0, spectral_norm=False),
    ],
)
def test_whatever_decides_about_the_network_is_told_apart(
    other: Callable[[], nn.Module], count: Callable[..., int]
) -> None:
    ask(count, generator(MLP()))
    ask(count, partial(discriminator_network, MLP(), (2,), heads=2, features=0, spectral_norm=False))
    assert ask(count, other) == sum(value.numel() for value in other().parameters())


def test_what_else_is_asked_is_told_apart(count: Callable[..., int], asked: list[nn.Module]) -> None:
    for about in ((2,), (3,), (2,)):
        ask(count, generator(MLP()), about)
    assert len(asked) == 2


def test_a_number_is_not_the_truth_value_that_equals_it(count: Callable[..., int], asked: list[nn.Module]) -> None:
    for normal in (True, 1):
        ask(count, partial(discriminator_network, MLP(), (2,), heads=1, features=0, spectral_norm=normal))
    assert len(asked) == 2


class Mine(MLP):
    """A family of the user's own."""


@pytest.mark.parametrize(
    "build",
    [
        generator(Mine()),
        generator(CustomNetworks(own_discriminator="torch.nn:Identity")),
        lambda: nn.Linear(2, 1),
        partial(nn.Linear, 2, 1),
    ],
)
def test_what_is_not_gantlets_own_is_asked_each_time(
    build: Callable[[], nn.Module], count: Callable[..., int], asked: list[nn.Module]
) -> None:
    for _ in range(2):
        ask(count, build)
    assert len(asked) == 2


def test_a_refusal_is_not_remembered() -> None:
    calls: list[int] = []

    def refuses(build: Callable[[], nn.Module]) -> None:
        calls.append(1)
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            ask(refuses, generator(MLP()))
    assert len(calls) == 2


def test_a_sweep_tries_each_network_once_and_not_once_for_each_group(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    real = MLP.discriminator
    monkeypatch.setattr(MLP, "discriminator", lambda self, **given: tried.append(self.d_width) or real(self, **given))
    settings = resolve("ring8", "vanilla", "d_width=11,13", "batch_size=16,32,64,128", "d_depth=1")
    samples = [SampleSpec((2,), pool=256)] * len(settings)
    make_plan(settings[:1], [1], samples[:1], Limits())
    once = len(tried)
    make_plan(settings, [1], samples, Limits())
    assert set(tried) == {11, 13}
    assert len(tried) == 2 * once


def test_a_network_of_ones_own_that_was_changed_is_looked_at_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    routes: list[str] = []
    for place, layers in enumerate(("nn.Linear(2, 1)", "nn.Linear(2, 4), nn.Dropout(0.5), nn.Linear(4, 1)")):
        (tmp_path / "mine.py").write_text(OWN.format(layers))
        study = planned(tmp_path / f"st{place}", "vanilla", "discriminator=mine.py:judge", seeds="2")
        routes.append(study.plan.fleets[0].route)
    assert routes == ["stacked", "loop"]


@pytest.mark.slow
def test_a_process_that_trains_does_not_import_torchs_compiler(tmp_path: Path) -> None:
    """It takes more than a second of processor time; networks are counted, and Adam is made, without it."""
    done = subprocess.run([sys.executable, "-c", TRAINING], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["{'finished'} False"], done.stderr


@pytest.mark.parametrize("task", ["ring8", "digits"])
def test_numbers_that_are_not_drawn_are_counted(task: str) -> None:
    found = catalogue.find("task", task)
    for family in found.networks.values():
        for build in (generator(family, 8, found.shape), partial(family.discriminator, shape=found.shape)):
            with seeded(0):
                expected = sum(value.numel() for value in build().parameters())
            assert parameters_of(build) == expected
