"""Every method on points or on images, some on both: a member trained alone equals the same member trained among others."""

from __future__ import annotations

import pytest
import torch

import games
from gantlet import catalogue
from gantlet.errors import Refused
from gantlet.requests.grid import axes_from_mapping
from gantlet.requests.resolve import Request, Resolved, expand
from gantlet.settings import Scalar
from gantlet.studies.build import blueprint
from gantlet.studies.cache import Cache
from gantlet.training.blueprint import Execution
from gantlet.training.fleet import Fleet

SMALL: dict[str, Scalar] = {
    "g_width": 6,
    "d_width": 6,
    "g_depth": 1,
    "d_depth": 1,
    "width": 2,
    "hidden": 8,
    "code": 4,
    "features": 4,
    "d_hidden": 8,
    "g_hidden": 4,
    "train_size": 256,
    "test_size": 64,
    "batch_size": 8,
    "latent_dim": 4,
    "dtype": "float64",
}
"""Small sizes, of which each pair takes the keys that it has."""

SEEDS = (3, 8)
PLAYERS = ("generator", "discriminator")
CACHE = Cache()


def grid(task: str, method: str) -> list[Resolved]:
    """Two settings that differ in the learning rate."""
    (plain,) = expand(Request(task, (method,)))
    # The authors' schedule takes 100 updates a step; residual networks convolve at full size; and the slope of a distance
    # between two fakes that nearly coincide, as they do at first, doubles a rounding error with every update.
    few = {"wgan": 2, "wgan-gp-resnet": 3, "began": 8, "cramer": 6}
    steps = few.get(method, 12)
    small = {name: value for name, value in SMALL.items() if name in plain.values}
    if not plain.values["features"]:
        del small["features"]
    rate = float(plain.values["lr_g"])
    axes = axes_from_mapping({**small, "steps": steps, "lr_g": [rate, 3 * rate]})
    return expand(Request(task, (method,), tuple(axes), SEEDS))


def playable(task: str, method: str) -> bool:
    """Whether a network of the task has what the method requires."""
    needed = catalogue.find("method", method).requires
    return any(needed <= family.provides for family in catalogue.find("task", task).networks.values())


QUICK = {"vanilla", "wgan-gp", "dcgan", "ebgan-pt", "began", "coulomb", "sngan", "r3gan", "cramer", "pacgan"}
"""Methods that are tried on points and on images: together they have every part of the engine."""

ALWAYS = {"wgan-gp", "dcgan", "r3gan", "pacgan"}
"""Those of them of which the fast suite keeps one: each part has fleets of its own (``training/test_fleet.py``)."""

CONVOLVED = {"dcgan", "ebgan", "ebgan-pt", "began", "r3gan", "lsgan", "wgan-gp-resnet"}
"""Methods whose own networks are of images, on which they are tried; the others are tried on points."""


def slowly(method: str, task: str) -> tuple[pytest.MarkDecorator, ...]:
    fast = method in ALWAYS and (task == "digits") == (method in CONVOLVED)
    return () if fast else (pytest.mark.slow,)


PAIRS = [
    pytest.param(method, task, marks=slowly(method, task))
    for method in catalogue.names("method")
    for task in ("ring8", "digits")
    if method in QUICK or (task == "digits") == (method in CONVOLVED)
]
"""Those of QUICK on points and on images."""


@pytest.mark.parametrize(("method", "task"), PAIRS)
def test_solo_equals_stacked(method: str, task: str) -> None:
    if not playable(task, method):  # EBGAN's auto-encoder on points, say
        with pytest.raises(Refused, match="Name a network of your own"):
            grid(task, method)
        return
    settings = grid(task, method)
    dataset = CACHE.dataset(settings[0])
    members = [(resolved, seed) for resolved in settings for seed in SEEDS]
    together = games.train(Fleet(blueprint(members, dataset.specification, Execution(route="stacked")), dataset))
    assert not together.divergences
    for slot in (0, 3):  # another setting and another seed
        member = members[slot]
        start = Fleet(blueprint([member], dataset.specification, Execution(route="loop")), dataset)
        before = {player: games.parameters(start, player, 0).clone() for player in PLAYERS}
        alone = games.train(start)
        for player in PLAYERS:
            mine, theirs = games.parameters(alone, player, 0), games.parameters(together, player, slot)
            assert mine.dtype == torch.float64
            assert games.difference(theirs, mine) <= 1e-9
            assert games.difference(before[player], mine) > 1e-5, "nothing was trained, so equality says nothing"
