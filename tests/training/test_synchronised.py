"""Batch norm over processes, in a group of one process: what must not depend on there being others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import distributed as dist
from torch import nn

from gantlet.training import synchronised
from gantlet.training.stack import Stack
from gantlet.training.synchronised import synchronise


@pytest.fixture(autouse=True)
def group() -> Iterator[None]:
    store = dist.HashStore()  # pyright: ignore[reportPrivateImportUsage] - documented there
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_statistics_of_products_in_bfloat16_are_in_float32() -> None:
    found: list[torch.Tensor] = []
    for together in (False, True):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5))
        stack = Stack(
            [network],
            form="loop",
            seeds=[1],
            device=torch.device("cpu"),
            dtype=torch.float32,
            mixed=True,
            synchronised=together,
        )
        out = stack(torch.arange(24.0).reshape(1, 8, 3), advance=True)["out"]
        stack.commit()
        found.append(torch.cat([out.flatten(), stack.buffers["1.running_mean"][0], stack.buffers["1.running_var"][0]]))
    assert found[0].dtype == found[1].dtype == torch.float32
    torch.testing.assert_close(found[1], found[0])


def test_the_first_process_evaluates_without_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.BatchNorm1d(2, track_running_stats=False)
    x = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    want = network(x)

    def waits(value: torch.Tensor) -> torch.Tensor:
        pytest.fail(f"it waits for other processes with {value}")

    monkeypatch.setattr(synchronised, "summed", waits)
    torch.testing.assert_close(synchronise(network).eval()(x), want)
