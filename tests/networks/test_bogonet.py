"""Random architectures: the same in every process, drawn apart, and built as they are described."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import nn

from gantlet.errors import Refused
from gantlet.networks.bogonet import BogoNet, BogoNetPlan
from gantlet.networks.inspection import has_batch_statistics
from gantlet.networks.resnet import ResidualBlock

SHAPE = (1, 16, 16)
ACTIVATIONS = {"relu": nn.ReLU, "leaky": nn.LeakyReLU, "elu": nn.ELU, "tanh": nn.Tanh}


def game(architecture: int, plan: str, *, family: str = "any", d_batch_norm: bool = False) -> BogoNetPlan:
    made = BogoNet(architecture=architecture, family=family, width=4, d_batch_norm=d_batch_norm)
    return made.plan(plan)


def test_golden_games() -> None:
    """Games are compared across studies, machines and releases: what a number stands for must never move."""
    assert BogoNet(architecture=0).describe() == (
        "generator: mlp 512-512-512, elu, batch norm\ndiscriminator: mlp 256-256-128-512, relu, no norm"
    )
    assert str(game(10**18, "generator", family="resnet")) == "resnet 8 channels, 1 per scale, kernel 5, relu, no norm"
    assert str(game(7, "discriminator", family="dcgan")) == "dcgan 2 channels, 1 per scale, kernel 3, relu, no norm"
    kinds = " ".join(game(number, "generator").kind for number in range(8))
    assert kinds == "mlp mlp dcgan resnet resnet mlp resnet mlp"


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_every_choice_comes_up_about_equally(player: str) -> None:
    """600 games: a third of each family, ± 4 standard deviations; and so for the other draws."""
    plans = [game(number, player, d_batch_norm=True) for number in range(600)]

    def check(values: list[object], choices: int) -> None:
        counts, expected = Counter(values), len(values) / choices
        assert len(counts) == choices
        assert all(abs(count - expected) < 4 * (expected * (1 - 1 / choices)) ** 0.5 for count in counts.values())

    check([plan.kind for plan in plans], 3)
    check([plan.activation for plan in plans], 4)
    check([plan.batch_norm for plan in plans], 2)
    check([plan.kernel for plan in plans if plan.kind == "dcgan"], 3)
    check([plan.kernel for plan in plans if plan.kind == "resnet"], 2)
    check([plan.depth for plan in plans if plan.kind == "mlp"], 3)
    check([plan.depth for plan in plans if plan.kind != "mlp"], 2)
    check([plan.widths for plan in plans if plan.kind != "mlp"], 3)
    check([width for plan in plans if plan.kind == "mlp" for width in plan.widths], 3)


def test_players_are_drawn_apart() -> None:
    """All nine pairs of families come up about equally often."""
    pairs = Counter((game(n, "generator").kind, game(n, "discriminator").kind) for n in range(900))
    assert len(pairs) == 9
    assert all(60 < count < 140 for count in pairs.values())


def test_a_family_can_be_fixed_and_batch_norm_is_not_the_discriminators() -> None:
    for number in range(50):
        for family in ("mlp", "dcgan", "resnet"):
            assert game(number, "generator", family=family).kind == family
            assert game(number, "discriminator", family=family) == game(number, "discriminator", family=family)
        assert not game(number, "discriminator").batch_norm


@pytest.mark.parametrize("family", ["mlp", "dcgan", "resnet"])
def test_colour_images_are_games_too(family: str) -> None:
    made, shape = BogoNet(architecture=1, family=family, width=2), (3, 32, 32)
    assert made.generator(latent=3, shape=shape)(torch.randn(2, 3)).shape == (2, *shape)
    assert made.discriminator(shape=shape)(torch.randn(2, *shape)).shape == (2,)


@pytest.mark.parametrize("family", ["mlp", "dcgan", "resnet"])
@pytest.mark.parametrize("number", range(6))
def test_networks_are_built_as_described(number: int, family: str) -> None:
    made = BogoNet(architecture=number, family=family, width=4, d_batch_norm=True)
    torch.manual_seed(0)
    players = {"generator": made.generator(latent=3, shape=SHAPE), "discriminator": made.discriminator(shape=SHAPE)}
    assert players["generator"](torch.randn(4, 3)).shape == (4, *SHAPE)
    assert players["discriminator"](torch.randn(4, *SHAPE)).shape == (4,)
    for player, module in players.items():
        plan = made.plan(player)
        parts = list(module.modules())
        norms = [part for part in parts if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d)]
        bends = [part for part in parts if type(part) in ACTIVATIONS.values()]
        bends = bends[:-1] if player == "generator" else bends  # the last is the tanh of the output
        assert all(isinstance(part, ACTIVATIONS[plan.activation]) for part in bends)
        assert len(norms) == (len(bends) if plan.batch_norm else 0)
        if family == "mlp":
            sizes = [part.out_features for part in parts if isinstance(part, nn.Linear)]
            assert tuple(sizes[:-1]) == plan.widths
            assert len(bends) == plan.depth == len(plan.widths)
        elif family == "dcgan":
            strided = [part for part in parts if getattr(part, "stride", None) == (2, 2)]
            assert [part.kernel_size for part in strided] == [(plan.kernel, plan.kernel)] * 2
            assert len(bends) == 2 * plan.depth
        else:
            blocks = [part for part in parts if isinstance(part, ResidualBlock)]
            assert [block.resample != "none" for block in blocks] == [True, *[False] * (plan.depth - 1)] * 2
            assert {layer.kernel_size[0] for block in blocks for layer in block.after[::3]} == {plan.kernel}
            assert len(bends) == 2 * len(blocks) + (player == "generator")
        if family != "mlp":
            convolutions = [part for part in parts if isinstance(part, nn.Conv2d)]
            finest = convolutions[-1].in_channels if player == "generator" else convolutions[0].out_channels
            assert plan.widths == (finest,)


def test_what_a_game_provides_is_what_its_discriminator_does() -> None:
    provided: list[bool] = []
    for number in range(8):
        made = BogoNet(architecture=number, width=2, d_batch_norm=True)
        torch.manual_seed(0)
        mixes = has_batch_statistics(made.discriminator(shape=SHAPE), SHAPE)
        provided.append("no_batch_statistics" in made.provides)
        assert provided[-1] == (not mixes)
    assert set(provided) == {True, False}


def test_drawing_an_architecture_leaves_torchs_random_state_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    made = BogoNet(architecture=5)
    text = made.describe()
    assert torch.equal(before, torch.get_rng_state())
    assert text.splitlines() == [f"{player}: {made.plan(player)}" for player in ("generator", "discriminator")]


def test_the_words_of_a_plan() -> None:
    dense = BogoNetPlan(kind="mlp", depth=2, widths=(8, 16), kernel=3, activation="elu", batch_norm=True)
    plain = BogoNetPlan(kind="dcgan", depth=1, widths=(4,), kernel=5, activation="tanh", batch_norm=False)
    assert str(dense) == "mlp 8-16, elu, batch norm"
    assert str(plain) == "dcgan 4 channels, 1 per scale, kernel 5, tanh, no norm"


def test_convolutions_refuse_what_does_not_halve_and_dense_layers_take_it() -> None:
    assert BogoNet(family="mlp", width=2).discriminator(shape=(2,))(torch.zeros(3, 2)).shape == (3,)
    for family in ("dcgan", "resnet"):
        with pytest.raises(Refused, match="'bogonet' is made for images"):
            BogoNet(family=family).discriminator(shape=(2,))
