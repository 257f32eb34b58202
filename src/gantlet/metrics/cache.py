"""Trained classifiers, kept in the user's cache so that each is trained once per machine.

One classifier is two files in ``$XDG_CACHE_HOME/gantlet/classifiers`` (``~/.cache`` where that is not set): the weights
as safetensors, and a JSON card. Their name is the SHA-256 of the data and the recipe. Anything that cannot be read, or
whose weights are not those of its card, is a cache miss; a cache that cannot be written is not an error.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gantlet.files import cache_folder, replace_whole

__all__ = ["ClassifierCard", "load_classifier", "store_classifier", "weights_digest"]


@dataclass(frozen=True)
class ClassifierCard:
    """What is known of a trained classifier.

    Attributes:
        accuracy: Share of the test images that it names rightly.
        validation_accuracy: The same of the training images that were held back to choose the epoch.
        fingerprint: SHA-256 of its weights.
    """

    accuracy: float
    validation_accuracy: float
    fingerprint: str


def weights_digest(tensors: Iterable[Tensor], recipe: Mapping[str, Any] | None = None) -> str:
    """The SHA-256 of tensors (type, shape and bytes, in order) and of a recipe.

    Example:
        >>> weights_digest([torch.zeros(2)]) == weights_digest([torch.zeros(2)]) != weights_digest([torch.zeros(1, 2)])
        True
    """
    found = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode())
    for tensor in tensors:
        found.update(f"{tensor.dtype} {list(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().numpy().data)
    return found.hexdigest()


def load_classifier(key: str, net: nn.Module) -> ClassifierCard | None:
    """Load the weights that were kept under this key into a network of their shape; None if there are none."""
    weights, card = _places(key)
    try:
        values = json.loads(card.read_text(encoding="utf-8"))["classifier"]
        found = ClassifierCard(
            float(values["accuracy"]), float(values["validation_accuracy"]), str(values["fingerprint"])
        )
        state = load_file(weights)
        if weights_digest(state[name] for name in net.state_dict()) != found.fingerprint:
            return None
        net.load_state_dict(state)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError):
        return None
    return found


def store_classifier(key: str, net: nn.Module, card: ClassifierCard, recipe: Mapping[str, Any]) -> None:
    """Keep a network and its card under this key, each file atomically; silently not, where that is impossible."""
    weights, place = _places(key)
    text = json.dumps({"classifier": asdict(card), "recipe": dict(recipe), "torch": torch.__version__}, indent=1)
    try:
        replace_whole(weights, lambda path: save_file(net.state_dict(), path))
        replace_whole(place, lambda path: path.write_text(text, encoding="utf-8"))
    except (OSError, SafetensorError):
        return


def _places(key: str) -> tuple[Path, Path]:
    folder = cache_folder("classifiers")
    return folder / f"{key}.safetensors", folder / f"{key}.json"
