"""Teams from the command line to samples: kinds, heads, matched capacity, and the class with a paper's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gantlet
from gantlet.data.base import Dataset
from gantlet.errors import BadValue, Refused
from gantlet.networks.capacity import matched
from gantlet.networks.dcgan4 import DCGAN4
from gantlet.networks.dcgan64 import DCGAN
from gantlet.networks.mlp import MLP, StackelbergMixture
from gantlet.networks.stackelberg import StackelbergCIFAR
from gantlet.objectives.base import DiscriminatorOutput
from gantlet.studies.build import blueprint
from gantlet.training.blueprint import Blueprint, Execution, TeamRules
from gantlet.training.fleet import Fleet
from gantlet.training.sampling import draw_latents, sample
from gantlet.training.step import combined, which_generator
from terminal import gantlet as command
from terminal import resolve

POINTS = Dataset(torch.randn(256, 2, generator=torch.Generator().manual_seed(0)), torch.zeros(64, 2))
SIZES: dict[str, Any] = {"g_hidden": 4, "d_hidden": 8, "batch_size": 32, "steps": 4, "samples": 100, "evaluations": 1}
SMALL = ("g_hidden=4", "d_hidden=8", "batch_size=8", "steps=1000", "dtype=float64")


def sheet(*words: str, methods: str = "vanilla") -> Blueprint:
    settings = resolve("mixture8", methods, *SMALL, *words)
    return blueprint([(resolved, 5) for resolved in settings], POINTS.specification, Execution(route="stacked"))


def trained(*words: str, steps: int = 3, methods: str = "vanilla") -> Fleet:
    fleet = Fleet(sheet(*words, methods=methods), POINTS)
    for _ in range(steps):
        fleet.advance()
    assert not fleet.divergences
    return fleet


def test_rules_arrive() -> None:
    plain = sheet("generators=3")
    assert plain.team == TeamRules()
    assert (plain.fake_batches, plain.makers) == (3, 3)
    built = sheet("generators=4", "team=choose", "team_reduction=sum", "team_latents=shared")
    assert built.team == TeamRules("choose", "sum", share_latents=True)
    assert (built.fake_batches, built.makers) == (1, 4)
    assert (sheet("generators=4", "team=average").makers, sheet("generators=4", "team=average").fake_batches) == (1, 1)


def test_reductions_by_hand() -> None:
    losses = torch.tensor([[1.0, 2.0, 6.0]])
    assert [combined(losses, kind).item() for kind in ("mean", "sum")] == [3.0, 9.0]


def test_shared_latents_are_one_batch_for_all_generators() -> None:
    own, shared = (
        trained(f"team_latents={kind}", "generators=3", steps=0).inputs._latents.at("generator", 0)
        for kind in ("own", "shared")
    )  # pyright: ignore[reportPrivateUsage]
    assert not torch.equal(own[:, 0], own[:, 1])
    assert torch.equal(shared[:, 0], shared[:, 1])
    assert torch.equal(shared[:, 0], shared[:, 2])


def test_averaged_branches_are_one_generator() -> None:
    """A sample is the mean of what the branches make of the same latent, in training and in evaluation."""
    fleet = trained("generators=3", "team=average")
    made = fleet._generate("generator", lambda: 7)  # pyright: ignore[reportPrivateUsage]
    z = fleet.inputs._latents.at("generator", 7)  # pyright: ignore[reportPrivateUsage]
    branches = torch.stack(
        [
            fleet.generators.evaluate(
                k, {n: p.detach()[k : k + 1] for n, p in fleet.generators.parameters.items()}, z[0, 0]
            )
            for k in range(3)
        ]
    )
    assert made.shape == (1, 1, 8, 2)
    torch.testing.assert_close(made[0, 0], branches.mean(0), rtol=1e-12, atol=1e-14)
    draw = draw_latents(fleet, 5)
    assert draw.owners.tolist() == [0] * 5
    each = torch.stack(
        [
            fleet.generators.evaluate(
                k, {n: p.detach()[k : k + 1] for n, p in fleet.generators.parameters.items()}, draw.latents.double()
            )
            for k in range(3)
        ]
    )
    torch.testing.assert_close(sample(fleet, draw, [0])[0], each.mean(0), rtol=1e-12, atol=1e-14)


def test_chosen_branches_share_a_batch() -> None:
    fleet = trained("generators=4", "team=choose")
    made = fleet._generate("generator", lambda: 7)  # pyright: ignore[reportPrivateUsage]
    z = fleet.inputs._latents.at("generator", 7)  # pyright: ignore[reportPrivateUsage]
    assert z.shape == (1, 4, 2, 2)
    for k in range(4):
        own = {n: p.detach()[k : k + 1] for n, p in fleet.generators.parameters.items()}
        torch.testing.assert_close(made[0, 0, 2 * k : 2 * k + 2], fleet.generators.evaluate(k, own, z[0, k]))
    assert sorted(set(draw_latents(fleet, 200).owners.tolist())) == [0, 1, 2, 3]


def test_cross_entropy_of_which_generator_by_hand() -> None:
    logits = torch.zeros(1, 2, 3, 2)
    logits[0, 0, :, 0] = 1.0  # generator 0 is told right by one nat of logit, generator 1 not at all
    expected = [-np.log(np.e / (np.e + 1)), np.log(2)]
    assert which_generator(DiscriminatorOutput(torch.zeros(1, 2, 3), generator_logits=logits))[
        0
    ].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("method", ["vanilla", "wgan-gp", "hinge"])
def test_the_head_stands_on_any_discriminator_and_both_players_descend_its_loss(method: str) -> None:
    fleet = trained("generators=3", "which_generator=0.5", methods=method)
    rows = fleet.history.take()
    seen = [v for n, v in zip(rows.name, rows.value, strict=True) if n == "which_generator"]
    assert seen[0] == pytest.approx(0.5 * np.log(3), rel=0.2), "at the start the head knows nothing"
    names = set(fleet.discriminators.parameters)
    (head,) = [name for name in names if name.startswith("generator.") and name.endswith("weight")]
    before = fleet.discriminators.parameters[head].detach().clone()
    fleet.advance()
    assert not torch.equal(fleet.discriminators.parameters[head], before)


@pytest.mark.slow
def test_the_head_learns_to_tell_generators_apart() -> None:
    fleet = trained("generators=3", "which_generator=1", "lr=0.01", steps=150)
    rows = fleet.history.take()
    seen = [v for n, v in zip(rows.name, rows.value, strict=True) if n == "which_generator"]
    assert np.mean(seen[-20:]) < 0.5 * np.mean(seen[:5])


def test_without_weight_there_is_no_head() -> None:
    assert not any("generator" in name for name in sheet("generators=3").discriminator.build().state_dict())


@pytest.mark.parametrize(
    ("family", "team", "latent", "shape"),
    [
        (StackelbergMixture(g_hidden=16), 8, 2, (2,)),
        (StackelbergMixture(g_hidden=32), 4, 2, (2,)),
        (MLP(g_width=20, g_depth=3), 5, 4, (2,)),
        (DCGAN(width=4), 10, 32, (1, 28, 28)),
    ],
    ids=str,
)
def test_matched_capacity_is_within_two_per_cent(family: Any, team: int, latent: int, shape: tuple[int, ...]) -> None:
    def count(of: Any) -> int:
        return sum(p.numel() for p in of.generator(latent=latent, shape=shape).parameters())

    wide, said = matched(family, team, latent=latent, shape=shape)
    assert abs(count(wide) / (team * count(family)) - 1) <= 0.02
    assert f"{count(wide):,}" in said
    assert f"{team * count(family):,}" in said


def test_matched_capacity_trains_one_generator_and_says_so(tmp_path: Path) -> None:
    built = sheet("generators=8", "match_capacity=true")
    assert built.sizes.generators == 1
    team = sheet("generators=8")
    count = [sum(p.numel() for p in each.generator.build().parameters()) for each in (built, team)]
    assert abs(count[0] / (8 * count[1]) - 1) <= 0.02
    assert sum(p.numel() for p in built.discriminator.build().parameters()) == sum(
        p.numel() for p in team.discriminator.build().parameters()
    ), "the discriminator stays as it is"
    done = command("run", "mixture8", "vanilla", "generators=8", "match_capacity=true", "steps=2", "--dry-run")
    assert "replaces 8 of g_hidden=16" in " ".join(done.out.split())


@pytest.mark.parametrize(
    ("words", "lost"),
    [
        ("which_generator=0.1", "it has no which-generator head, since"),
        ("team_weights=learned", "it has no learned weights, since"),
        ("which_generator=1 team_weights=learned", "it has no which-generator head and no learned weights, since"),
    ],
)
def test_matched_capacity_says_what_one_generator_cannot_have(words: str, lost: str) -> None:
    built = sheet("generators=4", "match_capacity=true", *words.split())
    assert lost in built.notes[0]
    assert (built.team.which, built.team.learned) == ({}, None)
    assert "it has no" not in sheet("generators=4", "match_capacity=true").notes[0]


# Learned weights


def test_learned_weights_arrive_with_a_rate_of_their_own() -> None:
    learned = sheet(
        "generators=3", "team_weights=learned", "lr_weights=0.03", "weights_entropy=0.5", "beta1=0.7"
    ).team.learned
    assert learned is not None
    assert (learned.entropy, learned.optimiser.lr, learned.optimiser.beta1) == (0.5, (0.03,), (0.7,))
    assert sheet("generators=3").team.learned is None


def test_one_generator_alone_has_no_weight_to_learn() -> None:
    plain, learned = (trained(*words) for words in ((), ("team_weights=learned",)))
    assert learned.generator_weights is None
    for player in ("generators", "discriminators"):
        mine, theirs = getattr(learned, player).parameters, getattr(plain, player).parameters
        assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_weights_are_a_column_and_go_with_the_network(tmp_path: Path) -> None:
    words = {**SIZES, "generators": 3, "lr_weights": 0.5, "steps": 30}
    study = gantlet.run(
        "mixture8", "vanilla", seeds=2, out=tmp_path / "s", team_weights=["learned", "uniform"], **words
    )
    weights = study.runs["generator_weights"]
    assert all(sum(weights[run]) == pytest.approx(1) and len(set(weights[run])) == 3 for run in (0, 1))
    assert weights[2] is None
    for run in (0, 2):
        net = gantlet.load(tmp_path / "s", run=run)
        torch.manual_seed(0)
        made, z = net(torch.zeros(4000, 2)), torch.zeros(1, 2)
        own = torch.cat([net(z, torch.tensor([k])) for k in range(3)])  # one latent: who made a sample can be told
        share = torch.stack([(made == own[k]).all(1).double().mean() for k in range(3)])
        expected = weights[run] if run == 0 else [1 / 3] * 3
        assert share.tolist() == pytest.approx(list(expected), abs=0.04)


def test_samples_of_a_fitted_team_follow_its_weights(tmp_path: Path) -> None:
    team = gantlet.StackelbergGAN(
        3, team_weights="learned", lr_weights=0.5, weights_entropy=0.0, steps=40, g_width=8, d_width=8
    ).fit(POINTS.train.numpy())
    weights = team.gan._tensors["weights/logits"][0].softmax(0)  # pyright: ignore[reportPrivateUsage]
    assert float(weights.max()) > 0.5
    made, each = team.sample(2000, seed=3), team.predict(2000, seed=3)
    share = [np.isclose(made, own, rtol=0, atol=1e-6).all(1).mean() for own in each]
    assert share == pytest.approx(weights.tolist(), abs=0.05)
    team.gan.save(tmp_path / "team")
    assert np.array_equal(gantlet.GAN.load(tmp_path / "team").sample(2000, seed=3), made)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("generators=3 team=choose", "not a multiple of 3"),
        ("generators=2 team=average which_generator=1", "scores its branches"),
        ("generators=2 team=average team_weights=learned", "team=average scores its branches as one generator"),
        ("generators=2 team=choose team_weights=learned", "team_weights=uniform"),
        ("match_capacity=true", "needs generators above 1"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(words: str, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        sheet(*words.split())


def test_presets_of_the_figures_name_networks_and_teams() -> None:
    figure, wide, deep, branches, seed = (
        resolve("mixture8", "vanilla", preset=name)[0] for name in ("figure", "wide", "deep", "branches", "seed")
    )
    assert (figure.values["generators"], figure.values["g_hidden"]) == (8, 16)
    assert (wide.values["g_hidden"], deep.values["g_depth"]) == (128, 4)
    assert (branches.parts.network, branches.values["team"]) == ("branch-mixture", "average")
    assert (seed.values["team_reduction"], seed.values["g_hidden"]) == ("half-sum", 32)
    mnist, fashion = (resolve(task, "vanilla", preset="stackelberg")[0] for task in ("mnist", "fashion-mnist"))
    assert (mnist.parts.network, mnist.values["which_generator"], mnist.values["latent_dim"]) == (
        "stackelberg-mnist",
        1.0,
        100,
    )
    assert (fashion.parts.network, fashion.values["which_generator"], fashion.values["latent_dim"]) == (
        *("stackelberg-fashion", 0.1, 2),
    )


def test_presets_of_pictures_are_the_published_teams() -> None:
    layers = {"stackelberg": 2, "stackelberg-deep": 3, "stackelberg-deeper": 4}
    for preset, count in layers.items():
        (found,) = resolve("cifar10", "vanilla", preset=preset)
        assert (found.parts.network, found.values["generators"], found.values["g_layers"]) == (
            *("stackelberg-cifar", 10, count),
        )
    (tiny,) = resolve("tiny-imagenet32", "vanilla", preset="stackelberg")
    assert (tiny.parts.network, tiny.values["generators"], tiny.values["which_generator"]) == (
        "stackelberg-cifar",
        10,
        0.1,
    )


def test_the_team_of_dcgan_s_capacity_has_dcgan_s_parameters() -> None:
    (found,) = resolve("cifar10", "vanilla", preset="dcgan-capacity")
    width, team = int(found.values["g_width"]), int(found.values["generators"])
    with torch.device("meta"):
        one, dcgan = (
            family.generator(latent=100, shape=(3, 32, 32))
            for family in (StackelbergCIFAR(g_width=width, g_layers=int(found.values["g_layers"])), DCGAN4(width=64))
        )
    counts = [sum(p.numel() for p in module.parameters()) for module in (one, dcgan)]
    assert team == 10
    assert abs(team * counts[0] / counts[1] - 1) < 0.004


def test_stackelberg_gan_is_a_team_of_gan() -> None:
    points = POINTS.train.numpy()
    words: dict[str, Any] = {"steps": 4, "g_width": 8, "d_width": 8}
    team = gantlet.StackelbergGAN(n_generators=3, **words).fit(points)
    plain = gantlet.GAN("vanilla", generators=3, **words).fit(points)
    assert np.array_equal(team.sample(6, seed=4), plain.sample(6, seed=4))
    assert np.array_equal(team.sample(6, generator=2), plain.sample(6, generator=2))
    each = team.predict(5, seed=1)
    assert len(each) == 3
    assert np.array_equal(each[1], plain.sample(5, seed=1, generator=1))
    assert not np.array_equal(each[0], each[1])
    with pytest.raises(BadValue, match="n_generators=0"):
        gantlet.StackelbergGAN(n_generators=0)


def test_an_average_of_branches_is_loaded_as_it_was_judged(tmp_path: Path) -> None:
    study = gantlet.run("mixture8", "vanilla", out=tmp_path / "s", generators=2, team="average", **SIZES)
    net = gantlet.load(study.folder, run=0)
    z = torch.randn(4, 2)
    branches = next(iter(net.children()))
    with torch.no_grad():
        assert torch.equal(net(z), torch.stack([branch(z) for branch in branches.children()]).mean(0))
