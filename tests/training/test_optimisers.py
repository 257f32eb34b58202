"""Optimisers on stacks: torch's numbers, per member, and members that leave."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from gantlet.training.adam import AdamRun, FusedAdam, Run, scheduled_adam
from gantlet.training.optimisers import OptimiserSpec, StackOptimiser

SHAPES = {"weight": (3, 7), "bias": (5,), "wide": (2, 4, 3)}
"""None square: transposed strides would show."""


def stack(members: int, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(members, *shape, generator=generator).requires_grad_() for name, shape in SHAPES.items()}


def loss(parameters: dict[str, Tensor], step: int) -> Tensor:
    return sum(((value - step) ** 2 * (1 + 0.1 * place)).sum() for place, value in enumerate(parameters.values()))  # pyright: ignore[reportReturnType]


def spec(name: str, members: int, **options: object) -> OptimiserSpec:
    lr = tuple(0.01 * (1 + place // 2) for place in range(members))
    return OptimiserSpec(name, lr=lr, beta1=(0.5,) * members, beta2=(0.9,) * members, **options)  # pyright: ignore[reportArgumentType]


def run(parameters: dict[str, Tensor], optimiser: StackOptimiser, steps: int, begin: int = 0) -> None:
    for step in range(begin, begin + steps):
        optimiser.zero_grad()
        loss(parameters, step).backward()
        optimiser.step()


@pytest.mark.parametrize("name", ["adam", "rmsprop", "sgd"])
def test_each_member_moves_as_by_its_own_torch_optimiser(name: str) -> None:
    members, steps = 5, 6
    together = stack(members)
    run(together, StackOptimiser(together, spec(name, members), members=members), steps)
    for member in range(members):
        alone = {key: value.detach()[member].clone().requires_grad_() for key, value in stack(members).items()}
        group = {"params": list(alone.values()), **spec(name, members).group(member)}
        torch_own = {"adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop, "sgd": torch.optim.SGD}[name]
        optimiser = torch_own([group], foreach=False)
        for step in range(steps):
            optimiser.zero_grad()
            loss(alone, step).backward()
            optimiser.step()
        for key, value in alone.items():
            torch.testing.assert_close(together[key][member], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_adam_on_a_cpu_has_the_bits_and_the_state_of_torchs_own(dtype: torch.dtype) -> None:
    ends: list[list[Tensor]] = []
    for make in (FusedAdam, partial(torch.optim.Adam, fused=True)):
        held = [value.detach().to(dtype).requires_grad_() for value in stack(3).values()]
        idle = torch.ones(4, dtype=dtype, requires_grad=True)  # has no gradient until the fourth step
        groups = [{"params": [held[0], idle], "lr": 0.01}, {"params": held[1:], "lr": 0.3}]
        optimiser = make([{**group, "betas": (0.5, 0.9), "eps": 1e-8} for group in groups])
        for step in range(6):
            for value in (*held, idle):
                value.grad = None
            (loss(dict(enumerate(held)), step) + (idle.sum() if step > 2 else 0.0)).backward()  # type: ignore[arg-type]
            optimiser.step()
        states = [optimiser.state[value] for value in (*held, idle)]
        assert [set(state) for state in states] == [{"step", "exp_avg", "exp_avg_sq"}] * 4
        ends.append([*held, idle, *(state[key] for state in states for key in sorted(state))])
    for ours, theirs in zip(*ends, strict=True):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)


def test_fused_equals_for_loop_adam_on_gradients_of_vmapped_linears() -> None:
    # vmap hands out transposed strides; fused Adam on a CPU mis-reads them unless .backward() made the gradient.
    members = 4
    ends: list[dict[str, Tensor]] = []
    for fused in (True, False):
        generator = torch.Generator().manual_seed(1)
        held = {
            "weight": torch.randn(members, 3, 7, generator=generator).requires_grad_(),
            "bias": torch.randn(members, 3, generator=generator).requires_grad_(),
        }
        x = torch.randn(members, 6, 7, generator=generator)
        optimiser = StackOptimiser(held, spec("adam", members, fused=fused), members=members)
        for _ in range(5):
            optimiser.zero_grad()
            made = torch.func.vmap(torch.nn.functional.linear)(x, held["weight"], held["bias"])
            made.square().sum().backward()
            optimiser.step()
        ends.append(held)
    for name in ends[0]:
        torch.testing.assert_close(ends[0][name], ends[1][name], rtol=1e-6, atol=1e-6)


def test_one_group_or_one_per_member_is_bitwise_the_same() -> None:
    members = 4
    equal = OptimiserSpec("adam", lr=(0.01,) * 4, beta1=(0.5,) * 4, beta2=(0.9,) * 4)
    whole, apart = stack(members), stack(members)
    run(whole, StackOptimiser(whole, equal, members=members), 7)
    own = StackOptimiser(apart, equal, members=members)
    own._cut = lambda: [type(own._runs[0])(m, m + 1) for m in range(members)]  # pyright: ignore[reportPrivateUsage]
    own._build({})  # pyright: ignore[reportPrivateUsage]
    run(apart, own, 7)
    assert all(torch.equal(whole[name], apart[name]) for name in whole)


@pytest.mark.parametrize("name", ["adam", "rmsprop", "sgd"])
def test_who_leaves_stays_bit_for_bit_and_the_others_go_on(name: str) -> None:
    members, gone = 5, 2
    held, reference = stack(members), stack(members)
    optimiser = StackOptimiser(held, spec(name, members), members=members)
    undisturbed = StackOptimiser(reference, spec(name, members), members=members)
    run(held, optimiser, 3)
    run(reference, undisturbed, 3)
    before = {key: value.detach()[gone].clone() for key, value in held.items()}
    state = {key: value[gone].clone() for key, value in optimiser.state().items()}
    optimiser.freeze([gone])
    run(held, optimiser, 4, begin=3)
    run(reference, undisturbed, 4, begin=3)
    assert all(torch.equal(held[key][gone], value) for key, value in before.items())
    assert all(torch.equal(optimiser.state()[key][gone], value) for key, value in state.items())
    for member in set(range(members)) - {gone}:
        assert all(torch.equal(held[key][member], reference[key][member]) for key in held)


@pytest.mark.parametrize("name", ["adam", "rmsprop", "sgd"])
def test_state_round_trip_continues_bit_for_bit(name: str) -> None:
    members = 4
    straight, cut = stack(members), stack(members)
    one = StackOptimiser(straight, spec(name, members), members=members)
    run(straight, one, 9)
    first = StackOptimiser(cut, spec(name, members), members=members)
    run(cut, first, 4)
    second = StackOptimiser(cut, spec(name, members), members=members)
    second.load(first.state(), [True] * members)
    run(cut, second, 5, begin=4)
    assert all(torch.equal(straight[key], cut[key]) for key in straight)


def test_everyone_may_leave() -> None:
    held = stack(2)
    optimiser = StackOptimiser(held, spec("adam", 2), members=2)
    before = {key: value.detach().clone() for key, value in held.items()}
    optimiser.freeze([0, 1])
    run(held, optimiser, 2)
    assert all(torch.equal(held[key], value) for key, value in before.items())


def test_a_team_shares_its_members_settings() -> None:
    # Two members with three generators each: the second member's rate is twice the first's.
    held = {"weight": torch.zeros(6, 4).requires_grad_()}
    optimiser = StackOptimiser(held, OptimiserSpec("sgd", lr=(0.1, 0.2), beta1=(0.0,) * 2, beta2=(0.0,) * 2), members=2)
    held["weight"].sum().backward()
    optimiser.step()
    torch.testing.assert_close(held["weight"][:, 0], torch.tensor([-0.1] * 3 + [-0.2] * 3))


@pytest.mark.parametrize("beta2", [0.9, torch.tensor(0.9, dtype=torch.float64)])
def test_adam_with_numbers_on_the_device_is_torch_s_adam(beta2: Any) -> None:
    generator = torch.Generator().manual_seed(3)
    start = [torch.randn(3, 4, generator=generator, dtype=torch.float64) for _ in range(2)]
    theirs = [value.clone().requires_grad_() for value in start]
    ours = [value.clone() for value in start]
    adam = torch.optim.Adam(theirs, lr=0.01, betas=(0.5, 0.9), eps=1e-8)
    moments = [[torch.zeros_like(value) for value in start] for _ in range(2)]
    steps = [torch.zeros((), dtype=torch.float32) for _ in start]
    for _ in range(5):
        gradients = [torch.randn(3, 4, generator=generator, dtype=torch.float64) for _ in start]
        for value, gradient in zip(theirs, gradients, strict=True):
            value.grad = gradient.clone()
        adam.step()
        scheduled_adam(
            *(ours, gradients, (moments[0], moments[1]), steps),
            beta1=0.5,
            beta2=beta2,
            lr=torch.tensor(0.01, dtype=torch.float64),
            eps=1e-8,
        )
        for mine, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(mine, other.detach(), rtol=1e-13, atol=0.0)


def test_the_fused_kernel_is_called_as_torch_s_adam_calls_it() -> None:
    generator = torch.Generator().manual_seed(4)
    start = {name: torch.randn(2, 16, generator=generator) for name in ("weight", "bias")}
    theirs, ours = ({name: value.clone() for name, value in start.items()} for _ in range(2))
    torch_own = torch.optim.Adam(list(theirs.values()), lr=0.01, betas=(0.5, 0.9), eps=1e-6, fused=True)
    moments = [[torch.zeros_like(value) for value in start.values()] for _ in range(2)]
    steps = [torch.zeros(()) for _ in start]
    options = {"lr": 0.01, "betas": (0.5, 0.9), "eps": 1e-6}
    run = AdamRun(Run(0, 2, ours), options, (moments[0], moments[1]), steps)
    for _ in range(5):
        gradients = {name: torch.randn(2, 16, generator=generator) for name in start}
        for name, value in theirs.items():
            value.grad = gradients[name].clone()
        torch_own.step()
        run.move(gradients)
        assert all(torch.equal(ours[name], theirs[name]) for name in start)
    assert [float(step) for step in steps] == [5.0, 5.0]
