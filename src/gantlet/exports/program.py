"""A generator as a program of PyTorch (``.pt2``), which runs wherever PyTorch does, without gantlet.

The program holds no path of the machine that wrote it. Beside it in the file lies ``gantlet.json``: latent dimension, prior,
units, the check.

Reference:
    | torch.export, https://docs.pytorch.org/docs/stable/export.html
"""

from __future__ import annotations

import copy
import io
import json
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from gantlet.errors import Refused
from gantlet.training.trained import TrainedGenerator

from .check import Check, Expected, checked

__all__ = ["FACTS", "facts_of", "program_bytes", "traced"]

FACTS = "gantlet.json"
"""What is known of the generator, in the file."""

_TRACED = 3  # latents in the trace; 0 and 1 would be taken as fixed


def traced(generator: TrainedGenerator) -> ExportedProgram:
    """The generator's computation, for any number of latents.

    Raises:
        Refused: A module whose computation cannot be followed, such as one that branches on values.
    """
    latents, _ = generator.space.draw(_TRACED, 1)
    inputs = (latents, torch.zeros(_TRACED, dtype=torch.int64))[: 1 + (generator.makers > 1)]
    batch = Dim("batch", min=1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter's own parts
            program = torch.export.export(
                copy.deepcopy(generator).float(),
                inputs,
                dynamic_shapes=({0: batch},) * len(inputs),
            )
    except Exception as error:  # whatever a module of the user's own does under the tracer
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise Refused(
            f"torch.export cannot follow the generator's computation for any number of latents: {first[:300]}"
        ) from error
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine
    return program


def program_bytes(generator: TrainedGenerator, program: ExportedProgram, expected: Expected) -> tuple[bytes, Check]:
    """The file, and how far what is read from it again is from gantlet.

    Raises:
        ExportMismatch: Too far.
    """
    first = _checked(generator, _saved(program, facts_of(generator)), expected)
    whole = _saved(program, facts_of(generator, first))
    return whole, _checked(generator, whole, expected)


def facts_of(generator: TrainedGenerator, check: Check | None = None) -> dict[str, str]:
    """What one has to know of a generator to use it, as texts by name."""
    found: dict[str, Any] = {
        "latent_dim": generator.latent_dim,
        "prior": "N(0, 1)" if generator.prior == "normal" else "U[-1, 1]",
        "generators": generator.makers,
        "generator_weights": list(generator.space.weights),
        "sample_shape": list(generator.specification.shape),
        "units": generator.units,
        "pixel_range": list(generator.specification.pixel_range),
        "columns": list(generator.specification.columns),
    }
    if check is not None:
        found["check"] = str(check)
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in found.items()}


def _saved(program: ExportedProgram, facts: Mapping[str, str]) -> bytes:
    content = io.BytesIO()
    torch.export.save(program, content, extra_files={FACTS: json.dumps(facts)})
    return content.getvalue()


def _checked(generator: TrainedGenerator, content: bytes, expected: Expected) -> Check:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of the loader's own parts: torch 2.11 reads weights from bytes that it may not write
        module: nn.Module = torch.export.load(io.BytesIO(content)).module()

    def run(latents: Tensor, owners: Tensor) -> Tensor:
        with torch.no_grad():
            return module(latents, owners) if generator.makers > 1 else module(latents)

    return checked(generator, expected, run, f"torch {torch.__version__}")
