"""Recipes in training: what each paper promises of its own quantities, and that every method learns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from gantlet import catalogue
from gantlet.data.base import Dataset
from gantlet.metrics import get
from gantlet.metrics.base import MetricInput
from gantlet.metrics.two_sample import Pairwise, energy_distance
from gantlet.networks.spectral import SpectralConv2d, SpectralLinear
from gantlet.studies.build import blueprint
from gantlet.studies.cache import Cache
from gantlet.tasks.base import CLASSIFIERS
from gantlet.training.blueprint import Execution
from gantlet.training.fleet import Fleet
from gantlet.training.sampling import draw_latents, sample
from terminal import resolve

CACHE = Cache()


def fleet(task: str, method: str, *words: str, seeds: Sequence[int] = (1,), route: Any = "stacked") -> Fleet:
    (resolved,) = resolve(task, method, *words)
    dataset = CACHE.dataset(resolved)
    return Fleet(
        blueprint([(resolved, seed) for seed in seeds], dataset.specification, Execution(route=route)), dataset
    )


def history(trained: Fleet, name: str) -> list[float]:
    """A quantity of the first member, by step."""
    rows = trained.history.take()
    return [v for slot, n, v in zip(rows.slot, rows.name, rows.value, strict=True) if (slot, n) == (0, name)]


def test_wgan_s_parameters_are_in_the_box_after_every_step_gains_of_batch_norm_included() -> None:
    words = ("network=dcgan28", "width=2", "batch_size=8", "critic_schedule=constant", "n_critic=2", "steps=4")
    trained = fleet("digits", "wgan", *words, "clip=0.01", seeds=(1, 2))
    names = set(trained.discriminators.parameters)
    gains = [name for name in names if trained.discriminators.parameters[name].dim() == 2 and "weight" in name]
    assert gains, "no batch norm in this discriminator"
    assert any((trained.discriminators.parameters[name].abs() > 0.01).any() for name in gains), "they start at 1"
    for _ in range(4):
        trained.advance()
        for name, parameter in trained.discriminators.parameters.items():
            assert parameter.abs().max() <= 0.01 + 1e-9, name


def test_wgan_s_schedule_counted_step_by_step() -> None:
    """100 critic updates while fewer than 25 steps are done and at every multiple of 500, else 5."""
    small = ("g_width=4", "d_width=4", "g_depth=1", "d_depth=1", "batch_size=4", "train_size=64", "steps=600")
    trained = fleet("ring8", "wgan", *small)
    for step, expected in ((0, 100), (24, 100), (25, 5), (499, 5), (500, 100), (501, 5)):
        trained.step = step
        before = trained.discriminator_steps
        trained.advance()
        assert trained.discriminator_steps - before == expected, f"at step {step}"


@pytest.mark.slow
def test_began_keeps_k_in_its_interval_and_m_falls_on_digits() -> None:
    words = ("network=autoencoder", "output=linear", "d_width=64", "g_width=64", "code=16", "lr=1e-3", "steps=150")
    trained = fleet("digits", "began", *words, "gamma=0.5", "rate=0.05")
    ks: list[float] = []
    for _ in range(150):
        trained.advance()
        ks.append(float(trained.state["k"]))
    assert all(0 <= k <= 1 for k in ks)
    assert max(ks) > 0.1, "k never left 0"
    measures = history(trained, "convergence")
    assert sum(measures[-20:]) < 0.5 * sum(measures[:20])


def spectral_norms(trained: Fleet, member: int) -> list[float]:
    """The largest singular value of every normalised weight, as the next update will use it."""
    module = trained.blueprint.discriminator.build().train()
    stack = trained.discriminators
    held = {**stack.parameters, **stack.buffers}
    module.load_state_dict({name: held[name].detach()[member] for name in module.state_dict()})
    found: list[float] = []
    for layer in module.modules():
        if isinstance(layer, SpectralLinear | SpectralConv2d):
            found.append(float(torch.linalg.svdvals(layer.normalised().detach().double().flatten(1))[0]))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("ring8", ("g_width=16", "d_width=32", "batch_size=16")),
        pytest.param("digits", ("network=dcgan28-plain", "width=4", "batch_size=8"), marks=pytest.mark.slow),
    ],
)
def test_every_layer_of_sngan_has_spectral_norm_1_in_training(task: str, words: tuple[str, ...]) -> None:
    trained = fleet(task, "sngan", *words, "n_critic=1", "steps=40", seeds=(1, 2))
    for _ in range(40):
        trained.advance()
    for member in (0, 1):
        norms = spectral_norms(trained, member)
        assert len(norms) >= 3
        assert norms == [pytest.approx(1, abs=0.01)] * len(norms)


@pytest.mark.slow
def test_ebgan_raises_the_energy_of_fakes_to_the_margin_and_lowers_that_of_data() -> None:
    """A discriminator alone, against a generator that does not move."""
    words = ("network=autoencoder", "d_width=64", "g_width=32", "code=16", "margin=12", "steps=120")
    trained = fleet("digits", "ebgan", *words, "lr_g=1e-12")
    for _ in range(120):
        trained.advance()
    rows = trained.history.take()
    last = {n: v for n, v, s in zip(rows.name, rows.value, rows.step, strict=True) if s == 120}
    first = {n: v for n, v, s in zip(rows.name, rows.value, rows.step, strict=True) if s == 1}
    assert last["energy_real"] < 0.7 * first["energy_real"]
    assert last["energy_fake"] > 11
    assert last["hinge"] < 1


@pytest.mark.slow
def test_coulomb_s_discriminator_learns_the_potential() -> None:
    words = ("g_width=16", "d_width=64", "d_depth=2", "lr_d=1e-3", "lr_g=1e-12", "train_size=2000", "steps=300")
    trained = fleet("ring8", "coulomb", *words)
    for _ in range(300):
        trained.advance()
    losses = history(trained, "loss_d")
    assert sum(losses[-20:]) < 0.2 * sum(losses[:20])


# Every method learns

FIVE = ("wgan", "wgan-gp", "wgan-lp", "mmd", "cramer", "cr-gan")
STEPS: dict[str, dict[str, int]] = {
    "ring8": {"dragan": 5000, "mmd": 300, "cr-gan": 600, "cramer": 300},
    "digits": {**dict.fromkeys(FIVE, 40), "sngan": 120, "wgan-gp-resnet": 32, "dragan": 150, "r3gan": 300},
}
"""Budgets where others than usual: small learning rates circle or crawl longer, and some steps are dear."""

DEEP = {"sngan", "r3gan", "wgan-gp-resnet"}
"""Methods whose own networks are deep even when narrow: they are given a quarter of the images at once."""

NEARER = {"ring8": 1.0, "digits": 0.9, "r3gan": 0.95, "wgan-gp-resnet": 0.95}
"""To which share of its start the metric must have fallen at some moment; the last two go steadily, and dearly, to 0.9."""

SMALL = {
    "g_width": 48,
    "g_depth": 2,
    "d_width": 48,
    "d_depth": 2,
    "width": 4,
    "train_size": 4000,
    "test_size": 500,
    "batch_size": 64,
}


def measured(trained: Fleet, dataset: Dataset, task: str) -> Tensor:
    """How far each member's samples are from the data, ``[S]``."""
    fake = sample(trained, draw_latents(trained, 400), range(trained.members))
    if task == "ring8":
        return torch.tensor(get("mixture").of(dataset)(MetricInput(fake=fake))["jsd"])
    pairs = [Pairwise.of(real=dataset.test[:400].flatten(1), fake=each.flatten(1)) for each in fake]
    return torch.tensor([energy_distance(pair) for pair in pairs])


OF_IMAGES = {"dcgan", "lsgan", "sngan", "r3gan", "wgan-gp-resnet", "dragan", "began", "ebgan", "ebgan-pt"}
"""Methods with networks or schedules for images, which learn there alone."""
WHERE = {
    "ring8": [method for method in catalogue.names("method") if method not in OF_IMAGES],
    "digits": sorted(OF_IMAGES | {*catalogue.find("task", "digits").rows}),
}
"""Who learns on which task; those on both have defaults for digits of their own."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "task"),
    [(method, task) for task, methods in WHERE.items() for method in methods],
)
def test_every_method_learns_at_its_defaults(method: str, task: str) -> None:
    """For a short time, on small networks where the task does not choose them: nobody diverges, and the metric improves.

    On the ring it is the Jensen-Shannon divergence over the modes; samples circle there at first, so the best of some
    moments counts, in the mean of two seeds. On digits it is the energy distance of the pixels. A fifth of the time is
    trained in any case, the rest by those who are not nearer by then.
    """
    (resolved,) = resolve(task, method)
    steps = STEPS[task].get(method, 1500 if task == "ring8" else 80)
    wider = ("g_width", "d_width") if method in CLASSIFIERS else ()
    mine = {key: value for key, value in SMALL.items() if key in resolved.values and key not in wider}
    small = [f"{key}={value}" for key, value in mine.items() if task == "ring8"]
    small += ["width=4"] if resolved.sources.get("width") in ("default", "task") else []
    small += ["batch_size=16"] if method in DEEP else []
    nearer = NEARER.get(method, NEARER[task])
    schedule = ["critic_schedule=constant"]
    # The ring's own rate for these is made for its 156,000 steps; this is the README's run.
    schedule += ["lr=1e-3"] if task == "ring8" and method in CLASSIFIERS else []
    schedule += ["g_width=128", "d_width=128"] if task == "ring8" and method in CLASSIFIERS else []
    trained = fleet(task, method, *small, *schedule, f"steps={steps}", seeds=(1, 2))
    dataset = CACHE.dataset(resolved)
    before = measured(trained, dataset, task)
    nearest = torch.tensor(torch.inf)
    for step in range(1, steps + 1):
        trained.advance()
        if step % max(1, steps // 10) == 0:
            after = measured(trained, dataset, task)
            assert after.isfinite().all()
            nearest = torch.minimum(nearest, after.mean())
        if step >= steps // 5 and nearest < nearer * before.mean():
            break
    assert not trained.divergences
    assert nearest < nearer * before.mean(), f"{before.mean():.3f} became {nearest:.3f} at best"
