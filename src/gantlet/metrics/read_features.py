"""Features of real images, read once: kept in the user's cache by the content of the images and the extractor's card.

One entry is ``$XDG_CACHE_HOME/gantlet/features/KEY.safetensors``. What cannot be read there is a cache miss; a cache that
cannot be written is not an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from gantlet.files import cache_folder, replace_whole

from .features.base import Extractor, ExtractorCard, Features, extract

__all__ = ["content_hash", "read_features"]


def content_hash(images: Iterable[Tensor]) -> str:
    """The SHA-256 of the pixels and shapes of 8-bit images, which does not depend on how they are cut into parts."""
    found = hashlib.sha256()
    for part in images:
        for image in part:
            found.update(repr(tuple(image.shape)).encode())
            found.update(image.contiguous().numpy().data)
    return found.hexdigest()


def read_features(
    extractor: Extractor,
    images: Callable[[], Iterable[Tensor]],
    *,
    device: torch.device | None = None,
    notify: Callable[[int], object] | None = None,
) -> Features:
    """The features of images, out of the cache where the same were read before.

    Arguments:
        extractor: Who reads.
        images: Gives ``[n, C, H, W]`` uint8 each, the same whenever it is called: once for the hash, once to read.
        device: Where they are read, and where the features are; None: the CPU. The images are on the CPU.
        notify: Called with the number of images read so far.

    Raises:
        BadData: There are no images, or they cannot be read.
    """
    card = extractor.card
    path = cache_folder("features") / f"{content_hash(images())[:32]}-{card.key[:32]}.safetensors"
    held = _held(path, card)
    there = device or torch.device("cpu")
    if held is not None:
        return held.to(there)
    found = extract(extractor, images(), device=there, notify=notify)
    tensors = {"features": found.features.cpu().contiguous()}
    if found.probabilities is not None:
        tensors["probabilities"] = found.probabilities.cpu().contiguous()
    with suppress(OSError, SafetensorError):
        replace_whole(path, lambda fresh: save_file(tensors, fresh))
    return found


def _held(path: Path, card: ExtractorCard) -> Features | None:
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError):
        return None
    features, probabilities = tensors.get("features"), tensors.get("probabilities")
    fits = (
        features is not None
        and features.shape[1:] == (card.dimension,)
        and (probabilities is None) == (not card.classes)
    )
    return Features(features, probabilities) if fits and features is not None else None
