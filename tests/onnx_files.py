"""Networks as ONNX files, as another program would hand them over."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import nn

__all__ = ["onnx_file"]


def onnx_file(
    path: Path, net: nn.Module, shape: tuple[int, int, int, int], *, batches: bool = True, **notes: str
) -> Path:
    """Write a network as ONNX with this shape of input, in any batch size or this one alone."""
    import onnx

    axes = {"images": {0: "n"}, "features": {0: "n"}} if batches else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            net, (torch.zeros(shape),), str(path), dynamo=False, input_names=["images"], dynamic_axes=axes,
            output_names=["features"],
        )  # fmt: skip
    model = onnx.load(str(path))
    for key, value in notes.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, str(path))
    return path
