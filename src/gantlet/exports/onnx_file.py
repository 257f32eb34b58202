"""A generator as an ONNX file: input ``latents`` ``[batch, latent_dim]``, first output ``samples``.

A team has a second input ``generator`` ``[batch]``, int64: who makes each sample. Any batch size runs. The file's metadata
name the prior, the units and the check; the file holds no path of the machine that wrote it.

Reference:
    | ONNX, https://onnx.ai/onnx/repo-docs/IR.html
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, cast

import torch
from torch import Tensor
from torch.export import ExportedProgram

from gantlet.errors import BadValue, MissingExtra, Refused
from gantlet.training.trained import TrainedGenerator

from .check import Check, Expected, checked
from .program import facts_of

__all__ = ["OPSET", "OPSETS", "check_onnx", "onnx_bytes"]

OPSET = 18
"""The operator set of a file if none is asked for."""

OPSETS = range(18, 24)
"""The operator sets that can be asked for."""

_LOGGER = "torch.onnx._internal.exporter._registration"


def check_onnx(opset: int = OPSET) -> None:
    """Make sure that an ONNX file can be made and run.

    Raises:
        MissingExtra: A package is not installed.
        BadValue: There is no such operator set.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        if find_spec(package) is None:
            raise MissingExtra(package, extra="onnx", purpose="--format onnx")
    if opset not in OPSETS:
        raise BadValue(f"--opset {opset} is not one of {OPSETS.start} to {OPSETS.stop - 1}.")


def onnx_bytes(
    generator: TrainedGenerator, program: ExportedProgram, expected: Expected, *, opset: int = OPSET
) -> tuple[bytes, Check]:
    """The file, and how far what onnxruntime makes of it is from gantlet.

    Raises:
        Refused: The computation has no counterpart in ONNX, or is larger than the format holds (2 GB).
        ExportMismatch: Too far.
    """
    model = _model(generator, program, opset)
    first = _checked(generator, model.SerializeToString(), expected)
    _describe(model, generator, first)
    whole: bytes = model.SerializeToString()
    return whole, _checked(generator, whole, expected)


def _model(generator: TrainedGenerator, program: ExportedProgram, opset: int) -> Any:
    names = ["latents", "generator"][: 1 + (generator.makers > 1)]
    logger = logging.getLogger(_LOGGER)
    before = logger.level
    try:
        logger.setLevel(logging.ERROR)  # torchvision is not wanted
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter's own parts
            made = torch.onnx.export(
                cast(Any, program),
                (),
                input_names=names,
                output_names=["samples"],
                opset_version=opset,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
            model = cast(Any, made).model_proto
    except Exception as error:  # whatever the exporter meets
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise Refused(
            f"The generator's computation cannot be written as ONNX: {first[:300]} Use --format torch."
        ) from error
    finally:
        logger.setLevel(before)
    _clean(model)
    _describe(model, generator)
    return model


def _clean(model: Any) -> None:
    """Name the free axis, and drop what the exporter notes of this machine's files."""
    values = [*model.graph.input, *model.graph.output, *model.graph.value_info]
    free = model.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for value in values:
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param and free:
                axis.dim_param = axis.dim_param.replace(free, "batch")
    functions = [node for function in model.functions for node in function.node]
    for entry in [*values, *model.graph.node, *functions, *model.graph.initializer, model.graph, *model.functions]:
        del entry.metadata_props[:]
        entry.doc_string = ""


def _describe(model: Any, generator: TrainedGenerator, check: Check | None = None) -> None:
    model.producer_name, model.doc_string = "gantlet", "The generator of a generative adversarial network."
    del model.metadata_props[:]
    for name, value in facts_of(generator, check).items():
        model.metadata_props.add(key=name, value=value)


def _checked(generator: TrainedGenerator, content: bytes, expected: Expected) -> Check:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    call = cast(Callable[..., list[Any]], session.run)

    def run(latents: Tensor, owners: Tensor) -> Tensor:
        given = dict(zip(names, (latents.numpy(), owners.numpy()), strict=False))
        return torch.from_numpy(call(["samples"], given)[0])

    return checked(generator, expected, run, f"onnxruntime {onnxruntime.__version__}")
