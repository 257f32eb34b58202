"""Other last layers on a discriminator: an embedding, or a head that tells the generators apart.

A discriminator that qualifies is a chain (a tree of ``nn.Sequential``) whose last layer with parameters is a linear map
or a convolution to one number; everything before it is the trunk. :func:`embedded` exchanges that last layer for one
with several outputs, as kernel methods need; :func:`with_generator_head` puts a second one beside it, which tells the
generators of a team apart. An auto-encoder qualifies by its code.

References:
    | MMD GAN: towards deeper understanding of moment matching network (Li et al., 2017), https://arxiv.org/abs/1705.08584
    | MGAN: training generative adversarial nets with multiple generators (Hoang et al., 2018),
      https://openreview.net/forum?id=rkmu5b0a-

Legend: ``B`` batch, ``K`` generators, ``d`` features, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor, nn

from gantlet.errors import BadValue, Refused
from gantlet.objectives.base import DiscriminatorOutput

from .autoencoders import AutoEncoder
from .custom import ScorePerSample
from .layers import Score

__all__ = ["CodeHeads", "Embedded", "TwoHeads", "embedded", "with_generator_head"]

_Head = nn.Linear | nn.Conv2d


def embedded(module: nn.Module, features: int) -> nn.Module:
    """The discriminator with ``features`` outputs instead of its score.

    Of an auto-encoder the encoder stays, with a linear map after its code.

    Arguments:
        module: A discriminator that qualifies (see the module); its trunk is used, not copied.
        features: Dimension of the code, at least 1.

    Raises:
        Refused: A discriminator that does not qualify.
        BadValue: Fewer than one feature.

    Example:
        >>> import torch
        >>> discriminator = embedded(nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1), Score()), 3)
        >>> discriminator(torch.zeros(5, 2)).code.shape
        torch.Size([5, 3])
    """
    if features < 1:
        raise BadValue(f"An embedding of {features} features is empty: use at least 1.")
    if isinstance(module, AutoEncoder):
        trunk = nn.Sequential(module.encoder, nn.Flatten())
        return Embedded(trunk, _linear_beside(module, features), features=features)
    trunk, head, _ = _cut(module)
    return Embedded(trunk, _like(head, features), features=features)


def with_generator_head(module: nn.Module, generators: int) -> nn.Module:
    """The discriminator with a linear head beside its own, which says which generator made a sample.

    Scores stay what they were, to the last bit.

    Arguments:
        module: A discriminator that qualifies (see the module), an auto-encoder or an :class:`Embedded`; it is used, not
            copied.
        generators: K, the size of the team, at least 1.

    Raises:
        Refused: A discriminator that does not qualify.
        BadValue: Fewer than one generator.

    Example:
        >>> import torch
        >>> discriminator = with_generator_head(nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1), Score()), 4)
        >>> discriminator(torch.zeros(5, 2)).generator_logits.shape
        torch.Size([5, 4])
    """
    if generators < 1:
        raise BadValue(f"A which-generator head needs at least 1 generator, and {generators} came.")
    if isinstance(module, AutoEncoder | Embedded):
        return CodeHeads(module, _linear_beside(module, generators))
    trunk, head, tail = _cut(module)
    return TwoHeads(trunk, nn.Sequential(head, *tail), generator=_like(head, generators))


class Embedded(nn.Module):
    """A trunk and a head of several outputs: they are the code, their mean is the score.

    Arguments:
        trunk: ``[B, *x]`` to what the head takes.
        head: To ``[B, d]``, with axes of length 1 behind it where it is a convolution.
        features: ``d``.
    """

    def __init__(self, trunk: nn.Module, head: nn.Module, *, features: int) -> None:
        super().__init__()
        self.trunk, self.head, self.features = trunk, head, features

    def forward(self, x: Tensor) -> DiscriminatorOutput:  # [B, *x] -> score [B], code [B, d]
        """Features and their mean."""
        code = self.head(self.trunk(x)).flatten(1)
        return DiscriminatorOutput(code.mean(1), code=code)


class TwoHeads(nn.Module):
    """A trunk under two heads.

    Arguments:
        trunk: ``[B, *x]`` to what both heads take.
        score: To ``[B]``.
        generator: To ``[B, K]``, with axes of length 1 behind it where it is a convolution.
    """

    def __init__(self, trunk: nn.Module, score: nn.Module, *, generator: nn.Module) -> None:
        super().__init__()
        self.trunk, self.score, self.generator = trunk, score, generator

    def forward(self, x: Tensor) -> DiscriminatorOutput:  # [B, *x] -> score [B], generator_logits [B, K]
        """The outputs of both heads."""
        shared = self.trunk(x)
        return DiscriminatorOutput(self.score(shared), generator_logits=self.generator(shared).flatten(1))


class CodeHeads(nn.Module):
    """A discriminator whose output has a code ``[B, d]``, and a linear map of that code to ``[B, K]``."""

    def __init__(self, discriminator: nn.Module, generator: nn.Module) -> None:
        super().__init__()
        self.judge, self.generator = discriminator, generator  # names that checkpoints hold

    def forward(self, x: Tensor) -> DiscriminatorOutput:  # [B, *x] -> score [B], code [B, d], generator_logits [B, K]
        """The output, with logits of which generator made the sample."""
        output: DiscriminatorOutput = self.judge(x)
        return replace(output, generator_logits=self.generator(output.code))


def _cut(module: nn.Module) -> tuple[nn.Sequential, _Head, list[nn.Module]]:
    """Trunk, last layer, and the reshaping layers after it."""
    layers = list(_layers(module))
    tail: list[nn.Module] = []
    while layers and isinstance(layers[-1], Score | nn.Flatten | ScorePerSample):
        tail.insert(0, layers.pop())
    last = layers.pop() if layers else module
    # Subclasses carry more than a weight and a bias, such as a spectral norm, which a new layer would lose.
    if (type(last) is nn.Linear and last.out_features == 1) or (type(last) is nn.Conv2d and last.out_channels == 1):
        return nn.Sequential(*layers), last, tail
    raise Refused(
        f"The discriminator ends in {type(last).__name__}, and its last layer cannot be told from the rest: a chain "
        f"(nn.Sequential) is expected that ends in a Linear or Conv2d layer with one output."
    )


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    if type(module) is nn.Sequential:
        for layer in module:
            yield from _layers(layer)
    elif type(module) is ScorePerSample:
        yield from _layers(module.judge)
        yield ScorePerSample(nn.Identity())
    else:
        yield module


def _like(head: _Head, outputs: int) -> _Head:
    """A fresh layer of the same inputs, in PyTorch's default initialisation."""
    bias = head.bias is not None  # pyright: ignore[reportUnnecessaryComparison] - None when built with bias=False
    if isinstance(head, nn.Linear):
        return nn.Linear(head.in_features, outputs, bias=bias).to(head.weight)
    fresh = nn.Conv2d(
        head.in_channels,
        outputs,
        head.kernel_size,  # pyright: ignore[reportArgumentType] - typed as a tuple of any length, holds two numbers
        stride=head.stride,  # pyright: ignore[reportArgumentType]
        padding=head.padding,  # pyright: ignore[reportArgumentType]
        dilation=head.dilation,  # pyright: ignore[reportArgumentType]
        padding_mode=head.padding_mode,
        bias=bias,
    )
    return fresh.to(head.weight)


def _linear_beside(discriminator: AutoEncoder | Embedded, outputs: int) -> nn.Linear:
    return nn.Linear(discriminator.features, outputs).to(next(discriminator.parameters()))
