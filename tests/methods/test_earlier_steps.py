"""One step of a preset is the earlier system's step, restated here in plain PyTorch from its own description.

Legend: ``K`` generators of a team, ``B`` batch.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, cross_entropy

import games
import terminal
from gantlet.data.base import Dataset
from gantlet.data.specification import SampleSpec
from gantlet.errors import Refused
from gantlet.objectives.base import DiscriminatorOutput
from gantlet.penalties.dragan import Dragan
from gantlet.requests.resolve import Resolved
from gantlet.studies.build import blueprint, steps_of
from gantlet.training.blueprint import Execution
from gantlet.training.fleet import Fleet
from gantlet.training.stack import Stack

SEED = 3


def pool(shape: tuple[int, ...], size: int) -> Dataset:
    numbers = torch.Generator().manual_seed(0)
    train, test = (torch.rand(size, *shape, generator=numbers) * 2 - 1 for _ in range(2))
    return Dataset(train, test)


def fleet_of(resolved: Resolved, shape: tuple[int, ...], *, size: int = 256) -> Fleet:
    """One member on random images, without any file."""
    sample = SampleSpec(shape, pool=size)
    return Fleet(blueprint([(resolved, SEED)], sample, Execution(route="stacked"), steps=1), pool(shape, size))


def copied(module: nn.Module, stack: Stack, row: int) -> nn.Module:
    """A module with the numbers of one network of a stack."""
    held = {**stack.parameters, **stack.buffers}
    module.load_state_dict({name: held[name][row].detach() for name in module.state_dict()})
    return module.train().to(next(iter(stack.parameters.values())).dtype)


def moved(module: nn.Module, stack: Stack, row: int) -> float:
    """How far a module's parameters are from those of a network of the stack, relatively."""
    mine = torch.cat([p.detach().flatten() for _, p in sorted(module.named_parameters())])
    theirs = torch.cat(
        [stack.parameters[name][row].detach().flatten() for name, _ in sorted(module.named_parameters())]
    )
    return games.difference(theirs, mine)


def gradient_of(module: nn.Module) -> Tensor:
    """All gradients of a module in one vector, by the names of its parameters."""
    return torch.cat([p.grad.flatten() for _, p in sorted(module.named_parameters()) if p.grad is not None])


def noted_gradient(fleet: Fleet, player: str) -> list[Tensor]:
    """The parts of the vector of the same numbers in a fleet of one, filled in when the player moves.

    Adam's first step has hardly more of a gradient than its signs, so that weights alone would not show a wrong factor.
    """
    held: list[Tensor] = []
    stack = fleet.discriminators if player == "discriminator" else fleet.generators
    move = fleet.optimisers[player].norm

    def noted() -> Tensor:
        held.extend(
            p.grad[0].detach().clone().flatten() for _, p in sorted(stack.parameters.items()) if p.grad is not None
        )
        return move()

    fleet.optimisers[player].norm = noted
    return held


TEAMS = [("mnist", ("latent_dim=8",), 1.0), ("fashion-mnist", (), 0.1)]


@pytest.mark.parametrize(("task", "words", "weight"), TEAMS)
def test_the_stackelberg_scripts_step_with_the_second_head(task: str, words: tuple[str, ...], weight: float) -> None:
    """Seed: G first, Σ BCE + w CE; then D, Σ (BCE_real + BCE_fake)/2 + w CE; one z for all, fakes made anew after G moved."""
    small = ("generators=3", "batch_size=16", "g_hidden=8", "d_hidden=16", "dtype=float64", "steps=1", *words)
    (resolved,) = terminal.resolve(task, "vanilla", *small, preset="stackelberg")
    fleet = fleet_of(resolved, (1, 28, 28))
    chosen = resolved.training
    assert chosen.order == "g_first"
    generators = [
        copied(resolved.family.generator(latent=chosen.latent_dim, shape=(1, 28, 28)), fleet.generators, row)
        for row in range(3)
    ]
    d = copied(resolved.family.discriminator(shape=(1, 28, 28), generators=3), fleet.discriminators, 0)
    z, real = fleet.inputs._latents.at("generator", 0)[0, 0], fleet.loader.real(0)[0, 0]  # pyright: ignore[reportPrivateUsage]
    betas = (chosen.beta1, chosen.beta2)
    adam_g = torch.optim.Adam([p for g in generators for p in g.parameters()], lr=chosen.lr_g, betas=betas)
    adam_d = torch.optim.Adam(d.parameters(), lr=chosen.lr_d, betas=betas)
    one, zero = torch.ones(16, dtype=torch.float64), torch.zeros(16, dtype=torch.float64)

    def which(said: DiscriminatorOutput, k: int) -> Tensor:
        assert said.generator_logits is not None
        return cross_entropy(said.generator_logits, torch.full((16,), k))

    total = torch.zeros((), dtype=torch.float64)
    for k, g in enumerate(generators):
        said = output(d(g(z)))
        total = total + binary_cross_entropy(said.score.sigmoid(), one) + weight * which(said, k)
    adam_g.zero_grad()
    total.backward()
    adam_g.step()
    total = torch.zeros((), dtype=torch.float64)
    for k, g in enumerate(generators):
        on_real, on_fake = output(d(real)), output(d(g(z).detach()))
        adversarial = (
            binary_cross_entropy(on_real.score.sigmoid(), one) + binary_cross_entropy(on_fake.score.sigmoid(), zero)
        ) / 2
        total = total + adversarial + weight * which(on_fake, k)
    adam_d.zero_grad()
    total.backward()
    seed_gradient = gradient_of(d)
    adam_d.step()

    held = noted_gradient(fleet, "discriminator")
    games.train(fleet)
    gradient = torch.cat(held)
    assert float(torch.cosine_similarity(gradient, seed_gradient, 0)) > 1 - 1e-9
    assert games.difference(gradient, seed_gradient) <= 1e-6
    assert moved(d, fleet.discriminators, 0) <= 1e-6
    assert max(moved(g, fleet.generators, row) for row, g in enumerate(generators)) <= 1e-6


def output(said: Any) -> DiscriminatorOutput:
    return said if isinstance(said, DiscriminatorOutput) else DiscriminatorOutput(said)


def test_the_dragan_notebooks_penalty_of_pixels_from_0_to_1() -> None:
    """λ = 10, k = 1 on [0, 1] is the preset's value on [-1, 1] for the same function of the image; the defaults are not."""
    numbers = torch.Generator().manual_seed(5)
    a, unit = torch.randn(12, generator=numbers) / 3, torch.rand(1, 1, 16, 12, generator=numbers)
    pixel, share = torch.rand(1, 1, 16, 12, generator=numbers), torch.rand(1, 1, 16, generator=numbers)

    def slope_01(x: Tensor) -> Tensor:  # of D(x) = Σ a x² + sin x, on pixels in [0, 1]
        return 2 * a * x + x.cos() / 4

    perturbed = unit + share[..., None] * 0.5 * unit.std(correction=0) * pixel
    seed = 10 * float(((slope_01(perturbed).square().sum(-1).sqrt() - 1) ** 2).mean())

    def signed(x: Tensor) -> DiscriminatorOutput:
        x = (x + 1) / 2
        return DiscriminatorOutput((a * x.square() + x.sin() / 4).sum(-1))

    (resolved,) = terminal.resolve("mnist", "dragan", "network=dragan-mnist", preset="notebook")
    said = ("penalty_weight", "penalty_target", "penalty_noise", "penalty_scale")
    assert [resolved.values[key] for key in said] == [40.0, 0.5, "uniform_onesided", 0.5]
    (penalty,) = resolved.penalties
    real = 2 * unit - 1
    noise = {"pixel": pixel, "share": share}
    assert float(penalty(signed, real=real, fake=real, noise=noise).detach()) == pytest.approx(seed, rel=1e-5)
    untranslated = Dragan(noise="uniform_onesided")
    assert float(untranslated(signed, real=real, fake=real, noise=noise).detach()) < 0.7 * seed


def test_the_dragan_notebooks_step_on_pixels_from_0_to_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """D first, Σ BCE + 10 (‖∇D‖ - 1)² at one-sided noise of [0, 1] pixels; then G, BCE(D(G(z)), 1) with latents of its own."""
    words = (
        "network=dragan-mnist",
        "output=sigmoid",
        "hidden=6",
        "batch_size=9",
        "latent_dim=5",
        "dtype=float64",
        "steps=1",
    )
    (resolved,) = terminal.resolve("mnist", "dragan", *words, preset="notebook")
    shape, drawn = (1, 7, 7), dict[str, Tensor]()
    fleet = fleet_of(resolved, shape)
    g = copied(resolved.family.generator(latent=5, shape=shape), fleet.generators, 0)
    d = copied(resolved.family.discriminator(shape=shape), fleet.discriminators, 0)
    points = Dragan.points

    def noted(self: Dragan, samples: Tensor, noise: dict[str, Tensor]) -> Tensor:
        drawn.update(noise)
        return points(self, samples, noise)

    monkeypatch.setattr(Dragan, "points", noted)
    held = {player: noted_gradient(fleet, player) for player in ("discriminator", "generator")}
    games.train(fleet)
    z = [fleet.inputs._latents.at(player, 0)[0, 0] for player in ("discriminator", "generator")]  # pyright: ignore[reportPrivateUsage]
    assert not torch.equal(*z)
    assert float(z[0].abs().max()) < 1  # U[-1, 1]
    adam_g, adam_d = (torch.optim.Adam(net.parameters(), lr=1e-4, betas=(0.5, 0.9)) for net in (g, d))

    def judged(unit: Tensor) -> Tensor:  # of pixels in [0, 1]
        return d(2 * unit - 1)

    def unit_fake(latents: Tensor) -> Tensor:  # its last layer, through a plain sigmoid
        return (g(latents) + 1) / 2

    real = (fleet.loader.real(0)[0, 0] + 1) / 2
    one, zero = torch.ones(9, dtype=torch.float64), torch.zeros(9, dtype=torch.float64)
    pixel, share = drawn["pixel"][0, 0].to(real), drawn["share"][0, 0].to(real)
    perturbed = real + 0.5 * real.std(correction=0) * pixel
    between = (real + share[:, None, None, None] * (perturbed - real)).requires_grad_()
    (slope,) = torch.autograd.grad(judged(between).sum(), between, create_graph=True)
    penalty = 10 * ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
    adversarial = binary_cross_entropy(judged(real).sigmoid(), one)
    adversarial = adversarial + binary_cross_entropy(judged(unit_fake(z[0]).detach()).sigmoid(), zero)
    (adversarial + penalty).backward()
    assert games.difference(torch.cat(held["discriminator"]), gradient_of(d)) <= 1e-6
    adam_d.step()
    adam_g.zero_grad()
    binary_cross_entropy(judged(unit_fake(z[1])).sigmoid(), one).backward()
    assert games.difference(torch.cat(held["generator"]), gradient_of(g)) <= 1e-6
    adam_g.step()
    assert moved(d, fleet.discriminators, 0) <= 1e-6
    assert moved(g, fleet.generators, 0) <= 1e-6
    rows = fleet.history.take()
    logged = dict(zip(rows.name, rows.value, strict=True))
    assert logged["dragan_penalty"] == pytest.approx(penalty.item(), rel=1e-6)


def test_the_tensorflow_comparisons_wgan_shares_its_latents_and_has_its_rmsprop() -> None:
    """One z for both players; D with five times the rate; decay 0.9, ε 1e-10; then the weights are clipped."""
    words = ("network=dcgan28-plain", "width=2", "batch_size=8", "dtype=float64", "steps=1", "latent_dim=6")
    (resolved,) = terminal.resolve("mnist", "wgan", *words, preset="seed")
    fleet = fleet_of(resolved, (1, 28, 28))
    chosen = resolved.training
    assert (chosen.beta2, chosen.eps, chosen.latent, chosen.n_critic) == (0.9, 1e-10, "shared", 5)
    g = copied(resolved.family.generator(latent=6, shape=(1, 28, 28)), fleet.generators, 0)
    d = copied(resolved.family.discriminator(shape=(1, 28, 28)), fleet.discriminators, 0)
    z, real = fleet.inputs._latents.at("generator", 0)[0, 0], fleet.loader.real(0)[0, 0]  # pyright: ignore[reportPrivateUsage]
    with torch.no_grad():
        fake = g(z)
    held = {player: noted_gradient(fleet, player) for player in ("discriminator", "generator")}
    first = output(d(fake)).score.mean() - output(d(real)).score.mean()
    first.backward()
    seed_gradient = gradient_of(d)
    descend(d, 5 * 5e-5)
    with torch.no_grad():
        for parameter in d.parameters():
            parameter.clamp_(-0.01, 0.01)
    d.requires_grad_(False)
    (-output(d(g(z))).score.mean()).backward()
    seed_gradients = {"discriminator": seed_gradient, "generator": gradient_of(g)}
    descend(g, 5e-5)
    games.train(fleet)
    for player, expected in seed_gradients.items():
        assert games.difference(torch.cat(held[player]), expected) <= 1e-6
    assert moved(d, fleet.discriminators, 0) <= 1e-6
    assert moved(g, fleet.generators, 0) <= 1e-6


def test_the_cifar_teams_step_with_batches_of_two_sizes() -> None:
    """D first, BCE_r + mean_k (BCE_f + β CE); then G, mean_k (BCE + β CE); one z of ``g_batch`` for all; four layers of D."""
    words = ("generators=3", "g_width=2", "d_width=2", "d_layers=4", "g_layers=1", "d_norm=none", "dtype=float64")
    sizes = ("batch_size=5", "batch_size_g=4", "latent_dim=6", "steps=1", "lr=1e-3", "beta1=0.5")
    (resolved,) = terminal.resolve("cifar10", "vanilla", *words, *sizes, preset="stackelberg")
    shape = (3, 16, 16)
    fleet = fleet_of(resolved, shape)
    generators = [copied(resolved.family.generator(latent=6, shape=shape), fleet.generators, row) for row in range(3)]
    d = copied(resolved.family.discriminator(shape=shape, generators=3), fleet.discriminators, 0)
    assert [part.out_channels for part in d.modules() if isinstance(part, nn.Conv2d)] == [2, 4, 8, 16]
    z, real = fleet.inputs._latents.at("generator", 0)[0], fleet.loader.real(0)[0, 0]  # pyright: ignore[reportPrivateUsage]
    assert (z.shape, len(real)) == ((3, 4, 6), 5)
    assert torch.equal(z[0], z[2])
    adam = {"lr": 1e-3, "betas": (0.5, 0.999)}
    adam_g = torch.optim.Adam([p for g in generators for p in g.parameters()], **adam)
    adam_d = torch.optim.Adam(d.parameters(), **adam)

    def team(target: float, *, to_g: bool) -> Tensor:
        terms: list[Tensor] = []
        for k, g in enumerate(generators):
            said = output(d(g(z[k]) if to_g else g(z[k]).detach()))
            assert said.generator_logits is not None
            wanted = torch.full((4,), target, dtype=torch.float64)
            bce = binary_cross_entropy(said.score.sigmoid(), wanted)
            terms.append(bce + 0.1 * cross_entropy(said.generator_logits, torch.full((4,), k)))
        return torch.stack(terms).mean()

    on_real = binary_cross_entropy(output(d(real)).score.sigmoid(), torch.ones(5, dtype=torch.float64))
    (on_real + team(0.0, to_g=False)).backward()
    adam_d.step()
    adam_g.zero_grad()
    team(1.0, to_g=True).backward()
    adam_g.step()
    games.train(fleet)
    assert moved(d, fleet.discriminators, 0) <= 1e-6
    assert max(moved(g, fleet.generators, row) for row, g in enumerate(generators)) <= 1e-6


def test_several_paths_of_the_mixtures_discriminator_average_their_probabilities() -> None:
    words = ("d_paths=3", "d_hidden=6", "batch_size=8", "dtype=float64", "steps=1")
    (resolved,) = terminal.resolve("mixture8", "vanilla", *words)
    fleet = fleet_of(resolved, (2,))
    d = copied(resolved.family.discriminator(shape=(2,)), fleet.discriminators, 0)
    g = copied(resolved.family.generator(latent=2, shape=(2,)), fleet.generators, 0)
    paths: list[nn.Module] = list(d.get_submodule("paths").children())
    z = fleet.inputs._latents.at("discriminator", 0)[0, 0]  # pyright: ignore[reportPrivateUsage]
    latents, real = fleet.inputs._latents.at("generator", 0)[0, 0], fleet.loader.real(0)[0, 0]  # pyright: ignore[reportPrivateUsage]
    adam_g, adam_d = (torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (g, d))

    def chance(x: Tensor) -> Tensor:
        return torch.stack([path(x).sigmoid() for path in paths]).mean(0)

    (-chance(g(latents)).log().mean()).backward()
    adam_g.step()
    adam_d.zero_grad()
    (-chance(real).log().mean() - (1 - chance(g(z).detach())).log().mean()).backward()
    adam_d.step()
    games.train(fleet)
    assert len(paths) == 3
    assert moved(d, fleet.discriminators, 0) <= 1e-6
    assert moved(g, fleet.generators, 0) <= 1e-6


SIZES = [
    ("drop_last=false n_critic=5", "n_critic=5"),
    ("drop_last=false pool=endless order=g_first", "pool=endless and order=g_first"),
    ("drop_last=false pack=2", "pack=2"),
    ("batch_size_g=4 penalties=r1", "the penalty r1"),
    ("batch_size_g=4 latent=pool", "latent=pool"),
]


@pytest.mark.parametrize(("words", "named"), SIZES)
def test_batches_of_several_sizes_are_refused_where_they_cannot_be(words: str, named: str) -> None:
    (resolved,) = terminal.resolve("ring8", "vanilla", "batch_size=8", "reuse_fake=false", *words.split())
    with pytest.raises(Refused, match=f"does not go together with {named}"):
        fleet_of(resolved, (2,))


def test_a_pairing_method_needs_one_size() -> None:
    (resolved,) = terminal.resolve("ring8", "relativistic", "batch_size=8", "batch_size_g=4", "reuse_fake=false")
    with pytest.raises(Refused, match="compares real samples with fakes"):
        fleet_of(resolved, (2,))


def test_the_ring_trains_on_the_last_partial_batch() -> None:
    """391 batches an epoch, 156,400 steps; G's fakes of the pool are judged by D, then by the updated D, 80 of them at last."""
    (published,) = terminal.resolve("ring8", "alpha", preset="seed")
    assert steps_of(published.training, 50_000) == 400 * 391 == 156_400
    assert (published.values["drop_last"], published.values["reuse_fake"]) == (False, True)
    words = ("alpha_d=0.3", "saturating=true", "g_width=5", "d_width=5", "g_depth=1", "d_depth=1", "dtype=float64")
    (resolved,) = terminal.resolve("ring8", "alpha", *words, "batch_size=8", "epochs=10", preset="seed")
    assert steps_of(resolved.training, 20) == 30
    fleet = Fleet(blueprint([(resolved, SEED)], SampleSpec((2,), pool=20), Execution(route="stacked")), pool((2,), 20))
    g = copied(resolved.family.generator(latent=2, shape=(2,)), fleet.generators, 0)
    d = copied(resolved.family.discriminator(shape=(2,)), fleet.discriminators, 0)
    betas = (resolved.training.beta1, resolved.training.beta2)
    adam_g, adam_d = (torch.optim.Adam(net.parameters(), lr=1e-4, betas=betas) for net in (g, d))
    seen: list[Tensor] = []
    held = {player: noted_gradient(fleet, player) for player in ("discriminator", "generator")}

    def loss(right: Tensor, alpha: float) -> Tensor:
        if alpha == 1:
            return -right.log().mean()
        return (alpha / (alpha - 1) * (1 - right.clamp(1e-7, 1 - 1e-7) ** ((alpha - 1) / alpha))).mean()

    for step, size in enumerate((8, 8, 4) * 10):
        z, real = fleet.inputs._latents.at("generator", step)[0, 0], fleet.loader.real(step)[0, 0]  # pyright: ignore[reportPrivateUsage]
        assert len(z) == len(real) == size
        seen.append(real)
        fake = g(z)
        adam_d.zero_grad()
        judged = d(fake.detach()).sigmoid()
        (loss(d(real).sigmoid(), 0.3) + loss(1 - judged, 0.3)).backward()
        seed_gradient = gradient_of(d)
        adam_d.step()
        adam_g.zero_grad()
        (-loss(1 - d(fake).sigmoid(), 1)).backward()
        seed_gradients = {"discriminator": seed_gradient, "generator": gradient_of(g)}
        adam_g.step()
        games.train(fleet, 1)
        for player, expected in seed_gradients.items():
            assert games.difference(torch.cat(held[player]), expected) <= 1e-6
            held[player].clear()
        assert moved(d, fleet.discriminators, 0) <= 1e-6
        assert moved(g, fleet.generators, 0) <= 1e-6
    epochs = torch.cat(seen).unflatten(0, (10, 20))
    assert all(len(epoch.unique(dim=0)) == 20 for epoch in epochs)  # every point once
    assert not torch.equal(epochs[0], epochs[1])
    assert fleet.loader.seen(3) == 20
    assert fleet.loader.seen(4) == 28


@pytest.mark.parametrize(("weight", "margin"), [(0.1, 7.5), (0.0, 8.0), (0.1, 20.0)])
def test_the_tensorflow_comparisons_ebgan_hinges_the_batchs_energy(weight: float, margin: float) -> None:
    """D: E(r) + max(0, m - mean E(f)); G: mean E(f) + w PT; one z; PT is logged whatever its weight."""
    words = ("network=ebgan", "width=2", "batch_size=6", "dtype=float64", "steps=1", "latent_dim=4")
    options = (f"margin={margin}", f"penalty_weight={weight}")
    (resolved,) = terminal.resolve("folder:nowhere", "ebgan-pt", *words, *options, preset="seed")
    shape = (1, 16, 16)
    fleet = fleet_of(resolved, shape)
    g = copied(resolved.family.generator(latent=4, shape=shape), fleet.generators, 0)
    d = copied(resolved.family.discriminator(shape=shape), fleet.discriminators, 0)
    z, real = fleet.inputs._latents.at("generator", 0)[0, 0], fleet.loader.real(0)[0, 0]  # pyright: ignore[reportPrivateUsage]
    chosen = resolved.training
    assert (chosen.latent, chosen.bn_decay) == ("shared", 0.99)
    adam_g, adam_d = (torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.5, 0.999)) for net in (g, d))
    held = {player: noted_gradient(fleet, player) for player in ("discriminator", "generator")}
    on_real, on_fake = output(d(real)), output(d(g(z).detach()))
    (on_real.score.mean() + (margin - on_fake.score.mean()).clamp(min=0)).backward()
    seed_gradient = gradient_of(d)
    adam_d.step()
    adam_g.zero_grad()
    judged = output(d(g(z)))
    assert judged.code is not None
    code = judged.code.flatten(1)
    cosines = torch.cosine_similarity(code[:, None], code[None], dim=-1) ** 2
    pulling = (cosines.sum() - 6) / (6 * 5)
    (judged.score.mean() + weight * pulling).backward()
    seed_gradients = {"discriminator": seed_gradient, "generator": gradient_of(g)}
    adam_g.step()
    games.train(fleet)
    for player, expected in seed_gradients.items():
        assert games.difference(torch.cat(held[player]), expected) <= 1e-6
    assert moved(d, fleet.discriminators, 0) <= 1e-6
    assert moved(g, fleet.generators, 0) <= 1e-6
    pulling, rows = pulling.item(), fleet.history.take()
    logged = dict(zip(rows.name, rows.value, strict=True))
    assert logged["pulling_away_unweighted"] == pytest.approx(pulling, rel=1e-6)
    assert logged["pulling_away"] == pytest.approx(weight * pulling, rel=1e-6)
    assert margin == 20 or (margin - on_fake.score).relu().mean() > (margin - on_fake.score.mean()).relu() + 0.1


def descend(module: nn.Module, rate: float) -> None:
    """RMSProp's first step from a second moment of 0."""
    with torch.no_grad():
        for parameter in module.parameters():
            assert parameter.grad is not None
            change = rate * parameter.grad / ((0.1 * parameter.grad.square()).sqrt() + 1e-10)
            parameter.sub_(change)


@pytest.mark.parametrize("decay", [0.0, 0.99])
def test_batch_norm_forgets_as_fast_as_it_is_told(decay: float) -> None:
    words = ("network=dcgan28", "width=2", "batch_size=8", "dtype=float64", "steps=1", f"bn_decay={decay}")
    (resolved,) = terminal.resolve("mnist", "vanilla", *words)
    fleet = fleet_of(resolved, (1, 28, 28))
    g = copied(resolved.family.generator(latent=resolved.training.latent_dim, shape=(1, 28, 28)), fleet.generators, 0)
    z = fleet.inputs._latents.at("generator", 0)[0, 0]  # pyright: ignore[reportPrivateUsage]
    seen: list[Tensor] = []
    norm = next(part for part in g.modules() if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d))  # pyright: ignore[reportPrivateUsage]
    norm.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().transpose(0, 1).flatten(1).mean(1)))
    g(z)
    games.train(fleet)
    running = next(value for name, value in fleet.generators.buffers.items() if name.endswith("running_mean"))
    assert games.difference(running[0], (1 - (decay or 0.9)) * seen[0]) <= 1e-6


def test_the_pairs_of_experiment_2_have_widths_of_their_own() -> None:
    both, apart = (
        terminal.resolve("stacked-mnist", "vanilla", *words)[0].family
        for words in (("width=2",), ("g_width=2", "d_width=3"))
    )
    sizes = [
        [
            sum(p.numel() for p in module.parameters())
            for module in (family.generator(latent=100, shape=(3, 28, 28)), family.discriminator(shape=(3, 28, 28)))
        ]
        for family in (both, apart)
    ]
    three = terminal.resolve("stacked-mnist", "vanilla", "width=3")[0].family.discriminator(shape=(3, 28, 28))
    assert sizes[0][0] == sizes[1][0]
    assert sizes[1][1] == sum(p.numel() for p in three.parameters()) != sizes[0][1]
