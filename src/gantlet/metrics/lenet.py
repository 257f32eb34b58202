r"""LeNet-5, and how it is trained to read 28×28 grey images.

Adam with one cycle of the learning rate, on images that are moved, turned, sheared and scaled at random:

.. math::
    x'(u) = x(A u + t), \qquad A = I + 0.2\,\varepsilon, \quad \varepsilon_{ij} \sim N(0, 1), \quad
    t_i \sim U(-0.14, 0.14)

with u in [-1, 1]². A tenth of the training images is held back to choose the epoch.

Legend: ``N`` images, ``C`` classes.

Reference:
    | Gradient-based learning applied to document recognition (LeCun et al., 1998), https://doi.org/10.1109/5.726791
    | Super-convergence (Smith, Topin, 2017), https://arxiv.org/abs/1708.07120: the cycle of the learning rate
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ClassifierRecipe", "LeNet", "accuracy_of", "fit"]

_CHUNK = 4096  # images warped at once


@dataclass(frozen=True)
class ClassifierRecipe:
    """How a classifier is trained.

    Attributes:
        seed: Of everything random.
        epochs: Passes over the images that are not held back.
        batch: Images of a step.
        peak_rate: The largest learning rate of the cycle.
        weight_decay: Adam's L2 term.
        warp: Standard deviation of each entry of the linear map around the identity.
        shift: The largest translation, as a share of half the image.
        held_back: Share of the images by which the epoch is chosen.
        version: Changes when the code below changes what it gives.
    """

    seed: int = 1
    epochs: int = 40
    batch: int = 128
    peak_rate: float = 1e-2
    weight_decay: float = 1e-5
    warp: float = 0.2
    shift: float = 0.14
    held_back: float = 0.1
    version: int = 1


class LeNet(nn.Module):
    """LeNet-5 with average pooling, for images in [-1, 1]: ``[N, 1, 28, 28] -> [N, 84], [N, C]``.

    Example:
        >>> sum(parameter.numel() for parameter in LeNet().parameters())
        61706
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.classes = classes
        self.body = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2),  # [N, 6, 28, 28]
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5),  # [N, 16, 10, 10]
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Flatten(),  # [N, 400]
            nn.Dropout(0.2),
            nn.Linear(400, 120),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(120, 84),
            nn.ReLU(),
        )
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(84, classes))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The features before the last layer, and the logits."""
        features = self.body((images + 1) / 2)
        return features, self.head(features)


def fit(net: LeNet, images: Tensor, labels: Tensor, recipe: ClassifierRecipe) -> float:
    """Train in place; the weights of the best epoch stay, and the network is left in eval mode.

    Dropout draws from torch's global random state; everything else from the recipe's seed.

    Arguments:
        net: The network, freshly initialised.
        images: ``[N, 1, 28, 28]`` in [-1, 1].
        labels: ``[N]`` int64, below the network's classes.
        recipe: How.

    Returns:
        The accuracy of the best epoch on the held-back images; the later epoch on a tie.
    """
    generator = torch.Generator().manual_seed(recipe.seed)
    kept, rest = torch.randperm(len(images), generator=generator).tensor_split(
        [max(1, int(len(images) * recipe.held_back))]
    )
    optimiser = torch.optim.Adam(net.parameters(), weight_decay=recipe.weight_decay, fused=True)
    steps = recipe.epochs * len(rest.split(recipe.batch))
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.peak_rate, total_steps=steps)
    best, weights = -1.0, net.state_dict()
    for _ in range(recipe.epochs):
        order = rest[torch.randperm(len(rest), generator=generator)]
        seen = _warped(images[order], generator, recipe)
        net.train()
        for x, y in zip(seen.split(recipe.batch), labels[order].split(recipe.batch), strict=True):
            optimiser.zero_grad()
            F.cross_entropy(net(x)[1], y).backward()
            optimiser.step()
            cycle.step()
        accuracy = accuracy_of(net, images[kept], labels[kept])
        if accuracy >= best:
            best, weights = accuracy, {name: value.clone() for name, value in net.state_dict().items()}
    net.load_state_dict(weights)
    return best


@torch.no_grad()
def accuracy_of(net: LeNet, images: Tensor, labels: Tensor) -> float:
    """The share of images ``[N, 1, 28, 28]`` whose likeliest class is their label; leaves eval mode on."""
    net.eval()
    logits = torch.cat([net(part)[1] for part in images.split(_CHUNK)])
    return (logits.argmax(1) == labels).double().mean().item()


def _warped(images: Tensor, generator: torch.Generator, recipe: ClassifierRecipe) -> Tensor:  # [N, 1, 28, 28]
    parts: list[Tensor] = []
    for part in images.split(_CHUNK):
        linear = torch.eye(2) + recipe.warp * torch.randn(len(part), 2, 2, generator=generator)
        shift = recipe.shift * (2 * torch.rand(len(part), 2, 1, generator=generator) - 1)
        grid = F.affine_grid(torch.cat([linear, shift], 2), list(part.shape), align_corners=False)
        # grid_sample fills with 0 what comes from outside, where the background is -1.
        parts.append(F.grid_sample(part + 1, grid, align_corners=False) - 1)
    return torch.cat(parts)
