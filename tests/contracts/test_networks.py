"""Every network family of the catalogue against what a family promises.

Legend: ``N`` networks in a stack, ``B`` batch, ``*x`` sample shape.
"""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from contracts.cases import FAMILIES_OF_NETWORKS, NetworkCase
from gantlet.catalogue import FAMILIES
from gantlet.networks import has_batch_statistics
from gantlet.networks.base import Family

LATENT = 3
PLAYERS = [
    (case, shape, player)
    for case in FAMILIES_OF_NETWORKS
    for shape in case.shapes
    for player in ("generator", "discriminator")
]
every_player = pytest.mark.parametrize(("case", "shape", "player"), PLAYERS, ids=str)


def build(case: NetworkCase, shape: tuple[int, ...], player: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    if player == "generator":
        return case.family.generator(latent=LATENT, shape=shape)
    return case.family.discriminator(shape=shape)


def inputs(shape: tuple[int, ...], player: str, *leading: int) -> Tensor:
    of = (LATENT,) if player == "generator" else shape
    return torch.randn((*leading, *of), generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("case", "count"), [(case, count) for case in FAMILIES_OF_NETWORKS for count in case.counts], ids=str
)
def test_parameters_are_as_published(case: NetworkCase, count: tuple[int, tuple[int, ...], int, int]) -> None:
    latent, shape, generator, discriminator = count
    assert isinstance(case.family, Family)
    assert size(case.family.generator(latent=latent, shape=shape)) == generator
    assert size(case.family.discriminator(shape=shape, generators=4)) == discriminator


@every_player
def test_outputs_fit_and_every_parameter_learns(case: NetworkCase, shape: tuple[int, ...], player: str) -> None:
    module = build(case, shape, player).double()
    out = module(inputs(shape, player, 5))
    assert tuple(out.shape) == ((5, *shape) if player == "generator" else (5,))
    weights = torch.arange(1, out.numel() + 1, dtype=torch.float64).reshape(out.shape)
    (weights * out).sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, f"{name} has no gradient"
        # A bias that batch norm takes away again learns nothing, by design of the published networks.
        assert parameter.ndim == 1 or parameter.grad.abs().max() > 0, f"{name} has no gradient"


@every_player
def test_a_stack_equals_its_networks(case: NetworkCase, shape: tuple[int, ...], player: str) -> None:
    """vmap over three networks in train mode: outputs, gradients and running statistics of each one alone."""
    modules = [build(case, shape, player, seed).double() for seed in range(3)]
    x = inputs(shape, player, 3, 4)
    parameters, buffers = stack_module_state(modules)
    template = copy.deepcopy(modules[0])

    def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(template, (parameters, buffers), (x,))

    together = vmap(one)(parameters, buffers, x)
    together.square().sum().backward()
    for n, module in enumerate(modules):
        alone = module(x[n])
        alone.square().sum().backward()
        assert torch.allclose(together[n], alone, rtol=1e-11, atol=1e-13)
        for name, parameter in module.named_parameters():
            stacked = parameters[name].grad
            assert stacked is not None
            assert torch.allclose(stacked[n], _grad(parameter), rtol=1e-9, atol=1e-12), name
        for name, buffer in module.named_buffers():
            assert torch.allclose(buffers[name][n], buffer, rtol=1e-12), name


def _grad(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


@pytest.mark.parametrize("case", FAMILIES_OF_NETWORKS, ids=str)
def test_a_discriminator_provides_what_its_family_says(case: NetworkCase) -> None:
    for shape in case.shapes:
        mixes = has_batch_statistics(build(case, shape, "discriminator"), shape)
        assert ("no_batch_statistics" in case.family.provides) == (not mixes)


@every_player
def test_evaluation_sees_one_sample_at_a_time(case: NetworkCase, shape: tuple[int, ...], player: str) -> None:
    module = build(case, shape, player).double().eval()
    x = inputs(shape, player, 4)
    each = torch.cat([module(x[i : i + 1]) for i in range(4)])
    assert torch.allclose(module(x), each, rtol=1e-12)


@every_player
def test_the_global_seed_decides_the_weights(case: NetworkCase, shape: tuple[int, ...], player: str) -> None:
    first, again, other = (build(case, shape, player, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("case", FAMILIES_OF_NETWORKS, ids=str)
def test_a_generator_reaches_as_far_as_its_output_says(case: NetworkCase) -> None:
    """tanh stays within (-1, 1); a linear end scales without bound."""
    for shape in case.shapes:
        module = build(case, shape, "generator").double()
        last = [layer for layer in module.modules() if isinstance(layer, nn.Linear | nn.ConvTranspose2d)][-1]
        with torch.no_grad():
            last.weight *= 1e3
        reach = float(module(inputs(shape, "generator", 8)).detach().abs().max())
        bounded = getattr(case.family, "output", "tanh") == "tanh"
        assert 0.5 < reach <= 1 if bounded else reach > 10 and math.isfinite(reach)


def test_every_network_is_in_the_table() -> None:
    known = set(FAMILIES["network"])
    assert {case.name for case in FAMILIES_OF_NETWORKS} == known, "contracts/cases.py needs a case of it"
