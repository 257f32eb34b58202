"""Spectral normalisation: the largest singular value is 1, also stacked, and gradients are those of equation 12.

Legend: ``N`` networks in a stack, ``J`` batches scored separately, ``B`` batch.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gantlet.errors import Refused
from gantlet.networks.inspection import has_batch_statistics
from gantlet.networks.layers import Score
from gantlet.networks.spectral import (
    SpectralConv2d,
    SpectralConvTranspose2d,
    SpectralLinear,
    _by_squaring,  # pyright: ignore[reportPrivateUsage]
    singular_vectors,
    spectrally_normalised,
)
from gantlet.objectives.base import DiscriminatorOutput
from gantlet.penalties.gradient import GradientPenalty
from gantlet.training.stack import Stack, refuses_vmap

LAYERS = {
    "linear": lambda: nn.Linear(60, 80),
    "wide": lambda: nn.Linear(2, 400),
    "one output": lambda: nn.Linear(64, 1),
    "conv": lambda: nn.Conv2d(3, 64, 4, stride=2, padding=1),
    "deep conv": lambda: nn.Conv2d(32, 64, 3),
    "transposed conv": lambda: nn.ConvTranspose2d(16, 48, 4, stride=2, padding=1),
}
GEOMETRIES = {
    "conv": lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2),
    "same": lambda: nn.Conv2d(4, 6, 3, padding="same", padding_mode="circular", bias=False),
    "transposed": lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, dilation=2, groups=2),
}


def matrix(weight: Tensor, *, transposed: bool = False) -> Tensor:
    return (weight.transpose(0, 1) if transposed else weight).flatten(1)


def norm(layer: Any) -> float:
    weight = matrix(layer.normalised().detach(), transposed=isinstance(layer, nn.ConvTranspose2d))
    return float(torch.linalg.svdvals(weight)[0])


def discriminator(seed: int = 0) -> nn.Module:
    """A small discriminator of 1×6×6 images, float64."""
    torch.manual_seed(seed)
    layers = [nn.Conv2d(1, 3, 4, stride=2, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(27, 4), nn.Tanh()]
    return spectrally_normalised(nn.Sequential(*layers, nn.Linear(4, 1), Score())).double()


def images(*leading: int, seed: int = 0) -> Tensor:
    return torch.randn((*leading, 1, 6, 6), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def stack_of(modules: list[nn.Module], route: Any = "stacked") -> Stack:
    seeds = tuple(range(len(modules)))
    return Stack(modules, form=route, seeds=seeds, device=torch.device("cpu"), dtype=torch.float64)


# The singular value


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("seed", [0, 1])
def test_training_starts_at_a_norm_of_one(kind: str, seed: int) -> None:
    torch.manual_seed(seed)
    layer = spectrally_normalised(LAYERS[kind]()).eval()
    assert norm(layer) == pytest.approx(1, abs=0.01)


def test_the_vectors_of_a_known_matrix() -> None:
    """W = 5 u vᵀ + 2 p qᵀ with orthogonal pairs: the larger pair is found, up to a common sign."""
    u, p = torch.tensor([0.6, 0.8, 0.0]), torch.tensor([-0.8, 0.6, 0.0])
    v, q = torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0])
    torch.manual_seed(0)
    left, right = singular_vectors(5 * torch.outer(u, v) + 2 * torch.outer(p, q))
    assert torch.allclose(left * right[1].sign(), u, atol=1e-5)
    assert torch.allclose(right * right[1].sign(), v, atol=1e-5)


def test_the_vectors_follow_a_weight_that_moves() -> None:
    """After quite another weight is put in, the norm comes back to 1 within a few forward passes."""
    torch.manual_seed(0)
    layer = spectrally_normalised(nn.Linear(300, 200)).double()
    assert isinstance(layer, SpectralLinear)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(200, 300))
        distances = []
        for _ in range(40):
            layer(torch.zeros(1, 300, dtype=torch.float64))
            distances.append(abs(norm(layer.eval()) - 1))
            layer.train()
    assert distances[0] > 1e-2
    assert distances[8] < 1e-3
    assert distances[-1] < 1e-9


@pytest.mark.parametrize("shape", [(6, 2), (12, 3), (20, 20)])
def test_vectors_that_were_rounded_to_float32_do_no_harm(shape: tuple[int, int]) -> None:
    """A basis that holds one direction twice would make a Ritz vector of rounding errors."""
    for seed in range(10):
        torch.manual_seed(seed)
        layer = spectrally_normalised(nn.Linear(shape[1], shape[0])).double()
        for _ in range(3):
            layer(torch.zeros(1, shape[1], dtype=torch.float64))
        assert norm(layer.eval()) == pytest.approx(1, abs=1e-3 if shape == (20, 20) else 1e-12)


def test_a_small_weight_is_exact_at_once() -> None:
    """Five rows are less than the Krylov space may have."""
    torch.manual_seed(0)
    layer = spectrally_normalised(nn.Linear(6, 5)).double()
    assert isinstance(layer, SpectralLinear)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(5, 6))
        layer(torch.zeros(1, 6, dtype=torch.float64))
    assert norm(layer.eval()) == pytest.approx(1, abs=1e-12)


def test_a_relu_network_is_lipschitz() -> None:
    torch.manual_seed(0)
    network = spectrally_normalised(
        nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
    )
    x, y = torch.randn(2, 256, 3)
    ratios = (network(x) - network(y)).norm(dim=-1) / (x - y).norm(dim=-1)
    assert ratios.max() <= 1.03  # three layers, each within 1 %


@pytest.mark.parametrize("mode", [True, False])
def test_a_weight_of_zeros_gives_zeros(mode: bool) -> None:
    layer = nn.Linear(3, 2, bias=False)
    nn.init.zeros_(layer.weight)
    made = spectrally_normalised(layer).train(mode)
    value = made(torch.ones(1, 3))
    assert torch.equal(value, torch.zeros(1, 2))
    value.sum().backward()
    assert layer.weight.grad is not None
    assert torch.equal(layer.weight.grad, torch.ones(2, 3))  # as without the normalisation: σ counts as 1


# The layers


@pytest.mark.parametrize("kind", LAYERS)
def test_parameters_and_names_stay(kind: str) -> None:
    layer = LAYERS[kind]()
    weight, names = layer.weight, list(dict(layer.named_parameters()))
    made = spectrally_normalised(layer)
    assert made.weight is weight
    assert list(dict(made.named_parameters())) == names
    assert set(made.state_dict()) == {*names, "u", "v"}


@pytest.mark.parametrize("kind", GEOMETRIES)
def test_a_convolution_keeps_its_geometry(kind: str) -> None:
    """The very same convolution with W / σ in place of W."""
    torch.manual_seed(0)
    layer = GEOMETRIES[kind]().double()
    x = torch.randn(2, 4, 6, 6, dtype=torch.float64)
    made = spectrally_normalised(layer).eval()
    sigma = torch.linalg.svdvals(matrix(layer.weight, transposed=isinstance(layer, nn.ConvTranspose2d)))[0]
    bias = torch.zeros(6, 1, 1) if layer.bias is None else layer.bias[:, None, None]
    assert type(made) in (SpectralConv2d, SpectralConvTranspose2d)
    assert torch.allclose(made(x), (layer(x) - bias) / sigma + bias, rtol=1e-8, atol=1e-10)


def test_an_output_size_may_be_asked_for() -> None:
    layer: Any = spectrally_normalised(nn.ConvTranspose2d(1, 1, 3, stride=2))
    assert layer(torch.zeros(1, 1, 4, 4)).shape[-1] == 9
    assert layer(torch.zeros(1, 1, 4, 4), output_size=[10, 10]).shape[-1] == 10


class Named(nn.Sequential):
    """A container with a class of its own and a layer that is no plain Linear."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(2, 3), nn.Sequential(nn.LayerNorm(3), nn.Linear(3, 3)))
        self.head = nn.Bilinear(1, 1, 1)


def test_containers_stay_what_they_are() -> None:
    network = Named()
    before = dict(network.state_dict())
    made = spectrally_normalised(network)
    assert made is network
    assert type(made) is Named
    after = made.state_dict()
    assert [name for name in after if name.rsplit(".")[-1] not in "uv"] == list(before)
    assert all(torch.equal(after[name], value) for name, value in before.items())
    kinds = [type(part).__name__ for part in made.modules()]
    assert kinds == ["Named", "SpectralLinear", "Sequential", "LayerNorm", "SpectralLinear", "Bilinear"]


def test_normalising_twice_is_normalising_once() -> None:
    network = discriminator()
    layers, state = list(network.modules()), {name: part.clone() for name, part in network.state_dict().items()}
    again = spectrally_normalised(network)
    assert list(again.modules()) == layers
    assert all(torch.equal(state[name], part) for name, part in again.state_dict().items())


def test_a_layer_in_two_places_stays_one() -> None:
    layer = nn.Linear(2, 2)
    network = spectrally_normalised(nn.Sequential(layer, nn.Sequential(nn.ReLU(), layer)))
    assert isinstance(network, nn.Sequential)
    assert network[0] is network[1][1]  # pyright: ignore[reportIndexIssue]
    assert isinstance(network[0], SpectralLinear)


def test_the_global_seed_decides_the_vectors() -> None:
    first, again, other = (discriminator(seed).state_dict()["3.u"] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("module", [nn.ReLU(), nn.Sequential(nn.LayerNorm(3), nn.ReLU())])
def test_nothing_to_normalise_is_refused(module: nn.Module) -> None:
    with pytest.raises(Refused, match=f"found no Linear, Conv2d or ConvTranspose2d layer in {type(module).__name__}"):
        spectrally_normalised(module)


# When the vectors move


def test_the_vectors_move_in_train_mode_only() -> None:
    network, x = discriminator(), images(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    one, two = network.eval()(x), network(x)
    assert torch.equal(one, two)
    assert all(torch.equal(before[name], buffer) for name, buffer in network.named_buffers())
    network.train()(x)
    moved = [name for name, buffer in network.named_buffers() if not torch.equal(before[name], buffer)]
    assert {"0.u", "0.v", "3.u", "3.v", "5.v"} <= set(moved)  # the u of one output is ±1


def test_a_stack_moves_them_only_where_it_commits() -> None:
    """The generator's update and penalties discriminator without advancing."""
    stack = stack_of([discriminator(0), discriminator(1)])
    with torch.no_grad():
        for parameter in stack.parameters.values():
            parameter.add_(0.3 * torch.randn_like(parameter))
    before = {name: buffer.clone() for name, buffer in stack.buffers.items()}
    stack(images(2, 3), parameters={name: part.detach() for name, part in stack.parameters.items()})
    stack.commit()
    assert all(torch.equal(stack.buffers[name], part) for name, part in before.items())
    stack(images(2, 3), advance=True)
    stack.commit(torch.tensor([True, False]))
    assert not torch.equal(stack.buffers["3.u"][0], before["3.u"][0])
    assert torch.equal(stack.buffers["3.u"][1], before["3.u"][1])


# Stacks


@pytest.mark.parametrize("route", ["stacked", "loop"])
def test_a_stack_equals_its_networks(route: str) -> None:
    """Three steps of descent on a loss with a gradient penalty, in train mode: scores, weights and vectors of each alone."""
    modules = [discriminator(seed) for seed in range(3)]
    stack, penalty = stack_of(modules, route), GradientPenalty()
    for step in range(3):
        x = images(3, 1, 4, seed=step)
        noise = {"mix": torch.full((3, 1, 4), 0.5, dtype=torch.float64)}
        together = stack(x[:, 0], advance=True)["out"]

        def judged(x: Tensor) -> DiscriminatorOutput:
            return DiscriminatorOutput(stack(x[:, 0])["out"].unsqueeze(1))

        cost = penalty(judged, real=x, fake=2 * x, noise=noise)
        (together.square().mean() + cost.sum()).backward()
        stack.commit()
        for n, module in enumerate(modules):
            alone = module(x[n, 0])
            held = {name: part.clone() for name, part in module.named_buffers()}

            def own(x: Tensor, module: nn.Module = module) -> DiscriminatorOutput:
                return DiscriminatorOutput(module(x[0, 0])[None, None])

            own_cost = penalty(own, real=x[n : n + 1], fake=2 * x[n : n + 1], noise={"mix": noise["mix"][:1]})
            (alone.square().sum() / 12 + own_cost.sum()).backward()
            module.load_state_dict(module.state_dict() | held)  # a penalty moves nothing
            assert torch.allclose(together[n], alone, rtol=1e-12, atol=1e-12)
            assert torch.allclose(cost[n], own_cost[0], rtol=1e-12, atol=1e-12)
            for name, buffer in module.named_buffers():
                assert torch.allclose(stack.buffers[name][n], buffer, rtol=1e-12, atol=1e-12), name
        _descend([*stack.parameters.values(), *(part for module in modules for part in module.parameters())])
    for n, module in enumerate(modules):
        for name, parameter in module.named_parameters():
            assert torch.allclose(stack.parameters[name][n], parameter, rtol=1e-11, atol=1e-12), name


def _descend(parameters: list[Any]) -> None:
    with torch.no_grad():
        for parameter in parameters:
            parameter.sub_(0.05 * parameter.grad)
            parameter.grad = None


@pytest.mark.parametrize("route", ["stacked", "loop"])
def test_batches_that_are_judged_apart_see_one_weight(route: str) -> None:
    """J = 2 batches are one iteration each from the same vectors, and the committed ones are those of a single call."""
    stack, other = (stack_of([discriminator(0), discriminator(1)], route) for _ in range(2))
    x = images(2, 2, 3)
    apart = stack.batches(x, advance=True)["out"]
    for j in range(2):
        assert torch.allclose(apart[:, j], other(x[:, j])["out"], rtol=1e-12)
    other(x[:, 0], advance=True)
    stack.commit()
    other.commit()
    for name, buffer in stack.buffers.items():
        assert torch.allclose(buffer, other.buffers[name], rtol=1e-12, atol=1e-15), name
        assert torch.allclose(buffer.norm(dim=-1), torch.ones(2, dtype=torch.float64))


def test_a_stack_takes_it_and_samples_do_not_meet() -> None:
    assert refuses_vmap(discriminator(), images(2)) is None
    assert not has_batch_statistics(discriminator().float(), (1, 6, 6))


# Gradients


def exact(layer: SpectralLinear) -> None:
    """Put the exact singular vectors in and hold them."""
    left, _, right = torch.linalg.svd(layer.weight.detach())
    layer.u.copy_(left[:, 0])
    layer.v.copy_(right[0])
    layer.eval()


def test_the_gradient_is_that_of_equation_12() -> None:
    """∂(W/σ)/∂W_ij = (E_ij - W̄ u_i v_j)/σ, and with exact vectors it is the true slope of W/σ(W)."""
    torch.manual_seed(0)
    layer = spectrally_normalised(nn.Linear(3, 4)).double()
    assert isinstance(layer, SpectralLinear)
    exact(layer)
    weights = torch.randn(4, 3, dtype=torch.float64)
    (found,) = torch.autograd.grad((weights * layer.normalised()).sum(), layer.weight)
    w, sigma = layer.weight.detach(), torch.linalg.svdvals(layer.weight.detach())[0]
    direction = torch.outer(layer.u, layer.v)
    assert torch.allclose(found, (weights - (weights * w / sigma).sum() * direction) / sigma, rtol=1e-10)
    h = 1e-6
    for i in range(4):
        for j in range(3):
            step = torch.zeros_like(w)
            step[i, j] = h
            ends = [(weights * at / torch.linalg.svdvals(at)[0]).sum() for at in (w + step, w - step)]
            assert found[i, j].item() == pytest.approx(float(ends[0] - ends[1]) / (2 * h), rel=1e-6, abs=1e-8)


def test_train_mode_treats_the_vectors_as_constants() -> None:
    """The gradient in train mode is that of evaluation mode with the vectors after the iteration."""
    torch.manual_seed(0)
    layer = spectrally_normalised(nn.Linear(3, 4)).double()
    assert isinstance(layer, SpectralLinear)
    with torch.no_grad():
        layer.weight += torch.randn_like(layer.weight)
    weights = torch.randn(4, 3, dtype=torch.float64)
    moving, held = (
        torch.autograd.grad((weights * layer.train(mode).normalised()).sum(), layer.weight)[0] for mode in (True, False)
    )
    assert torch.allclose(moving, held, rtol=1e-12)


@pytest.mark.parametrize("name", ["0.weight", "3.weight", "3.bias"])
def test_a_gradient_penalty_goes_through(name: str) -> None:
    """Its gradient in the weights, and that gradient's own, against central differences with held vectors."""
    network = discriminator().eval()
    held = dict(network.named_parameters())
    x = images(1, 1, 2)

    def value(parameter: Tensor) -> Tensor:
        parameters = {**held, name: parameter}

        def judged(x: Tensor) -> DiscriminatorOutput:
            return DiscriminatorOutput(torch.func.functional_call(network, parameters, (x[0, 0],))[None, None])

        noise = {"mix": torch.zeros(1, 1, 2, dtype=torch.float64)}
        return GradientPenalty()(judged, real=x, fake=x, noise=noise).sum()

    leaf = held[name].detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(value, leaf, fast_mode=True)
    assert torch.autograd.gradgradcheck(value, leaf, fast_mode=True)


def test_a_layer_may_be_called_again_before_the_gradient_is_taken() -> None:
    """Real, then fake, then one backward pass: in place of the buffers, the vectors of each call are used."""
    network = discriminator()
    loss = network(images(2)).sum() - network(images(2, seed=1)).sum()
    loss.backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("close", [0.5, 1e-3, 1e-6, 0.0])
def test_a_power_of_a_matrix_points_where_its_decomposition_does(close: float) -> None:
    """Where two values are so close that the vectors mix, the quotient is still that of the largest."""
    turn, _ = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64))
    values = torch.tensor([2.0, 2.0 * (1 - close), 0.7, 0.3, 0.1, 1e-3, 0.0, 0.0], dtype=torch.float64)
    matrix = turn @ torch.diag(values) @ turn.mT
    for scale in (1e-8, 1.0, 1e8):
        vector = _by_squaring(scale * matrix)
        vector = vector / vector.norm()
        assert 2.0 - 3e-8 <= float(vector @ matrix @ vector) <= 2.0 + 1e-12
        single = _by_squaring((scale * matrix).float()).double()
        single = single / single.norm()
        assert float(single @ matrix @ single) == pytest.approx(2.0, rel=1e-6)


@pytest.mark.parametrize("noise", [0.0, 1e-4, 0.3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_that_are_almost_equal_do_not_vanish(noise: float, dtype: torch.dtype) -> None:
    """As of an orthogonal layer: its Krylov space holds eight of them."""
    drawn = torch.randn(8, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    matrix = (torch.eye(8, dtype=torch.float64) + noise * drawn @ drawn.mT / 8).to(dtype)
    vector = _by_squaring(matrix).double()
    assert float(vector.norm()) > 0.01
    vector = vector / vector.norm()
    assert float(vector @ matrix.double() @ vector) == pytest.approx(float(torch.linalg.eigvalsh(matrix)[-1]), rel=1e-6)
