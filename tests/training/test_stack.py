"""Stacks: both routes compute what the modules compute alone; buffers move only when they are committed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gantlet.objectives.base import DiscriminatorOutput
from gantlet.training.stack import Form, Stack, refuses_vmap

FORMS: tuple[Form, ...] = ("loop", "stacked")


class WithCode(nn.Module):
    """A discriminator that returns a whole output."""

    def __init__(self) -> None:
        super().__init__()
        self.code, self.score = nn.Linear(3, 5), nn.Linear(5, 1)

    def forward(self, x: Tensor) -> DiscriminatorOutput:
        code = torch.tanh(self.code(x))
        return DiscriminatorOutput(self.score(code).squeeze(-1), code=code)


def dense() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def normed() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))


def convolved() -> nn.Module:
    return nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Conv1d(1, 2, 2), nn.InstanceNorm1d(2), nn.Flatten())


MAKERS: dict[str, Callable[[], nn.Module]] = {
    "dense": dense,
    "normed": normed,
    "convolved": convolved,
    "with_code": WithCode,
}


def modules(make: Callable[[], nn.Module], count: int = 3) -> list[nn.Module]:
    made: list[nn.Module] = []
    for seed in range(count):
        torch.manual_seed(seed)
        made.append(make().double())
    return made


def stack(members: list[nn.Module], form: Form) -> Stack:
    return Stack(members, form=form, seeds=tuple(range(len(members))), device=torch.device("cpu"), dtype=torch.float64)


def batch(*shape: int, seed: int = 9) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def outcome(made: Any) -> dict[str, Tensor]:
    return {"score": made.score, "code": made.code} if isinstance(made, DiscriminatorOutput) else {"out": made}


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Form:
    return request.param


@pytest.mark.parametrize("name", MAKERS)
def test_a_stack_computes_what_its_modules_compute(name: str, form: Form) -> None:
    members, x = modules(MAKERS[name]), batch(3, 6, 3)
    made = stack(members, form)(x)
    expected = [outcome(member.train()(x[place])) for place, member in enumerate(members)]
    assert made.keys() == expected[0].keys()
    for part in made:
        torch.testing.assert_close(made[part], torch.stack([alone[part] for alone in expected]))


@pytest.mark.parametrize("name", MAKERS)
def test_gradients_are_those_of_the_modules(name: str, form: Form) -> None:
    members, x = modules(MAKERS[name]), batch(3, 6, 3)
    together, inputs = stack(members, form), x.clone().requires_grad_(True)
    sum(part.square().sum() for part in together(inputs).values()).backward()  # type: ignore[union-attr]
    for place, member in enumerate(members):
        mine = x[place].clone().requires_grad_(True)
        sum(part.square().sum() for part in outcome(member.train()(mine)).values()).backward()  # type: ignore[union-attr]
        torch.testing.assert_close(inputs.grad[place], mine.grad)  # pyright: ignore[reportOptionalSubscript]
        for key, parameter in member.named_parameters():
            torch.testing.assert_close(together.parameters[key].grad[place], parameter.grad)  # pyright: ignore[reportOptionalSubscript]


@pytest.mark.parametrize("size", [1, 3])
def test_a_stack_copies_its_modules(form: Form, size: int) -> None:
    members = modules(dense, size)
    made, x = stack(members, form), batch(size, 6, 3)
    before = made(x)["out"].detach().clone()
    with torch.no_grad():
        for member in members:
            for parameter in member.parameters():
                parameter.zero_()
    assert made(x)["out"].equal(before)
    torch.testing.assert_close(made.parameters["0.bias"].shape, torch.Size([size, 4]))


def test_other_parameters_may_be_used(form: Form) -> None:
    made, x = stack(modules(dense), form), batch(3, 6, 3)
    other = {name: value.detach() * 2 for name, value in made.parameters.items()}
    used = made(x, parameters=other)["out"]
    with torch.no_grad():
        for name, value in made.parameters.items():
            value.copy_(other[name])
    torch.testing.assert_close(used, made(x)["out"])
    assert not used.requires_grad


def test_frozen_parameters_are_kept_but_not_trained(form: Form) -> None:
    def make() -> nn.Module:
        built = dense()
        next(built.parameters()).requires_grad_(False)
        return built

    members = modules(make)
    made = stack(members, form)
    assert "0.weight" not in made.parameters
    x = batch(3, 6, 3)
    torch.testing.assert_close(made(x)["out"], torch.stack([m(x[i]) for i, m in enumerate(members)]))


# Buffers


def running(made: Stack) -> Tensor:
    return made.buffers["1.running_mean"]


def test_buffers_move_when_committed_and_only_then(form: Form) -> None:
    members = modules(normed)
    made, x, y = stack(members, form), batch(3, 6, 3), batch(3, 6, 3, seed=10)
    made(x)
    made.commit()
    assert not running(made).any(), "a call that does not advance moved the statistics"
    made(x, advance=True)
    assert not running(made).any()
    made(y, advance=True)  # a second call goes on from the first
    made.commit()
    for place, member in enumerate(members):
        member.train()(x[place])
        member(y[place])
        torch.testing.assert_close(running(made)[place], member[1].running_mean)  # type: ignore[index]
        assert int(made.buffers["1.num_batches_tracked"][place]) == 2


def test_buffers_of_members_that_are_not_good_stay(form: Form) -> None:
    made = stack(modules(normed), form)
    made(batch(3, 6, 3), advance=True)
    made.commit(torch.tensor([True, False, True]))
    assert [bool(row.any()) for row in running(made)] == [True, False, True]
    assert made.buffers["1.num_batches_tracked"].tolist() == [1, 0, 1]


def test_batches_are_scored_separately_and_statistics_move_to_their_mean(form: Form) -> None:
    members, x = modules(normed), batch(3, 2, 6, 3)
    made = stack(members, form)
    out = made.batches(x, advance=True)["out"]
    made.commit()
    for place, member in enumerate(members):
        alone, moved = [], []
        for j in range(2):
            member[1].reset_running_stats()  # type: ignore[index]
            alone.append(member.train()(x[place, j]))
            moved.append(member[1].running_mean.clone())  # type: ignore[index]
        torch.testing.assert_close(out[place], torch.stack(alone))
        torch.testing.assert_close(running(made)[place], (moved[0] + moved[1]) / 2)
    assert not out[:, 0].equal(made(x.flatten(1, 2))["out"][:, :6]), "one batch of all would hide a mixing of batches"


def test_evaluation_uses_running_statistics_and_moves_nothing(form: Form) -> None:
    members = modules(normed)
    made, x = stack(members, form), batch(5, 3)
    made(batch(3, 6, 3), advance=True)
    made.commit()
    before = running(made).clone()
    for place, member in enumerate(members):
        member[1].running_mean.copy_(running(made)[place])  # type: ignore[index]
        member[1].running_var.copy_(made.buffers["1.running_var"][place])  # type: ignore[index]
        own = {name: value.detach()[place : place + 1] for name, value in made.parameters.items()}
        torch.testing.assert_close(made.evaluate(place, own, x), member.eval()(x).detach())
    assert running(made).equal(before)


def test_evaluation_of_a_judge_is_its_score(form: Form) -> None:
    members, x = modules(WithCode), batch(5, 3)
    made = stack(members, form)
    own = {name: value.detach()[1:2] for name, value in made.parameters.items()}
    torch.testing.assert_close(made.evaluate(1, own, x), members[1](x).score.detach())


# Masks


def dropping() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 2))


def test_masks_are_keyed_by_network_update_and_call() -> None:
    made, x = stack(modules(dropping), "loop"), batch(1, 6, 3).expand(3, -1, -1)
    made.at("generator", 4)
    first, second = made(x)["out"], made(x)["out"]
    torch.manual_seed(77)
    made.at("generator", 4)
    assert made(x)["out"].equal(first)
    assert not first.equal(second), "two calls of one update share their masks"
    made.at("discriminator", 4)
    assert not made(x)["out"].equal(first)
    made.at("generator", 5)
    assert not made(x)["out"].equal(first)


def test_masks_leave_the_global_random_state_alone() -> None:
    made = stack(modules(dropping), "loop")
    torch.manual_seed(3)
    expected = torch.get_rng_state()
    made(batch(3, 6, 3))
    assert torch.equal(torch.get_rng_state(), expected)


# What cannot be stacked


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2 if bool(x.sum() > 0) else x


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + torch.randn_like(x)


@pytest.mark.parametrize("name", MAKERS)
def test_what_can_be_stacked_is_not_refused(name: str) -> None:
    assert refuses_vmap(MAKERS[name](), torch.zeros(2, 3)) is None


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (dropping(), "it draws dropout masks inside"),
        (nn.Sequential(nn.Dropout2d(), nn.Flatten()), "it draws dropout masks inside"),
        (Branching(), "data-dependent control flow"),
        (Noisy(), "random"),
        (nn.utils.parametrizations.spectral_norm(nn.Linear(3, 2)), ""),
    ],
    ids=["dropout", "dropout2d", "branching", "noisy", "spectral norm"],
)
def test_what_cannot_be_stacked_is_refused_with_one_line(module: nn.Module, reason: str) -> None:
    said = refuses_vmap(module, torch.zeros(2, 3))
    assert said is not None
    assert reason in said.lower() if reason != "it draws dropout masks inside" else said == reason
    assert len(said.splitlines()) == 1


def test_asking_changes_nothing() -> None:
    module = normed()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    refuses_vmap(module, torch.ones(2, 3))
    assert all(value.equal(before[name]) for name, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())
