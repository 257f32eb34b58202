"""Calls that were noted are made again: the numbers are those of the step itself, in little memory."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

import games
from gantlet.objectives.vanilla import Vanilla
from gantlet.training.blueprint import Execution, Tuning
from gantlet.training.fleet import Fleet
from gantlet.training.out_form import out_form
from gantlet.training.recording import Memory, Recording
from gantlet.training.schedules import Schedule


def recorded(step: Callable[[], object], memory: Memory | None = None) -> Recording:
    with Recording() as recording:
        step()
    recording.keep({} if memory is None else memory)
    return recording


def squares(x: Tensor, out: Tensor) -> None:
    out.copy_((x.mT * x.mT).mT.contiguous().sum(0))


def maxima(x: Tensor, out: Tensor) -> None:
    largest, place = x.max(0)
    out.copy_(largest + place)


def groups(x: Tensor, out: Tensor) -> None:
    """A kernel for lists, which has no form that writes into tensors."""
    first, second = torch._foreach_mul([x[0], x[1]], 3.0)  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]
    out.copy_(first - second)


def steep(x: Tensor, out: Tensor) -> None:
    """A gradient of a gradient: f = Σ log(1 + e^(x²)), and what comes out is ∂‖f′‖²/∂x."""
    leaf = x.detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(softplus(leaf * leaf).sum(), leaf, create_graph=True)
    (steeper,) = torch.autograd.grad((slope * slope).sum(), leaf)
    out.copy_(steeper[0])


def overwritten(x: Tensor, out: Tensor) -> None:
    """A constant that is not one, because later calls write to it."""
    total = torch.zeros(3)
    total += x[0]
    total[1:] *= 2.0
    out.copy_(total)


def partly(x: Tensor, out: Tensor) -> None:
    """A kernel that leaves one of three results out."""
    grown, _, scale = torch.ops.aten.native_layer_norm_backward(
        x, x, [3], x.mean(1, keepdim=True), x.std(1, keepdim=True), torch.ones(3), torch.zeros(3), [True, False, True]
    )[:3]
    out.copy_(grown[0] if scale is None else grown[0] + scale)


def normalised(x: Tensor, out: Tensor) -> None:
    """Batch norm of images cut out of larger ones, whose form for given tensors leaves the statistics unwritten."""
    larger = x.reshape(2, 3, 1, 1).expand(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    scaled, mean, _ = torch.native_batch_norm(larger[..., :3, :3], None, None, None, None, True, 0.1, 1e-5)
    out.copy_(scaled[0, :, 0, 0] + mean)


@pytest.mark.parametrize("step", [normalised, squares, maxima, groups, steep, overwritten, partly])
def test_calls_made_again_give_the_numbers_of_the_step(step: Callable[[Tensor, Tensor], None]) -> None:
    generator = torch.Generator().manual_seed(3)
    x, out, expected = torch.randn(2, 3, generator=generator), torch.zeros(3), torch.zeros(3)
    recording = recorded(lambda: step(x, out))
    assert recording.refused == ""
    for _ in range(3):
        x.normal_(generator=generator)
        step(x, expected)
        recording.replay()
        assert torch.equal(out, expected)


def test_what_nothing_reads_any_more_leaves_its_memory_to_others() -> None:
    x, memory = torch.ones(1000), Memory()

    def step() -> None:
        y = x
        for _ in range(20):
            y = y * 0.5
        x.copy_(y)

    recorded(step, memory).replay()
    assert torch.equal(x, torch.full((1000,), 0.5**40))
    assert {size: len(held) for size, held in memory.items()} == {4000: 2}


def test_recordings_share_memory_and_each_keeps_its_constants() -> None:
    x, y, memory = torch.arange(4.0), torch.zeros(4), Memory()
    first = recorded(lambda: y.copy_(torch.full((4,), 2.0) * x), memory)
    second = recorded(lambda: y.copy_(x + 5.0), memory)
    assert {size: len(held) for size, held in memory.items()} == {16: 1}
    second.replay()
    first.replay()
    assert torch.equal(y, 2.0 * x)


def read(x: Tensor) -> Tensor:
    return x + float(x.sum())


def cut(x: Tensor) -> Tensor:
    return x[x > 0].sum() + x


def masked(x: Tensor) -> Tensor:
    return torch.dropout(x, 0.5, train=True)


def sparse(x: Tensor) -> Tensor:
    return x.to_sparse().to_dense() * 2


@pytest.mark.parametrize("act", [read, torch.rand_like, cut, masked, sparse])
def test_what_cannot_be_made_again_is_computed_and_refused(act: Callable[[Tensor], Tensor]) -> None:
    x, out = torch.ones(3), torch.zeros(3)
    with Recording() as recording, torch.random.fork_rng():
        torch.manual_seed(1)
        out.copy_(act(x))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        assert torch.equal(out, act(x))
    assert "cannot be made again" in recording.refused


def test_what_is_kept_after_the_step_is_refused() -> None:
    held: list[Tensor] = []
    x = torch.ones(3)
    assert recorded(lambda: held.append(x + 1)).refused == "something of a step is kept after it"


def test_a_circle_of_references_that_python_has_not_found_yet_is_not_kept() -> None:
    x, out = torch.ones(3), torch.zeros(3)

    def step() -> None:
        circle: list[Any] = [x + 1]
        circle.append(circle)
        out.copy_(circle[0])

    gc.disable()
    try:
        recording = recorded(step)
    finally:
        gc.enable()
    assert recording.refused == ""
    x.fill_(4.0)
    recording.replay()
    assert out.tolist() == [5.0] * 3


def test_a_form_is_taken_where_it_leaves_the_numbers_of_the_kernel() -> None:
    x, aten = torch.tensor([[1.0, 4.0]]), torch.ops.aten
    assert out_form(aten.sum.dim_IntList, (x, [1]), {}, x.sum(1)) == (torch.sum, "out")
    slope = out_form(aten.leaky_relu_backward.default, (x, -x, 0.25, False), {}, 0.25 * x)
    assert slope is not None
    assert slope[1] == "grad_input"
    assert out_form(aten.sum.dim_IntList, (x, [1]), {}, x.sum(1) + 1e-6) is None
    assert out_form(aten._foreach_mul.Scalar, ([x], 2.0), {}, 2.0 * x) is None


@dataclass(frozen=True)
class Asking:
    """An objective that reads its loss on the host."""

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        loss = Vanilla().discriminator(real=real, fake=fake)
        return loss * (1.0 if float(loss.detach().sum()) > 0 else 2.0)

    def generator(self, *, real: Tensor | None, fake: Tensor) -> Tensor:
        return Vanilla().generator(real=real, fake=fake)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"objective": Asking()}, "aten._local_scalar_dense.default cannot be made again"),
        ({"tuning": Tuning(Schedule("cosine", every=9))}, "these change: lr"),
        ({"tuning": Tuning(penalty=Schedule("cosine", every=9))}, "these change: the penalties' factor"),
    ],
)
def test_a_step_that_is_not_recorded_goes_on_with_one_note(
    changes: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    sheet = games.sheet((4, 9, 2), **changes)
    with caplog.at_level(logging.WARNING, "gantlet"):
        stacked, captured = (
            games.train(
                Fleet(replace(sheet, execution=Execution(route=route, dtype=torch.float64)), games.dataset()), 9
            )
            for route in ("stacked", "captured")
        )
    captured.settle()
    assert reason in captured.refused
    assert [record.getMessage() for record in caplog.records] == [
        f"note: steps are not recorded, because {captured.refused}"
    ]
    for player in ("generator", "discriminator"):
        for slot in range(3):
            assert torch.equal(*(games.parameters(trained, player, slot) for trained in (stacked, captured)))
