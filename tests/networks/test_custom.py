"""The user's own networks: which keywords they get, what is checked, what is said when it is wrong."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gantlet.errors import BadValue
from gantlet.networks.base import Family
from gantlet.networks.custom import CustomNetworks, OwnFamily
from gantlet.networks.mlp import StackelbergMixture
from gantlet.objectives.base import DiscriminatorOutput

SHAPE = (1, 4, 4)


class PlainGenerator(nn.Module):
    def __init__(self, latent: int, shape: tuple[int, ...], slope: float = 0.1) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(latent, 16), nn.LeakyReLU(slope), nn.Unflatten(-1, shape))

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z)


class FixedGenerator(nn.Module):
    """Takes no keyword at all; right for latent 3."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(3, 16)

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z).reshape(-1, *SHAPE)


def column_judge(*, shape: tuple[int, ...]) -> nn.Module:  # a factory; scores [B, 1]
    torch.manual_seed(5)  # a rude one
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 1))


class MapJudge(nn.Module):
    """Scores [B, 1, 1, 1], as a fully convolutional discriminator gives; batch norm inside."""

    def __init__(self, **given: Any) -> None:
        super().__init__()
        self.given = given
        self.net = nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 1, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class FullOutput(nn.Module):
    def __init__(self, generators: int = 1) -> None:
        super().__init__()
        self.encode, self.owner = nn.Linear(16, 3), nn.Linear(3, generators)

    def forward(self, x: Tensor) -> DiscriminatorOutput:
        code = self.encode(x.flatten(1))
        return DiscriminatorOutput(code.sum(-1, keepdim=True), code=code, generator_logits=self.owner(code))


def mean_judge() -> nn.Module:
    return nn.Flatten(0)


def no_module(shape: tuple[int, ...]) -> Any:
    return "a string"


def greedy(shape: tuple[int, ...], width: int) -> nn.Module:
    return nn.Linear(width, 1)


def positional(latent: int, /) -> nn.Module:
    return nn.Linear(latent, 1)


def angry() -> nn.Module:
    raise RuntimeError("not today")


INSTANCE = nn.Linear(2, 2)
NUMBER = 3


@pytest.fixture(autouse=True)
def user_module() -> Iterator[None]:
    """This file's classes, importable as users' classes are."""
    module = types.ModuleType("users_networks")
    module.__dict__.update(globals())
    sys.modules["users_networks"] = module
    yield
    del sys.modules["users_networks"]


def own(generator: str = "", discriminator: str = "", **more: Any) -> CustomNetworks:
    named = (f"users_networks:{name}" if name else "" for name in (generator, discriminator))
    return CustomNetworks(*named, **more)


@pytest.mark.parametrize("name", ["PlainGenerator", "FixedGenerator"])
def test_a_generator_gets_the_keywords_it_accepts(name: str) -> None:
    family = own(name)
    assert isinstance(family, Family)
    made = family.generator(latent=3, shape=SHAPE)
    assert type(made).__name__ == name
    assert made(torch.zeros(2, 3)).shape == (2, *SHAPE)


@pytest.mark.parametrize(
    ("name", "provides"),
    [
        ("column_judge", {"no_batch_statistics"}),
        ("MapJudge", set()),
        ("FullOutput", {"no_batch_statistics", "autoencoder"}),
    ],
)
def test_scores_become_one_number_per_sample(name: str, provides: set[str]) -> None:
    family = own(discriminator=name, shape=SHAPE)
    discriminator = family.discriminator(shape=SHAPE, generators=4)
    x = torch.randn(6, *SHAPE, generator=torch.Generator().manual_seed(0))
    found = discriminator(x)
    score = found.score if isinstance(found, DiscriminatorOutput) else found
    assert score.shape == (6,)
    assert family.provides == provides


def test_a_verdict_keeps_its_other_parts() -> None:
    output = own(discriminator="FullOutput").discriminator(shape=SHAPE, generators=4)(torch.ones(6, *SHAPE))
    assert output.code.shape == (6, 3)
    assert output.generator_logits.shape == (6, 4)
    assert torch.allclose(output.score, output.code.sum(-1))


def test_a_factory_that_takes_anything_gets_everything() -> None:
    discriminator: Any = own(discriminator="MapJudge").discriminator(shape=SHAPE, generators=4)
    assert discriminator.judge.given == {"shape": SHAPE, "generators": 4}


def test_what_is_not_named_comes_from_the_rest() -> None:
    rest = StackelbergMixture(d_hidden=6)
    family = own("PlainGenerator", rest=rest)
    assert sum(p.numel() for p in family.discriminator(shape=SHAPE).parameters()) == 16 * 6 + 6 + 6 * 3 + 3 + 4
    assert family.provides == rest.provides
    other = own(discriminator="column_judge", rest=rest)
    assert sum(p.numel() for p in other.generator(latent=2, shape=(2,)).parameters()) == 82


def test_trying_out_leaves_no_trace() -> None:
    """Running statistics stand at their start, and asking what is provided moves no random state."""
    family = own(discriminator="MapJudge", shape=SHAPE)
    state = torch.get_rng_state()
    assert family.provides == set()
    assert torch.equal(torch.get_rng_state(), state)
    discriminator: Any = family.discriminator(shape=SHAPE)
    assert discriminator.judge.net[0].running_mean.item() == 0
    assert discriminator.judge.net[0].num_batches_tracked.item() == 0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Missing", "has no 'Missing'"),
        ("INSTANCE", "is a Linear: expected a Module class or a function"),
        ("NUMBER", "is an int: expected a Module class or a function"),
        ("no_module", "made a str: expected a torch.nn.Module"),
        ("greedy", "requires the argument 'width', but gantlet passes latent and shape, by name"),
        ("positional", "requires the argument 'latent'"),
        ("angry", "could not be built with no arguments: RuntimeError('not today')"),
        ("FixedGenerator", "failed on a batch of shape [4, 7]: RuntimeError"),
        ("column_judge", "failed on a batch of shape [4, 7]"),
        ("mean_judge", "returned a tensor of shape [28] for 4 latents of size 7: expected samples, a tensor of"),
    ],
)
def test_a_wrong_generator_is_explained(name: str, words: str) -> None:
    with pytest.raises(BadValue) as caught:
        own(name).generator(latent=7, shape=SHAPE)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mean_judge", "returned a tensor of shape [64] for 4 samples of shape [1, 4, 4]: expected one score per"),
        ("PlainGenerator", "requires the argument 'latent', but gantlet passes shape and generators"),
    ],
)
def test_a_wrong_discriminator_is_explained(name: str, words: str) -> None:
    with pytest.raises(BadValue) as caught:
        own(discriminator=name).discriminator(shape=SHAPE)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("family", "words"),
    [
        (CustomNetworks(own_generator="nets.py"), "is not of the form package.module:Name or file.py:Name"),
        (CustomNetworks(own_generator="no.such:Net"), "cannot be imported"),
        (CustomNetworks(own_generator="math:sin"), "could not be built|has no signature|requires the argument"),
    ],
)
def test_a_wrong_name_is_explained(family: CustomNetworks, words: str) -> None:
    with pytest.raises(BadValue, match=words):
        family.generator(latent=2, shape=(2,))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [("bad_syntax", "def (:\n", "invalid syntax"), ("bad_luck", "1 / 0\n", "ZeroDivisionError")],
)
def test_a_module_that_cannot_be_imported_is_explained(
    name: str, text: str, words: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadValue, match=f"{name}:Net.* imported: .*{words}"):
        CustomNetworks(own_generator=f"{name}:Net").generator(latent=2, shape=(2,))


def test_what_is_provided_needs_a_shape() -> None:
    with pytest.raises(BadValue, match="give CustomNetworks a shape"):
        _ = own(discriminator="column_judge").provides


class Pair:
    """A family of one's own; each test spoils one thing."""

    provides = frozenset({"no_batch_statistics"})

    def __init__(self, made: Any = None, judge: Any = None) -> None:
        self.made, self.judge = made, judge

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> Any:
        return PlainGenerator(latent, shape) if self.made is None else self.made()

    def discriminator(self, *, shape: tuple[int, ...]) -> Any:  # has no word of teams
        return column_judge(shape=shape) if self.judge is None else self.judge()


def test_a_family_of_ones_own_is_called_with_what_it_accepts() -> None:
    family = OwnFamily("own.py:Pair", Pair())  # pyright: ignore[reportArgumentType] - its discriminator takes fewer keywords
    assert family.generator(latent=7, shape=SHAPE)(torch.zeros(2, 7)).shape == (2, *SHAPE)
    module = family.discriminator(shape=SHAPE, generators=3)
    assert list(dict(module.named_parameters())) == ["1.weight", "1.bias"]  # the names that older studies have
    assert family.provides == {"no_batch_statistics"}


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (
            Pair(made=lambda: nn.Linear(7, 3)),
            r"The generator of network=own\.py:Pair returned a tensor of shape \[4, 3\]",
        ),
        (
            Pair(made=lambda: 1 // 0),
            r"The generator of network=own\.py:Pair could not be built with latent=7, shape=.*Zero",
        ),
        (Pair(made=lambda: "no module"), r"made a str: expected a torch\.nn\.Module"),
        (
            Pair(judge=nn.Flatten),
            r"The discriminator of network=.* returned a tensor of shape \[4, 16\] for 4",
        ),
        (
            Pair(judge=lambda: nn.Linear(3, 1)),
            r"The discriminator of network=own\.py:Pair failed on a batch of shape \[4, 1,",
        ),
    ],
)
def test_a_wrong_family_of_ones_own_is_explained(pair: Any, words: str) -> None:
    family = OwnFamily("own.py:Pair", pair)
    with pytest.raises(BadValue, match=words):
        assert family.generator(latent=7, shape=SHAPE) is not family.discriminator(shape=SHAPE)
