"""Feature extractors: networks that turn images into vectors, each with a card that says whose numbers they make.

::

    base.py          what an extractor is, its card, how images are read in batches
    pixels.py        8 bits, three channels, one size: the same steps for every extractor
    efficientnet.py  efficientnet-lite0, from two small packages (extra `features`)
    inception.py     inception-2015, the network of FID and IS, from a file of yours
    inception_graph.py   its graph, where that file is a state_dict
    dinov2.py        dinov2-vits14, from a file of yours
    lenet.py         gantlet's own classifier of 28×28 images
    own.py           what networks of the user's own share
    modules.py       any nn.Module, from file.py:Name
    onnx_file.py     any ONNX file, FILE.onnx
    onnx_digest.py   its hash, with that of the files in which its weights lie
    weights.py       weights that a user names once: checked, and kept

``get("efficientnet-lite0")`` makes one; its weights are read when it first reads images. Importing this package does not
import torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from gantlet import catalogue
from gantlet.errors import BadValue, UnknownName
from gantlet.families import Registry

if TYPE_CHECKING:
    from .base import Extractor

__all__ = ["ONNX", "get", "names"]

ONNX = ".onnx"
"""How the name of a file ends that is an extractor of the user's own without being code."""


class _Extractors(Registry):
    """The family, which also takes modules that know nothing of gantlet."""

    def get(self, name: str, **options: object) -> Extractor:
        """An extractor by its name, ``package.module:Name``, ``file.py:Name`` or ``FILE.onnx``, with checked options.

        What a path names is an extractor, or an ``nn.Module`` (a class that is made without arguments, or an instance).

        Raises:
            UnknownName: No such extractor, or it has no such option.
            BadValue: An option out of its range, or a path to something else.

        Example:
            >>> get("efficientnet-lite0", side=64).side
            64
        """
        from torch import nn

        from .modules import ModuleExtractor
        from .onnx_file import OnnxExtractor

        if name.endswith(ONNX):
            _check_none(name, options)
            return OnnxExtractor(name)
        if catalogue.is_path(name) and name not in names():
            given = catalogue.find("extractor", name)
            if isinstance(given, nn.Module) or (isinstance(given, type) and issubclass(given, nn.Module)):
                _check_none(name, options)
                return ModuleExtractor.of(given, name)
        found = super().get(name, **options)
        made: Any = found() if isinstance(found, type) else found
        fits = hasattr(type(made), "card") and callable(made)  # not isinstance, which would load the weights
        if not fits:
            raise BadValue(
                f"'{name}' is not a feature extractor: expected an nn.Module, or a class with card and __call__(images)."
            )
        return cast("Extractor", made)


def _check_none(name: str, options: Mapping[str, object]) -> None:
    """A file of somebody's own has no options, and says itself what it expects.

    Raises:
        UnknownName: There is one.
    """
    for option in options:
        raise UnknownName(f"setting of the extractor '{name}'", option, ())


_REGISTRY = _Extractors("extractor")
get, names = _REGISTRY.get, _REGISTRY.names


def __getattr__(name: str) -> Any:
    return _REGISTRY.attribute(name)
