"""Convolutions in turn: the numbers of the modules, first and second derivatives, members that do not see each other."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from contracts.network_cases import FAMILIES_OF_NETWORKS, NetworkCase
from gantlet.networks.dcgan import DCGAN28
from gantlet.networks.same_padding import Trim
from gantlet.objectives.base import DiscriminatorOutput
from gantlet.training import convolutional
from gantlet.training import stack as stacks
from gantlet.training.convolutional import _Conv2d, _ConvTranspose2d, in_turn
from gantlet.training.stack import Form, Stack
from thinning import covering

N, B = 3, 4


def discriminator() -> nn.Module:
    """Both kinds of convolution, both normalisations, an image in three colours."""
    return nn.Sequential(
        nn.Conv2d(3, 5, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(5, 6, (3, 2), stride=(1, 2), padding=(1, 0), bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Sequential(nn.ZeroPad2d((0, 1, 1, 0)), nn.Conv2d(6, 6, 3, groups=2), nn.GroupNorm(2, 6), nn.LeakyReLU(0.1)),
        nn.Conv2d(6, 4, 1, padding="same"),
        nn.Softplus(),
        nn.Flatten(),
        nn.Linear(4 * 3 * 1, 2),
    )


def maker() -> nn.Module:
    """A transposed convolution of each kind; 3 → 6 → 12 pixels and one more, which is cut off."""
    return nn.Sequential(
        nn.Linear(6, 7 * 9, bias=False),
        nn.Unflatten(-1, (7, 3, 3)),
        nn.BatchNorm2d(7),
        nn.ReLU(),
        nn.ConvTranspose2d(7, 5, 4, stride=2, padding=1),
        nn.LeakyReLU(0.3),
        nn.ConvTranspose2d(5, 2, 5, stride=2, padding=2, output_padding=1),
        nn.Tanh(),
        nn.ConvTranspose2d(2, 1, 2, bias=False),
        Trim(1),
    )


MAKERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "discriminator": (discriminator, (3, 8, 8)),
    "maker": (maker, (6,)),
}
both = pytest.mark.parametrize("name", MAKERS)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks in turn, however small; ``vmap`` is out of reach."""
    monkeypatch.setattr(convolutional, "_ENOUGH", 0)
    monkeypatch.delattr(stacks, "vmap")


def pair(name: str, dtype: torch.dtype = torch.float64) -> tuple[Stack, Stack, Tensor]:
    """The same networks on both routes, and a batch."""
    make, shape = MAKERS[name]
    torch.manual_seed(0)
    members = [make() for _ in range(N)]
    return together(members, "stacked", dtype), together(members, "loop", dtype), batch(N, B, *shape).to(dtype)


def together(members: list[nn.Module], form: Form, dtype: torch.dtype = torch.float64) -> Stack:
    return Stack(members, form=form, seeds=range(len(members)), device=torch.device("cpu"), dtype=dtype)


def batch(*shape: int, seed: int = 9) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def near(mine: Tensor | None, theirs: Tensor | None, tolerance: float = 1e-10) -> None:
    torch.testing.assert_close(mine, theirs, rtol=tolerance, atol=tolerance)


# The numbers


@both
@pytest.mark.usefixtures("always")
def test_values_statistics_and_both_derivatives_are_those_of_the_modules(name: str) -> None:
    *routes, x = pair(name)
    found: list[tuple[Tensor, ...]] = []
    for stack in routes:
        inputs = x.clone().requires_grad_()
        out = stack(inputs, advance=True)["out"]
        (slope,) = torch.autograd.grad(out.square().sum(), inputs, create_graph=True)
        (slope.square().sum() + out.sin().sum()).backward()
        stack.commit()
        found.append((out.detach(), slope.detach(), inputs.grad, *(p.grad for p in stack.parameters.values())))
        found[-1] += tuple(stack.buffers.values())
    for mine, theirs in zip(*found, strict=True):
        near(mine, theirs)
    assert any(buffer.any() for buffer in routes[0].buffers.values())


@both
@pytest.mark.usefixtures("always")
def test_in_single_precision_too(name: str) -> None:
    mine, theirs, x = pair(name, torch.float32)
    for stack in (mine, theirs):
        stack(x)["out"].square().mean().backward()
    near(mine(x)["out"], theirs(x)["out"], 1e-5)
    for key, parameter in mine.parameters.items():
        near(parameter.grad, theirs.parameters[key].grad, 1e-5)


@both
@pytest.mark.usefixtures("always")
def test_batches_are_scored_separately(name: str) -> None:
    mine, theirs, _ = pair(name)
    x = batch(N, 2, B, *MAKERS[name][1])
    near(mine.batches(x, advance=True)["out"], theirs.batches(x, advance=True)["out"])
    assert not any(buffer.equal(moved) for buffer, moved in _moved(mine))
    for stack in (mine, theirs):
        stack.commit()
    for key, buffer in mine.buffers.items():
        near(buffer, theirs.buffers[key])


def _moved(stack: Stack) -> list[tuple[Tensor, Tensor]]:
    assert stack._pending is not None
    return [(stack.buffers[key], moved) for key, moved in stack._pending.items()]


@both
@pytest.mark.usefixtures("always")
def test_evaluation_mode_uses_running_statistics(name: str) -> None:
    mine, theirs, x = pair(name)
    for stack in (mine, theirs):
        stack(x, advance=True)
        stack.commit()
    before = {key: buffer.clone() for key, buffer in mine.buffers.items()}
    out = mine(2 * x, train=False)["out"]
    near(out, theirs(2 * x, train=False)["out"])
    assert not out.allclose(mine(2 * x)["out"])
    own = {key: parameter.detach()[1:2] for key, parameter in mine.parameters.items()}
    near(mine.evaluate(1, own, 2 * x[1]), out[1].detach())
    assert all(buffer.equal(before[key]) for key, buffer in mine.buffers.items())


@pytest.mark.usefixtures("always")
def test_detached_parameters_take_no_gradient_and_let_it_through() -> None:
    mine, theirs, x = pair("discriminator")
    slopes: list[Tensor] = []
    for stack in (mine, theirs):
        inputs = x.clone().requires_grad_()
        doubled = {key: 2 * parameter.detach() for key, parameter in stack.parameters.items()}
        stack(inputs, parameters=doubled)["out"].square().sum().backward()
        assert inputs.grad is not None
        slopes.append(inputs.grad)
        assert all(parameter.grad is None for parameter in stack.parameters.values())
    near(*slopes)


@both
@pytest.mark.usefixtures("always")
def test_gradients_have_the_layout_of_their_parameters(name: str) -> None:
    # Fused Adam reads a gradient as if it lay like its parameter.
    stack, _, x = pair(name)
    stack(x)["out"].square().sum().backward()
    for parameter in stack.parameters.values():
        assert parameter.grad is not None
        assert parameter.grad.stride() == parameter.stride()


@pytest.mark.parametrize(
    "case", covering([case for case in FAMILIES_OF_NETWORKS if case.shapes], lambda case: case.name), ids=str
)
def test_families_compute_the_same_in_turn(case: NetworkCase) -> None:
    shape = case.shapes[0]
    for place in range(2):
        torch.manual_seed(place)
        made = case.family.discriminator(shape=shape) if place else case.family.generator(latent=3, shape=shape)
        found = in_turn(made.double())
        if found is None:
            assert place or not any(isinstance(part, nn.ConvTranspose2d) for part in made.modules())
            continue
        x = batch(2, *(shape if place else (3,)))
        slopes: list[tuple[Tensor, ...]] = []
        for network in (found.network, made):
            inputs = x.clone().requires_grad_()
            out = network(inputs)
            out = out.score if isinstance(out, DiscriminatorOutput) else out
            slopes.append((out, *torch.autograd.grad(out.sin().sum(), [inputs, *_used(network, out)])))
        for mine, theirs in zip(*slopes, strict=True):
            near(mine, theirs, 1e-9)


def _used(network: nn.Module, out: Tensor) -> list[Tensor]:
    parameters = list(network.parameters())
    seen = torch.autograd.grad(out.sum(), parameters, retain_graph=True, allow_unused=True)
    return [parameter for parameter, slope in zip(parameters, seen, strict=True) if slope is not None]


# A layer


def test_a_thin_convolution_by_hand() -> None:
    layer = nn.Conv2d(1, 1, 2, stride=2).double()
    functional_weights = {"weight": torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]).double(), "bias": torch.ones(1).double()}
    found = in_turn(layer)
    assert found is not None
    image = torch.arange(8.0).double().reshape(1, 1, 2, 4)
    made = functional_call(found.network, functional_weights, (image,))
    assert made.tolist() == [[[[1 + 0 + 2 + 12 + 20, 1 + 2 + 6 + 18 + 28]]]]


# Members


@pytest.mark.usefixtures("always")
def test_nan_in_one_network_stays_there() -> None:
    stack, _, x = pair("discriminator")
    other = {key: parameter.detach().clone() for key, parameter in stack.parameters.items()}
    for parameter in other.values():
        parameter[1] = torch.nan
        parameter.requires_grad_()
    sick, well = stack(x, parameters=other)["out"], stack(x)["out"]
    assert sick[1].isnan().all()
    assert sick[0].equal(well[0])
    assert sick[2].equal(well[2])
    for out in (sick, well):
        out.sin().sum().backward()
    for key, parameter in stack.parameters.items():
        assert parameter.grad is not None
        assert other[key].grad[::2].equal(parameter.grad[::2])  # pyright: ignore[reportOptionalSubscript]


@both
@pytest.mark.usefixtures("always")
def test_numbers_depend_neither_on_slot_nor_on_neighbours(name: str) -> None:
    make, shape = MAKERS[name]
    torch.manual_seed(0)
    members, x = [make() for _ in range(N)], batch(N, B, *shape)
    straight, turned = together(members, "stacked"), together(members[::-1], "stacked")
    single = together(members[:1], "stacked")
    outs = [straight(x)["out"], turned(x.flip(0))["out"].flip(0)]
    assert outs[0].equal(outs[1])
    assert single(x[:1])["out"].equal(outs[0][:1])
    for out in outs:
        out.square().sum().backward()
    for key, parameter in straight.parameters.items():
        assert parameter.grad is not None
        assert parameter.grad.equal(turned.parameters[key].grad.flip(0))  # pyright: ignore[reportOptionalMemberAccess]


@pytest.mark.usefixtures("always")
def test_inputs_are_not_overwritten() -> None:
    members: list[nn.Module] = [nn.Sequential(nn.ReLU(), nn.Conv2d(5, 5, 1), nn.ReLU(), nn.ReLU()) for _ in range(2)]
    x = batch(2, B, 5, 3, 3)
    held = x.clone()
    together(members, "stacked")(x)
    assert x.equal(held)


# When


def test_large_kernels_with_large_batches_run_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    members = [DCGAN28(width=8).discriminator(shape=(1, 28, 28)) for _ in range(2)]  # 8·16·4·4 numbers in a kernel
    stack = together(members, "stacked", torch.float32)
    calls: list[int] = []
    original = stacks.vmap
    monkeypatch.setattr(stacks, "vmap", lambda *a, **k: calls.append(1) or original(*a, **k))
    stack(torch.zeros(2, 128, 1, 28, 28))
    stack.batches(torch.zeros(2, 1, 128, 1, 28, 28))
    assert len(calls) == 3, "once for a batch, and once within another for several; 2048·128 is not above the bound"
    calls.clear()
    stack(torch.zeros(2, 129, 1, 28, 28))
    stack.batches(torch.zeros(2, 1, 129, 1, 28, 28))
    assert not calls


def test_the_route_loop_runs_the_modules_bit_for_bit() -> None:
    torch.manual_seed(0)
    member = DCGAN28(width=16).generator(latent=8, shape=(1, 28, 28))
    z = torch.randn(1, 64, 8)
    assert together([copy.deepcopy(member)], "loop", torch.float32)(z)["out"][0].equal(member(z[0]))


class Clever(nn.Sequential):
    """A subclass may do anything in its forward."""


def hooked() -> nn.Module:
    module = nn.Sequential(nn.Conv2d(2, 2, 1))
    module[0].register_forward_hook(lambda module, args, out: 2 * out)
    return module


def shared() -> nn.Module:
    layer = nn.ReLU()
    return nn.Sequential(nn.Conv2d(2, 2, 1), layer, nn.Conv2d(2, 2, 1), layer)


def tied() -> nn.Module:
    module = nn.Sequential(nn.Conv2d(2, 2, 1), nn.Tanh(), nn.Conv2d(2, 2, 1))
    module[2].weight = module[0].weight
    return module


@pytest.mark.parametrize(
    "module",
    [
        Clever(nn.Conv2d(2, 2, 1)),
        hooked(),
        shared(),
        tied(),
        nn.Sequential(nn.Conv2d(2, 2, 1), nn.Softmax(1)),
        nn.Sequential(nn.Conv1d(2, 2, 1)),
        nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)),
        nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Conv2d(2, 2, 1))),
    ],
    ids=[
        "subclass",
        "hook",
        "shared layer",
        "tied weights",
        "softmax",
        "one axis",
        "no convolution",
        "parametrisation",
    ],
)
def test_whatever_else_runs_under_vmap(module: nn.Module) -> None:
    assert in_turn(module) is None


def test_names_and_the_module_itself_stay() -> None:
    module = maker()
    before = str(module)
    found = in_turn(module)
    assert found is not None
    assert list(found.network.state_dict()) == list(module.state_dict())
    assert str(module) == before
    assert found.kernel == 7 * 5 * 16
    kinds = [type(part) for part in found.network.modules()]
    assert kinds.count(_ConvTranspose2d) == 3
    assert _Conv2d not in kinds


@pytest.mark.parametrize("width", [6, 40])
def test_gradients_lie_as_images_do(width: int) -> None:
    """Also after a linear layer: with fewer outputs than samples its weight is ordered, else its input."""
    module = nn.Sequential(nn.Conv2d(6, 6, 3), nn.Softplus(), nn.Flatten(), nn.Linear(6 * 9, width)).double()
    found, x = in_turn(module), batch(8, 6, 5, 5).requires_grad_()
    assert found is not None
    lying: list[bool] = []
    last = dict(found.network.named_children())["1"]
    last.register_full_backward_hook(
        lambda module, slopes, outs: lying.append(outs[0].is_contiguous(memory_format=torch.channels_last))
    )
    out = found.network(x)
    near(out, module(x))
    out.square().sum().backward()
    assert lying == [True]
