"""The user's own networks, by name (``package.module:Name`` or ``file.py:Name``), for one player or both.

The name is a ``torch.nn.Module`` class or a function that returns a module. It is called with those keywords
that its signature accepts: ``latent`` (int) and ``shape`` (tuple, of one sample) for a generator, ``shape``
and ``generators`` (int, the size of the team) for a discriminator.

Legend: ``B`` batch, ``*x`` sample shape.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from gantlet.catalogue import is_path, load_path
from gantlet.errors import BadValue
from gantlet.objectives.base import DiscriminatorOutput
from gantlet.settings import setting

from .base import Family
from .inspection import BATCH, has_batch_statistics, random_batch, try_out
from .mlp import MLP

__all__ = ["CustomNetworks", "OwnFamily", "ScorePerSample", "untried"]


@dataclass(frozen=True)
class CustomNetworks:
    """A family made of the user's classes; what is not named comes from the family ``rest``.

    ``shape`` is a sample's shape; it is needed to find out what an own discriminator ``provides``.

    Example:
        >>> family = CustomNetworks(own_generator="torch.nn:Identity")
        >>> family.generator(latent=2, shape=(2,))
        Identity()
    """

    own_generator: str = setting("", "your generator, package.module:Name or file.py:Name")
    own_discriminator: str = setting("", "your discriminator, package.module:Name or file.py:Name")
    rest: Family = field(default_factory=MLP)
    shape: tuple[int, ...] | None = None

    @property
    def provides(self) -> frozenset[str]:
        """Found by trying the discriminator on a batch.

        Raises:
            BadValue: ``shape`` is not set, or see :meth:`discriminator`.
        """
        if not self.own_discriminator:
            return self.rest.provides
        if self.shape is None:
            raise BadValue(
                "What a discriminator of your own provides is detected by running it: give CustomNetworks a shape."
            )
        with torch.random.fork_rng(devices=[]):
            discriminator = self.discriminator(shape=self.shape)
        provided = set[str]() if has_batch_statistics(discriminator, self.shape) else {"no_batch_statistics"}
        output = try_out(discriminator, random_batch(self.shape))
        if isinstance(output, DiscriminatorOutput) and output.code is not None:
            provided.add("autoencoder")
        return frozenset(provided)

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, *x]
        """A fresh generator.

        Raises:
            BadValue: The name cannot be imported or built, or its output does not have the sample shape.
        """
        if not self.own_generator:
            return self.rest.generator(latent=latent, shape=shape)
        what = f"generator={self.own_generator}"
        module = _made(what, _found(what, self.own_generator), {"latent": latent, "shape": shape})
        _check_samples(what, module, latent, shape)
        return module

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:  # [B, *x] -> [B]
        """A fresh discriminator; scores of shape ``[B, 1, …]`` are made ``[B]``.

        Raises:
            BadValue: The name cannot be imported or built, or does not return one score per sample.
        """
        if not self.own_discriminator:
            return self.rest.discriminator(shape=shape, generators=generators)
        what = f"discriminator={self.own_discriminator}"
        offered = {"shape": shape, "generators": generators}
        discriminator = ScorePerSample(_made(what, _found(what, self.own_discriminator), offered))
        _check_scores(what, discriminator, shape)
        return discriminator


@dataclass(frozen=True)
class OwnFamily:
    """A family of the user's, each of whose networks is tried before it is trained.

    Example:
        >>> family = OwnFamily("mine.py:Pair", MLP(g_width=8, g_depth=1))
        >>> family.generator(latent=2, shape=(3,))(torch.zeros(5, 2)).shape
        torch.Size([5, 3])
    """

    name: str
    family: Family

    @property
    def provides(self) -> frozenset[str]:
        """What the family says."""
        return self.family.provides

    def generator(self, *, latent: int, shape: tuple[int, ...]) -> nn.Module:  # [B, latent] -> [B, *x]
        """A fresh generator.

        Raises:
            BadValue: It cannot be built, or its output does not have the sample shape.
        """
        what = f"The generator of network={self.name}"
        module = _made(what, self.family.generator, {"latent": latent, "shape": shape})
        _check_samples(what, module, latent, shape)
        return module

    def discriminator(self, *, shape: tuple[int, ...], generators: int = 1) -> nn.Module:  # [B, *x] -> [B] or [B, 1]
        """A fresh discriminator.

        Raises:
            BadValue: It cannot be built, or does not return one score per sample.
        """
        what = f"The discriminator of network={self.name}"
        module = _made(what, self.family.discriminator, {"shape": shape, "generators": generators})
        _check_scores(what, ScorePerSample(module), shape)
        return module


def untried(family: Family) -> Family:
    """The family itself, whose networks can be counted without memory; trying one needs some."""
    return family.family if isinstance(family, OwnFamily) else family


class ScorePerSample(nn.Module):
    """A discriminator whose scores of shape ``[B, 1, …]`` become ``[B]``; anything else passes as it is.

    Example:
        >>> ScorePerSample(nn.Identity())(torch.tensor([[1.0], [2.0]]))
        tensor([1., 2.])
    """

    def __init__(self, discriminator: nn.Module) -> None:
        super().__init__()
        self.judge = discriminator  # the name is part of those of the parameters in checkpoints

    def forward(self, x: Tensor) -> Any:  # [B, *x] -> [B]
        """Call the module, then drop axes of length 1."""
        output = self.judge(x)
        if isinstance(output, DiscriminatorOutput):
            return replace(output, score=_flat(output.score))
        return _flat(output) if isinstance(output, Tensor) else output


def _flat(score: Tensor) -> Tensor:
    single = score.ndim > 1 and score.numel() == score.shape[0]
    return score.reshape(-1) if single else score


def _check_samples(what: str, generator: nn.Module, latent: int, shape: tuple[int, ...]) -> None:
    made = _tried(what, generator, (latent,))
    expected = (BATCH, *shape)
    if not isinstance(made, Tensor) or tuple(made.shape) != expected:
        raise BadValue(
            f"{what} returned {_description(made)} for {BATCH} latents of size {latent}: expected samples, a tensor of shape "
            f"{list(expected)}."
        )


def _check_scores(what: str, discriminator: nn.Module, shape: tuple[int, ...]) -> None:
    output = _tried(what, discriminator, shape)
    score = output.score if isinstance(output, DiscriminatorOutput) else output
    if not isinstance(score, Tensor) or tuple(score.shape) != (BATCH,):
        raise BadValue(
            f"{what} returned {_description(score)} for {BATCH} samples of shape {list(shape)}: expected one score per sample, "
            f"shape [{BATCH}], or a DiscriminatorOutput with such a score."
        )


def _found(what: str, path: str) -> Any:
    if not is_path(path):
        raise BadValue(f"{what} is not of the form package.module:Name or file.py:Name.")
    try:
        return load_path(path)
    except BadValue:
        raise
    except Exception as error:
        raise BadValue(f"{what} could not be imported: {error!r}.") from error


def _made(what: str, factory: Any, offered: dict[str, Any]) -> nn.Module:
    if isinstance(factory, nn.Module) or not callable(factory):
        kind = type(factory).__name__
        raise BadValue(f"{what} is {_article(kind)}: expected a Module class or a function that makes one.")
    arguments = _accepted(what, factory, offered)
    try:
        module = factory(**arguments)
    except Exception as error:
        raise BadValue(f"{what} could not be built with {_given(arguments)}: {error!r}.") from error
    if not isinstance(module, nn.Module):
        raise BadValue(f"{what} made {_article(type(module).__name__)}: expected a torch.nn.Module.")
    return module


def _accepted(what: str, factory: Callable[..., Any], offered: dict[str, Any]) -> dict[str, Any]:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError) as error:
        raise BadValue(f"{what} has no signature to read: wrap it in a function.") from error
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return offered
    by_name = {p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    variadic = [p for p in parameters if p.kind is p.VAR_POSITIONAL]
    required = [p.name for p in parameters if p.default is p.empty and p not in variadic]
    missing = [name for name in required if name not in offered or name not in by_name]
    if missing:
        raise BadValue(
            f"{what} requires the argument '{missing[0]}', but gantlet passes {' and '.join(offered)}, "
            f"by name: give it a default, or name a function that fills it in."
        )
    return {name: value for name, value in offered.items() if name in by_name}


def _tried(what: str, module: nn.Module, shape: tuple[int, ...]) -> Any:
    try:
        return try_out(module, random_batch(shape))
    except Exception as error:
        raise BadValue(f"{what} failed on a batch of shape {[BATCH, *shape]}: {error!r}.") from error


def _given(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in arguments.items()) or "no arguments"


def _description(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {list(value.shape)}"
    return _article(type(value).__name__)


def _article(kind: str) -> str:
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"
