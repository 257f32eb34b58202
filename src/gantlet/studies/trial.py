"""A step with a loss, penalty or constraint of the user's own, on made-up samples, before anything is written.

Whatever such a part raises would otherwise be found by every member of the study for itself, when it is under way. Networks
of the user's own are tried where they are built.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from gantlet.data.base import Dataset
from gantlet.data.specification import SampleSpec
from gantlet.errors import BadValue, GantletError
from gantlet.families import is_gantlets
from gantlet.objectives.base import Objective
from gantlet.randomness import seeded
from gantlet.requests.resolve import Resolved
from gantlet.training.blueprint import Blueprint, Execution
from gantlet.training.fleet import Fleet
from gantlet.training.step import needs_of

from .build import blueprint

__all__ = ["made_up", "try_own_parts"]

_NOT_THEIRS = (Path(torch.__file__).parent, Path(__file__).parents[1])
"""Folders of torch and of gantlet: lines in them are not the user's."""


def made_up(batch: int, shape: tuple[int, ...]) -> Dataset:
    """Noise of the samples' shape, which stands for data: a step takes as long."""

    def draw(count: int, generator: torch.Generator | None) -> torch.Tensor:
        return torch.rand(count, *shape, generator=generator) * 2 - 1

    noise = draw(max(batch, 2), None)
    return Dataset(noise, noise, endless=draw)


def try_own_parts(settings: Sequence[Resolved], samples: Sequence[SampleSpec], device: torch.device) -> None:
    """Train one step of each kind of setting that has a loss, penalty or constraint of the user's own.

    Arguments:
        settings: Any; those of one shape are tried once.
        samples: The specification of each setting's samples.
        device: Where they will be trained.

    Raises:
        BadValue: What a part raised, and in which line; or a loss of another shape than one per member and generator.
    """
    tried: set[tuple[Any, ...]] = set()
    for resolved, sample in zip(settings, samples, strict=True):
        own = _own_parts(resolved)
        if own and resolved.cut not in tried:
            tried.add(resolved.cut)
            _try(resolved, sample, device, own)


def _own_parts(resolved: Resolved) -> list[str]:
    """What these parts are called in the request."""
    method = resolved.method
    objective = [] if is_gantlets(resolved.objective) else [method.name]
    penalties = [
        f"penalties={name}"
        for name, penalty in zip(method.penalties, resolved.penalties, strict=True)
        if not is_gantlets(penalty)
    ]
    given = resolved.constraint
    return [
        *objective,
        *penalties,
        *([] if given is None or is_gantlets(given) else [f"constraint={method.constraint}"]),
    ]


def _try(resolved: Resolved, sample: SampleSpec, device: torch.device, own: list[str]) -> None:
    sheet = blueprint([(resolved, 1)], sample, Execution(route="loop", device=device))
    try:
        with seeded(0):
            Fleet(sheet, made_up(sheet.sizes.batch, sample.shape)).advance()
    except GantletError:
        raise
    except Exception as error:
        if not is_gantlets(resolved.objective):
            _check_losses(sheet, resolved.method.name)
        raise BadValue(
            f"A first step with {' and '.join(own)} failed: {type(error).__name__}: {error}{_where(error)}. Nothing was written."
        ) from error


def _check_losses(sheet: Blueprint, name: str) -> None:
    """See that both losses of scores ``[1, K, B]`` are one number per member and generator, ``[1, K]``."""
    objective, generators = sheet.objective, sheet.fake_batches
    if needs_of(objective) - {"real"}:
        return
    real = torch.zeros(1, 1, sheet.sizes.batch, dtype=sheet.execution.dtype, device=sheet.execution.device)
    fake = torch.zeros(1, generators, sheet.sizes.made, dtype=sheet.execution.dtype, device=sheet.execution.device)
    try:
        losses = _losses(objective, real, fake)
    except Exception:  # what the step raised
        return
    for player, loss in losses.items():
        if not isinstance(loss, torch.Tensor) or tuple(loss.shape) not in {(1, generators), (1, 1)}:
            returned = (
                f"a tensor of shape {list(loss.shape)}" if isinstance(loss, torch.Tensor) else type(loss).__name__
            )
            raise BadValue(
                f"{name}: the {player}'s loss of scores {list(fake.shape)} is {returned}, expected {[1, generators]}: the mean over "
                "the last dimension only, .mean(-1), one number per member and generator."
            )


def _losses(objective: Objective, real: torch.Tensor, fake: torch.Tensor) -> dict[str, Any]:
    asked = {"real": real} if "real" in needs_of(objective) else {}
    return {
        "discriminator": objective.discriminator(real=real, fake=fake),
        "generator": objective.generator(**asked, fake=fake),
    }


def _where(error: Exception) -> str:
    """The user's own line that raised, in words; nothing where there is none."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_file() and not any(Path(frame.filename).is_relative_to(each) for each in _NOT_THEIRS)
    ]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
