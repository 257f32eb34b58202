"""Every network family of the catalogue against what a family promises.

Legend: ``N`` networks in a stack, ``B`` batch, ``d`` features, ``K`` generators, ``*x`` sample shape.
"""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from contracts.network_cases import FAMILIES_OF_NETWORKS, NetworkCase
from gantlet.names import FAMILIES
from gantlet.networks.base import Family
from gantlet.networks.inspection import has_batch_statistics
from gantlet.objectives.base import DiscriminatorOutput
from thinning import covering

LATENT = 3
TRIED = [case for case in FAMILIES_OF_NETWORKS if case.shapes]
PLAYERS = [
    (case, shape, player) for case in TRIED for shape in case.shapes for player in ("generator", "discriminator")
]
every_player = pytest.mark.parametrize(
    ("case", "shape", "player"), covering(PLAYERS, lambda entry: (entry[0].name, entry[2])), ids=str
)


def build(case: NetworkCase, shape: tuple[int, ...], player: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    if player == "generator":
        return case.family.generator(latent=LATENT, shape=shape)
    return case.family.discriminator(shape=shape)


def inputs(shape: tuple[int, ...], player: str, *leading: int) -> Tensor:
    of = (LATENT,) if player == "generator" else shape
    return torch.randn((*leading, *of), generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def parts(out: Tensor | DiscriminatorOutput) -> dict[str, Tensor]:
    """What a network returned: samples or scores, or an output's score ``[B]``, code ``[B, d]``, logits ``[B, K]``."""
    if isinstance(out, Tensor):
        return {"out": out}
    found = {"out": out.score, "code": out.code, "generator_logits": out.generator_logits}
    return {name: part for name, part in found.items() if part is not None}


def size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("case", "count"), [(case, count) for case in FAMILIES_OF_NETWORKS for count in case.counts], ids=str
)
def test_parameters_are_as_published(case: NetworkCase, count: tuple[int, tuple[int, ...], int, int]) -> None:
    latent, shape, generator, discriminator = count
    assert isinstance(case.family, Family)
    with torch.device("meta"):  # shapes without numbers: the largest networks cost nothing
        made, scorer = (
            case.family.generator(latent=latent, shape=shape),
            case.family.discriminator(shape=shape, generators=10),
        )
    assert (size(made), size(scorer)) == (generator, discriminator)


@every_player
def test_outputs_fit_and_every_parameter_learns(case: NetworkCase, shape: tuple[int, ...], player: str) -> None:
    module = build(case, shape, player).double()
    for parameter in module.parameters():
        if parameter.ndim > 1 and not parameter.any():  # a branch that starts at zero hides the parameters in it
            nn.init.normal_(parameter)
    made = parts(module(inputs(shape, player, 5)))
    assert tuple(made["out"].shape) == ((5, *shape) if player == "generator" else (5,))
    weighted = [torch.arange(1, part.numel() + 1, dtype=torch.float64) @ part.flatten() for part in made.values()]
    torch.stack(weighted).sum().backward()
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

    def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> dict[str, Tensor]:
        return parts(functional_call(template, (parameters, buffers), (x,)))

    together = vmap(one)(parameters, buffers, x)
    torch.stack([part.square().sum() for part in together.values()]).sum().backward()
    for n, module in enumerate(modules):
        alone = parts(module(x[n]))
        torch.stack([part.square().sum() for part in alone.values()]).sum().backward()
        for name, part in alone.items():
            assert torch.allclose(together[name][n], part, rtol=1e-11, atol=1e-13), name
        for name, parameter in module.named_parameters():
            stacked = parameters[name].grad
            assert stacked is not None
            assert torch.allclose(stacked[n], _grad(parameter), rtol=1e-9, atol=1e-12), name
        for name, buffer in module.named_buffers():
            assert torch.allclose(buffers[name][n], buffer, rtol=1e-12), name


def _grad(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


@pytest.mark.parametrize("case", covering(TRIED, lambda case: case.name), ids=str)
def test_a_discriminator_provides_what_its_family_says(case: NetworkCase) -> None:
    for shape in case.shapes:
        mixes = has_batch_statistics(build(case, shape, "discriminator"), shape)
        assert ("no_batch_statistics" in case.family.provides) == (not mixes)


@every_player
def test_evaluation_sees_one_sample_at_a_time(case: NetworkCase, shape: tuple[int, ...], player: str) -> None:
    module = build(case, shape, player).double().eval()
    x = inputs(shape, player, 4)
    each = [parts(module(x[i : i + 1])) for i in range(4)]
    for name, part in parts(module(x)).items():
        assert torch.allclose(part, torch.cat([one[name] for one in each]), rtol=1e-11, atol=1e-15), name


@every_player
def test_the_global_seed_decides_the_weights(case: NetworkCase, shape: tuple[int, ...], player: str) -> None:
    first, again, other = (build(case, shape, player, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("case", covering(TRIED, lambda case: case.name), ids=str)
def test_a_generator_reaches_as_far_as_its_output_says(case: NetworkCase) -> None:
    """tanh stays within (-1, 1); a linear end scales without bound."""
    for shape in case.shapes:
        module = build(case, shape, "generator").double()
        kinds = nn.Linear | nn.Conv2d | nn.ConvTranspose2d
        last = [layer for layer in module.modules() if isinstance(layer, kinds)][-1]
        with torch.no_grad():
            last.weight *= 1e6  # networks that start at N(0, 0.02²) without a normalisation are small
        reach = float(module(inputs(shape, "generator", 8)).detach().abs().max())
        bounded = getattr(case.family, "output", "tanh") != "linear"
        assert 0.5 < reach <= 1 if bounded else reach > 10 and math.isfinite(reach)


def test_every_network_is_in_the_table() -> None:
    known = set(FAMILIES["network"])
    assert {case.name for case in TRIED} == known, "contracts/network_cases.py needs a case of it"
