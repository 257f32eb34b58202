"""Fully connected stacks: the numbers of a loop, first and second derivatives, gradients laid out like parameters."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from gantlet.networks.dcgan import DCGAN28
from gantlet.networks.mlp import MLP, BranchMixture, FullyConnected, StackelbergMixture
from gantlet.training.dense import dense_stack
from gantlet.training.stack import Stack

N, B = 4, 7


def network(bias: bool = True) -> nn.Module:
    inner = nn.Sequential(nn.Linear(6, 5, bias=bias), nn.Tanh())
    return nn.Sequential(
        nn.Flatten(), inner, nn.Linear(5, 4, bias=bias), nn.Softplus(), nn.Unflatten(-1, (2, 2))
    ).double()


def stacked(module: nn.Module) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {name: (N, *p.shape) for name, p in module.named_parameters()}
    return {n: torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for n, s in shapes.items()}


def inputs(*shape: int) -> Tensor:
    drawn = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return drawn.requires_grad_()


@pytest.mark.parametrize("bias", [True, False])
def test_values_and_both_derivatives_are_those_of_a_loop(bias: bool) -> None:
    module, x = network(bias), inputs(N, B, 2, 3)
    chain = dense_stack(module)
    assert chain is not None
    ours, theirs = stacked(module), stacked(module)
    made = chain(ours, x)
    looped = torch.stack([functional_call(module, {n: p[i] for n, p in theirs.items()}, (x[i],)) for i in range(N)])
    torch.testing.assert_close(made, looped, rtol=1e-12, atol=1e-12)
    for out, held in ((made, ours), (looped, theirs)):
        (slope,) = torch.autograd.grad(out.square().sum(), x, create_graph=True)
        (slope.square().sum() + out.sum()).backward(inputs=list(held.values()))
    for name, held in ours.items():
        torch.testing.assert_close(held.grad, theirs[name].grad, rtol=1e-11, atol=1e-11)


def test_gradients_have_the_layout_of_their_parameters() -> None:
    module = network()
    chain, held = dense_stack(module), stacked(module)
    assert chain is not None
    strides: dict[str, tuple[int, ...]] = {}
    for name, parameter in held.items():
        parameter.register_hook(lambda g, name=name: strides.__setitem__(name, g.stride()))
    chain(held, inputs(N, B, 2, 3)).square().sum().backward()
    assert strides == {name: parameter.stride() for name, parameter in held.items()}


def test_finite_differences_of_both_orders() -> None:
    module = network()
    chain, held = dense_stack(module), stacked(module)
    assert chain is not None
    arguments = (inputs(N, 2, 2, 3), *held.values())

    def run(x: Tensor, *values: Tensor) -> Tensor:
        return chain(dict(zip(held, values, strict=True)), x)

    assert torch.autograd.gradcheck(run, arguments, fast_mode=True)
    assert torch.autograd.gradgradcheck(run, arguments, fast_mode=True)


@pytest.mark.parametrize("layer", [nn.ReLU(), nn.LeakyReLU(0.2), nn.LeakyReLU(0.0), nn.LeakyReLU(-0.1)])
def test_rectifiers_that_overwrite_have_the_bits_and_derivatives_of_their_modules(layer: nn.Module) -> None:
    module = nn.Sequential(nn.Linear(3, 8), layer, nn.Linear(8, 2)).double()
    chain, held, x = dense_stack(module), stacked(module), inputs(N, B, 3)
    assert chain is not None
    hidden = torch.baddbmm(held["0.bias"].unsqueeze(2), held["0.weight"], x.mT.contiguous())
    expected = torch.baddbmm(held["2.bias"].unsqueeze(2), held["2.weight"], layer(hidden)).mT
    made = chain(held, x)
    assert torch.equal(made, expected)
    wanted = [x, *held.values()]
    pairs = zip(
        torch.autograd.grad(made.square().sum(), wanted),
        torch.autograd.grad(expected.square().sum(), wanted),
        strict=True,
    )
    assert all(torch.equal(mine, theirs) for mine, theirs in pairs)
    small = nn.Sequential(nn.Linear(2, 3), layer, nn.Linear(3, 1)).double()
    chain, held = dense_stack(small), stacked(small)
    assert chain is not None
    wanted = [inputs(N, 2, 2), *held.values()]
    assert torch.autograd.gradgradcheck(
        lambda x, *values: chain(dict(zip(held, values, strict=True)), x), wanted, fast_mode=True
    )


def test_the_families_that_qualify() -> None:
    points, images = (2,), (1, 28, 28)
    for family, shape in ((MLP(), points), (StackelbergMixture(), points), (FullyConnected(), images)):
        assert dense_stack(family.generator(latent=3, shape=shape)) is not None
        assert dense_stack(family.discriminator(shape=shape)) is not None
    assert dense_stack(BranchMixture().generator(latent=2, shape=points)) is None
    assert dense_stack(DCGAN28().discriminator(shape=images)) is None


class Clever(nn.Sequential):
    """A subclass may do anything in its forward."""


class OwnLinear(nn.Linear):
    """So may a layer's."""


@pytest.mark.parametrize(
    "module",
    [
        Clever(nn.Linear(2, 2)),
        nn.Sequential(OwnLinear(2, 2)),
        nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)),
        nn.Sequential(nn.Linear(2, 2), nn.Dropout()),
        nn.Sequential(nn.Linear(2, 2), nn.Softmax(-1)),
        nn.Sequential(nn.Linear(2, 2), nn.Flatten(0)),
        nn.Sequential(nn.Tanh()),
    ],
)
def test_whatever_else_runs_under_vmap(module: nn.Module) -> None:
    assert dense_stack(module) is None


def test_a_stack_of_either_kind_gives_the_same_numbers() -> None:
    class Plain(nn.Sequential):
        """Not an exact Sequential, hence under vmap."""

    torch.manual_seed(0)
    layers = [[nn.Linear(3, 5), nn.LeakyReLU(0.2), nn.Linear(5, 2)] for _ in range(N)]
    x = torch.randn(N, B, 3, dtype=torch.float64)
    outs = [
        Stack([kind(*own) for own in layers], form="stacked", seeds=range(N), device=x.device, dtype=x.dtype)(x)["out"]
        for kind in (nn.Sequential, Plain)
    ]
    torch.testing.assert_close(outs[0], outs[1], rtol=1e-13, atol=1e-13)


def test_one_network_alone_is_its_module_bit_for_bit() -> None:
    module, x = network(), inputs(1, B, 2, 3)
    chain, held = (
        dense_stack(module),
        {name: p.detach()[None].requires_grad_() for name, p in module.named_parameters()},
    )
    assert chain is not None
    assert torch.equal(chain.alone(held, x)[0], module(x[0]))
    chain.alone(held, x).square().sum().backward()
    module(x[0].detach()).square().sum().backward()
    for name, parameter in module.named_parameters():
        assert torch.equal(held[name].grad[0], parameter.grad)


def test_a_layer_that_comes_twice_acts_twice() -> None:
    torch.manual_seed(0)
    act = nn.ReLU()
    module = nn.Sequential(nn.Linear(3, 8), act, nn.Linear(8, 8), act, nn.Linear(8, 2)).double()
    chain, x = dense_stack(module), inputs(1, B, 3)
    assert chain is not None
    held = {name: p.detach()[None] for name, p in module.named_parameters()}
    torch.testing.assert_close(chain(held, x)[0], module(x[0]), rtol=1e-12, atol=1e-12)
    assert torch.equal(chain.alone(held, x)[0], module(x[0]))


def test_hooks_and_tied_weights_run_under_vmap() -> None:
    tied = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    tied[2].weight = tied[0].weight
    hooked = nn.Sequential(nn.Linear(3, 3))
    hooked[0].register_forward_hook(lambda module, args, out: 2 * out)
    assert dense_stack(tied) is None
    assert dense_stack(hooked) is None
