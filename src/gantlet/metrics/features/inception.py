"""The Inception network of 2015: the features on which the Fréchet distance is called FID, from a file of the user's.

The file is either of two with the same weights:

TorchScript (StyleGAN's metrics, clean-fid)
    It takes 8-bit colour images of any size, brings them to 299 pixels itself, and gives 2048 features after the last
    pooling (``return_features=True``) or the probabilities of 1008 classes without the last layer's bias
    (``no_output_bias=True``), as the inception score was defined. Nothing of that is done here, so that nothing can differ.
``state_dict`` (pytorch-fid, torch-fidelity)
    The same steps are those of :mod:`gantlet.metrics.features.inception_graph`.

Both resize bilinearly without antialiasing, as the original graph does. (pytorch-fid itself resizes with pixel centres in
place of corners, so its numbers differ from all others'.)

gantlet carries no copy and its tests never ran the published ones: they run a stand-in with the signature of the first, and
an independent restatement of the second on random weights. Scores are called ``fid``, ``kid`` and ``inception_score`` only
where the file's SHA-256 is that of a published one.

Reference:
    | GANs trained by a two time-scale update rule (Heusel et al., 2017), https://arxiv.org/abs/1706.08500
    | Improved techniques for training GANs (Salimans et al., 2016), https://arxiv.org/abs/1606.03498
"""

from __future__ import annotations

import warnings
import zipfile
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from gantlet.errors import BadData

from .base import ExtractorCard, Features, placed
from .inception_graph import InceptionGraph
from .pixels import as_colour
from .weights import StoredWeights, fill, find_weights, load_state

__all__ = ["Inception2015"]

_NAME = "inception-2015"
_RESIZER = {
    True: "inside the TorchScript file: bilinear without antialiasing",
    False: "bilinear without antialiasing, corner on corner, as TensorFlow 1 has it",
}


@dataclass(frozen=True)
class Inception2015:
    """The Inception of FID and IS: 2048 features, 1008 classes; from a file of yours."""

    any_device: ClassVar[bool] = True

    @property
    def card(self) -> ExtractorCard:
        """Its card.

        Raises:
            BadData: The weights are not there.
        """
        return ExtractorCard(
            name=_NAME,
            sha256=self._stored.sha256,
            input_size=(299, 299),
            input_range=(-1.0, 1.0),
            resizer=_RESIZER[self._is_script],
            dimension=2048,
            classes=1008,
            standard=("fid", "kid", "inception_score") if self._stored.published else (),
        )

    def __call__(self, images: Tensor) -> Features:
        """Features and class probabilities, ``[N, C, H, W]`` uint8 -> ``[N, 2048], [N, 1008]``."""
        pixels, net = as_colour(images).contiguous(), placed(self._net, images.device)
        if not self._is_script:
            return Features(*net(pixels))
        return Features(net(pixels, return_features=True), net(pixels, no_output_bias=True))

    @cached_property
    def _stored(self) -> StoredWeights:
        return find_weights(_NAME)

    @cached_property
    def _is_script(self) -> bool:
        """Whether the file is TorchScript, by what is in it: a state_dict's archive has no code."""
        try:
            with zipfile.ZipFile(self._stored.path) as held:
                return any(name.endswith("/constants.pkl") for name in held.namelist())
        except (OSError, zipfile.BadZipFile):
            return False  # state_dicts of old are not archives

    @cached_property
    def _net(self) -> Any:
        if not self._is_script:
            net = InceptionGraph()
            fill(_NAME, net, load_state(_NAME, self._stored.path))
            return net
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # TorchScript is deprecated, but the field's file is one
                return torch.jit.load(str(self._stored.path), map_location="cpu").eval()  # pyright: ignore[reportPrivateImportUsage]
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            raise BadData(f"The weights of '{_NAME}' are not a TorchScript file: {reason}.") from error
