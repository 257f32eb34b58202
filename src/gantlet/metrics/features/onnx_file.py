"""An ONNX file of the user's as an extractor, run by onnxruntime on the CPU.

Its input is images ``[N, C, H, W]`` float32 with C = 3 or 1; fixed H and W are the size to which images are brought, named ones
let them come as they are. A fixed N is the size of its batches. The first output is features ``[N, d]`` (more axes are
flattened); a second one is class logits ``[N, Y]``. What 0 and 255 become is (0, 1), or what the file's metadata say, under
``input_range``: two numbers such as ``-1, 1``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gantlet.errors import BadData, BadValue, MissingExtra

from .base import ExtractorCard, Features
from .onnx_digest import onnx_digest
from .own import card_of_own, pixels_of

__all__ = ["OnnxExtractor"]

_FLOAT = "tensor(float)"


@dataclass(frozen=True, eq=False)
class OnnxExtractor:
    """A network in an ONNX file.

    Arguments:
        path: The file, which ends in ``.onnx``.
    """

    path: str

    @property
    def card(self) -> ExtractorCard:
        """Its card; dimension and classes are those of one black image.

        Raises:
            BadData: The file is not there, cannot be read, or takes something else than images.
            MissingExtra: onnxruntime is not installed.
        """
        return self._card

    @cached_property
    def _card(self) -> ExtractorCard:
        return card_of_own(self, name=self.path, sha256=self._digest, size=self._size, becomes=self._range)

    def __call__(self, images: Tensor) -> Features:
        """Features and, where it has classes, their probabilities."""
        grey = self._input.shape[1] == 1
        given = pixels_of(images.cpu(), grey=grey, size=self._size, becomes=self._range).numpy()
        fixed = self._input.shape[0]
        parts = [self._run(part) for part in _batches(given, fixed if isinstance(fixed, int) else 0)]
        whole = [torch.from_numpy(np.concatenate(outputs)[: len(given)]) for outputs in zip(*parts, strict=True)]
        features = whole[0].flatten(1).float()
        return Features(features, whole[1].float().softmax(1) if len(whole) > 1 else None)

    def _run(self, part: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
        try:
            found: list[Any] = self._session.run(None, {self._input.name: part})
        except Exception as error:  # onnxruntime has errors of its own
            raise BadValue(
                f"The extractor '{self.path}' cannot read images of shape {list(part.shape)}: {_reason(error)}."
            ) from error
        features, *logits = found[:2]
        fits = all(isinstance(output, np.ndarray) and output.dtype.kind in "fiub" for output in found[:2])
        fits = fits and all(output.shape[:1] == part.shape[:1] for output in found[:2])
        if not fits or any(output.ndim != 2 for output in logits):
            came = " and ".join(map(_described, found[:2]))
            raise BadValue(
                f"The extractor '{self.path}' returned {came} for {len(part)} images; expected numbers: features [N, d] and, "
                "where there is a second output, class logits [N, Y]."
            )
        return [features, *logits]

    @cached_property
    def _digest(self) -> str:
        try:
            return onnx_digest(Path(self.path))
        except OSError as error:
            raise BadData(f"The extractor {self.path} cannot be read: {error.strerror or error}.") from error

    @cached_property
    def _session(self) -> Any:
        _ = self._digest  # says in a sentence where there is no such file
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtra("onnxruntime", extra="onnx", purpose=f"The extractor '{self.path}'") from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what it complains of is raised, too
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            return onnxruntime.InferenceSession(self.path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has errors of its own
            raise BadData(f"The extractor {self.path} is not an ONNX file that runs here: {_reason(error)}.") from error

    @cached_property
    def _input(self) -> Any:
        given: list[Any] = self._session.get_inputs()
        fits = len(given) == 1 and given[0].type == _FLOAT and len(given[0].shape) == 4
        if not fits or given[0].shape[1] not in (1, 3) or 0 in given[0].shape:
            shapes = ", ".join(f"{one.type} {one.shape}" for one in given)
            raise BadData(
                f"The extractor {self.path} takes {shapes}; expected images, tensor(float) [N, 3 or 1, H, W]."
            )
        return given[0]

    @property
    def _size(self) -> tuple[int, int] | None:
        height, width = self._input.shape[2:]
        return (height, width) if isinstance(height, int) and isinstance(width, int) else None

    @cached_property
    def _range(self) -> tuple[float, float]:
        text = str(self._session.get_modelmeta().custom_metadata_map.get("input_range", "0, 1"))
        try:
            low, high = (float(part) for part in text.strip("()[] ").split(","))
        except ValueError:
            low = high = math.nan
        if not -math.inf < low < high < math.inf:
            raise BadData(
                f"The extractor {self.path} has input_range={text[:40]!r}; expected two numbers, such as -1, 1."
            )
        return low, high


def _batches(images: np.ndarray[Any, Any], fixed: int) -> list[np.ndarray[Any, Any]]:
    """All at once, or parts of a fixed size, the last one filled up with its last image."""
    if not fixed:
        return [images]
    short = -len(images) % fixed
    filled = np.concatenate([images, images[-1:].repeat(short, 0)]) if short else images
    return np.split(filled, len(filled) // fixed)


def _described(output: Any) -> str:
    return f"{output.dtype} {list(output.shape)}" if isinstance(output, np.ndarray) else f"a {type(output).__name__}"


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
