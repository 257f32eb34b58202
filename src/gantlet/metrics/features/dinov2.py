r"""DINOv2's small vision transformer: features of shapes and parts rather than textures, from a file of the user's.

The file is the published ``state_dict`` (``dinov2_vits14_pretrain.pth``, the backbone without registers). Images are
brought to 224 pixels, 16 × 16 patches of 14, and normalised as ImageNet's are; the features are the class token's after
the last normalisation, 384 of them.

.. math::
    z_0 = [t; \, E p] + \pi, \qquad z'_l = z_{l-1} + \lambda_l \,\mathrm{MSA}(\mathrm{LN}(z_{l-1})), \qquad
    z_l = z'_l + \lambda'_l \,\mathrm{MLP}(\mathrm{LN}(z'_l))

with a class token t, patches p, positions π that are interpolated from 37 × 37, and per-channel scales λ.

gantlet carries no weights and its tests never ran the published ones: they compare this network with an independent
restatement, on random weights of the same names and shapes.

Legend: ``N`` images, ``T`` tokens, ``D`` width, ``h`` heads.

Reference:
    | DINOv2: learning robust visual features without supervision (Oquab et al., 2023), https://arxiv.org/abs/2304.07193
    | An image is worth 16x16 words (Dosovitskiy et al., 2021), https://arxiv.org/abs/2010.11929
    | Exposing flaws of generative model evaluation metrics (Stein et al., 2023), https://arxiv.org/abs/2306.04675: FD on DINOv2
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .base import ExtractorCard, Features, placed
from .pixels import ANTIALIASED, as_colour, resized
from .weights import StoredWeights, fill, find_weights, load_state

__all__ = ["DINOv2", "VisionTransformer"]

_NAME = "dinov2-vits14"
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_SIDE = 224


class VisionTransformer(nn.Module):
    """A vision transformer with scaled residuals, its parameters named as in DINOv2's files: ``[N, 3, H, W] -> [N, D]``.

    Arguments:
        width: D.
        depth: Blocks.
        heads: h, which divides D.
        patch: Pixels a side of a patch.
        grid: Patches a side for which positions were trained.

    Example:
        >>> sum(parameter.numel() for parameter in VisionTransformer().parameters())  # and 384 of the mask token
        22056192
    """

    def __init__(self, width: int = 384, depth: int = 12, heads: int = 6, patch: int = 14, grid: int = 37) -> None:
        super().__init__()
        self.patch, self.grid = patch, grid
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + grid * grid, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, patch, stride=patch)})
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, images: Tensor) -> Tensor:
        """The class token after the last normalisation."""
        maps = self.patch_embed["proj"](images)  # [N, D, h, w]
        tokens = torch.cat([self.cls_token.expand(len(images), -1, -1), maps.flatten(2).mT], 1)
        tokens = tokens + self._positions(maps.shape[2], maps.shape[3])
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)[:, 0]

    def _positions(self, height: int, width: int) -> Tensor:  # [1, T, D]
        if (height, width) == (self.grid, self.grid):
            return self.pos_embed
        places = self.pos_embed[:, 1:].mT.unflatten(2, (self.grid, self.grid))
        # The published network adds 0.1 before it divides, and passes the quotient on: positions are taken by that scale.
        scale = ((height + 0.1) / self.grid, (width + 0.1) / self.grid)
        moved = F.interpolate(places, scale_factor=scale, mode="bicubic", antialias=False)
        return torch.cat([self.pos_embed[:, :1], moved.flatten(2).mT], 1)


class _Scale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:  # [N, T, D]
        query, key, value = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # [N, h, T, D / h]
        return self.proj(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class _MLP(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn, self.mlp = _Attention(width, heads), _MLP(width)
        self.ls1, self.ls2 = _Scale(width), _Scale(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


@dataclass(frozen=True)
class DINOv2:
    """DINOv2's ViT-S/14: 384 features, no classes; from the published state_dict, a file of yours."""

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
            input_size=(_SIDE, _SIDE),
            input_range=(-2.1, 2.6),
            resizer=f"{ANTIALIASED}; then normalised by the mean and deviation of ImageNet's channels",
            dimension=384,
        )

    def __call__(self, images: Tensor) -> Features:
        """Features, ``[N, C, H, W]`` uint8 -> ``[N, 384]``."""
        pixels = resized(as_colour(images), (_SIDE, _SIDE)) / 255
        mean, deviation = (torch.tensor(row, device=images.device)[:, None, None] for row in (_MEAN, _DEVIATION))
        return Features(placed(self._net, images.device)((pixels - mean) / deviation))

    @cached_property
    def _stored(self) -> StoredWeights:
        return find_weights(_NAME)

    @cached_property
    def _net(self) -> VisionTransformer:
        net = VisionTransformer()
        state = load_state(_NAME, self._stored.path)
        state.pop("mask_token", None)  # only its training used it
        fill(_NAME, net, state)
        return net
