"""What parts declare of divided batches: a separable loss or penalty is the mean of its parts' values, others are not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gantlet import objectives, penalties
from gantlet.objectives.base import DiscriminatorOutput, Stateful
from gantlet.penalties.base import Constraint
from gantlet.training.division import Division

S, K, B, D = 2, 3, 8, 4


def _scores(generator: torch.Generator, batches: int) -> DiscriminatorOutput:
    def draw(*more: int) -> Tensor:
        return torch.randn(S, batches, B, *more, generator=generator, dtype=torch.float64).abs()

    return DiscriminatorOutput(draw(), code=draw(D))


def _cut(output: DiscriminatorOutput, half: int) -> DiscriminatorOutput:
    rows = slice(half * B // 2, (half + 1) * B // 2)
    assert output.code is not None
    return DiscriminatorOutput(output.score[:, :, rows], code=output.code[:, :, rows])


def _gap(whole: Tensor, halves: list[Tensor]) -> float:
    return float((whole - torch.stack(halves).mean(0)).detach().abs().max())


@pytest.mark.parametrize("name", objectives.names())
def test_an_objective_says_whether_its_losses_are_means_of_its_parts_losses(name: str) -> None:
    objective: Any = objectives.get(name)
    generator = torch.Generator().manual_seed(3)
    outputs, points = {k: _scores(generator, n) for k, n in (("real", 1), ("fake", K))}, {}
    points = {
        k: torch.randn(S, n, B, 2, generator=generator, dtype=torch.float64) for k, n in (("real", 1), ("fake", K))
    }

    def loss(player: str, half: int | None) -> Tensor:
        given = {key: value if half is None else _cut(value, half) for key, value in outputs.items()}
        chosen: dict[str, Any] = dict(given) if "outputs" in objective.needs else {k: v.score for k, v in given.items()}
        if "samples" in objective.needs:
            rows = slice(None) if half is None else slice(half * B // 2, (half + 1) * B // 2)
            chosen |= {f"{key}_samples": value[:, :, rows] for key, value in points.items()}
        if "state" in objective.needs:
            assert isinstance(objective, Stateful)
            chosen["state"] = {key: value + 0.3 for key, value in objective.init(S).items()}
        return getattr(objective, player)(**chosen)

    gaps = [
        _gap(loss(player, None), [loss(player, half) for half in (0, 1)]) for player in ("discriminator", "generator")
    ]
    assert objective.separable == (max(gaps) < 1e-12), gaps


@pytest.mark.parametrize("shape", [(2,), (1, 6, 6)], ids=["points", "images"])
@pytest.mark.parametrize("name", [n for n in penalties.names() if not isinstance(penalties.get(n), Constraint)])
def test_a_penalty_says_whether_its_value_is_the_mean_of_its_parts_values(name: str, shape: tuple[int, ...]) -> None:
    penalty: Any = penalties.get(name)
    generator = torch.Generator().manual_seed(5)
    axes = list(range(3, 3 + len(shape)))
    real, fake = (torch.randn(S, n, B, *shape, generator=generator, dtype=torch.float64) for n in (1, K))
    bend = torch.rand(*shape, generator=generator, dtype=torch.float64)

    def discriminate(x: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput((x.sin() * bend).sum(axes) * 3, code=x.flatten(3))

    def value(half: int | None) -> Tensor:
        division = Division() if half is None else Division(parts=2)
        part = half or 0
        rows = {key: division.part(x, 2, part).requires_grad_(True) for key, x in (("real", real), ("fake", fake))}
        size = rows["real"].shape[2]
        asked = penalty.draws(generators=K, batch=B, shape=shape)
        wanted = penalty.draws(generators=K, batch=size, shape=shape)
        noise = {}
        for place, (key, draw) in enumerate(asked.items()):
            fresh = torch.Generator().manual_seed(place)
            drawn = torch.rand(S, *draw.shape, generator=fresh, dtype=torch.float64)
            noise[key] = division.cut(drawn, wanted[key].shape, part)
        extra: dict[str, Any] = {}
        if "outputs" in penalty.needs:
            extra |= {f"{key}_output": discriminate(x) for key, x in rows.items()}
        if "parameters" in penalty.needs:
            networks = S if penalty.player == "discriminator" else S * K
            extra["parameters"] = {"weight": torch.ones(networks, 3, 2, dtype=torch.float64)}
        if "state" in penalty.needs:
            extra["state"] = {key: held + 0.3 for key, held in penalty.init(S).items()}
        return penalty(discriminate, **rows, noise=noise, **extra)

    whole = value(None)
    assert whole.abs().max() > 0
    same = _gap(whole, [value(0), value(1)]) < 1e-10
    assert (penalty.separable is True or (penalty.separable == "images" and len(shape) == 3)) == same
