"""Stacked linear layers: torch's numbers, first and second derivatives, gradients laid out like their parameters."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from gantlet.training.linear import stack_linears

N, B = 4, 7


def network(bias: bool = True) -> nn.Module:
    return nn.Sequential(nn.Linear(3, 5, bias=bias), nn.Tanh(), nn.Linear(5, 2, bias=bias)).double()


def stacked(module: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {name: (N, *p.shape) for name, p in module.named_parameters()}
    return {n: torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for n, s in shapes.items()}


def inputs(*shape: int) -> Tensor:
    drawn = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return drawn.requires_grad_()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(N, B, 3), (N, 2, B, 3)])
def test_values_and_both_derivatives_are_those_of_a_loop(bias: bool, shape: tuple[int, ...]) -> None:
    module, x = network(bias), inputs(*shape)
    ours, theirs = stacked(module), stacked(module)
    quick = stack_linears(copy.deepcopy(module))
    made = vmap(lambda p, z: functional_call(quick, p, (z,)))(ours, x)
    looped = torch.stack([functional_call(module, {n: p[i] for n, p in theirs.items()}, (x[i],)) for i in range(N)])
    torch.testing.assert_close(made, looped, rtol=1e-13, atol=1e-13)
    for out, held in ((made, ours), (looped, theirs)):
        (slope,) = torch.autograd.grad(out.square().sum(), x, create_graph=True)
        (slope.square().sum() + out.sum()).backward(inputs=list(held.values()))
    for name, held in ours.items():
        torch.testing.assert_close(held.grad, theirs[name].grad, rtol=1e-12, atol=1e-12)


def test_gradients_have_the_layout_of_their_parameters() -> None:
    module = stack_linears(network())
    held, x = stacked(module), inputs(N, B, 3)
    grads: dict[str, tuple[int, ...]] = {}
    for name, parameter in held.items():
        parameter.register_hook(lambda g, name=name: grads.__setitem__(name, g.stride()))
    vmap(lambda p, z: functional_call(module, p, (z,)))(held, x).sum().backward()
    assert grads == {name: parameter.stride() for name, parameter in held.items()}


def test_several_batches_of_each_network_by_nested_vmap() -> None:
    module, x = network(), inputs(N, 3, B, 3)
    quick = stack_linears(copy.deepcopy(module))
    held = stacked(module)

    def one(p: dict[str, Tensor], z: Tensor) -> Tensor:
        return functional_call(quick, p, (z,))

    nested = vmap(vmap(one, in_dims=(None, 0)))(held, x)
    flat = vmap(one)(held, x)
    torch.testing.assert_close(nested, flat, rtol=1e-13, atol=1e-13)


def test_finite_differences_of_both_orders() -> None:
    module = stack_linears(network())
    held = stacked(module)
    names = list(held)

    def run(x: Tensor, *values: Tensor) -> Tensor:
        return vmap(lambda p, z: functional_call(module, p, (z,)))(dict(zip(names, values, strict=True)), x)

    arguments = (inputs(N, 2, 3), *held.values())
    assert torch.autograd.gradcheck(run, arguments)
    assert torch.autograd.gradgradcheck(run, arguments)


def test_outside_vmap_the_layer_is_torchs_own() -> None:
    module = network()
    quick, x = stack_linears(copy.deepcopy(module)), inputs(B, 3)
    assert torch.equal(quick(x), module(x))
