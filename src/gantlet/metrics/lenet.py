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

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantlet.errors import BadValue

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
        pooling: ``average`` or ``max``.
        activation: ``relu`` or ``tanh``.
        dropout: Share of the numbers that dropout sets to 0 before each linear layer.
        optimiser: ``adam``, or ``sgd`` without momentum.
        schedule: ``cycle``: one cycle up to ``peak_rate``; ``constant``: that rate throughout.
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
    pooling: Literal["average", "max"] = "average"
    activation: Literal["relu", "tanh"] = "relu"
    dropout: float = 0.2
    optimiser: Literal["adam", "sgd"] = "adam"
    schedule: Literal["cycle", "constant"] = "cycle"

    def __post_init__(self) -> None:
        limits = {
            "epochs": (self.epochs >= 1, "1 ≤ epochs"),
            "batch": (self.batch >= 1, "1 ≤ batch"),
            "peak_rate": (self.peak_rate > 0, "0 < peak_rate"),
            "weight_decay": (self.weight_decay >= 0, "0 ≤ weight_decay"),
            "held_back": (0 < self.held_back < 1, "0 < held_back < 1"),
            "pooling": (self.pooling in ("average", "max"), "average or max"),
            "activation": (self.activation in ("relu", "tanh"), "relu or tanh"),
            "dropout": (0 <= self.dropout < 1, "0 ≤ dropout < 1"),
            "optimiser": (self.optimiser in ("adam", "sgd"), "adam or sgd"),
            "schedule": (self.schedule in ("cycle", "constant"), "cycle or constant"),
        }
        for name, (right, expected) in limits.items():
            if not right:
                raise BadValue(f"{name}={getattr(self, name)} of a classifier's recipe is wrong: expected {expected}.")

    def described(self) -> dict[str, Any]:
        """Its values by name; those that came later only where they are not the defaults, so that old keys stay."""
        later = ("pooling", "activation", "dropout", "optimiser", "schedule")
        defaults = {each.name: each.default for each in fields(self)}
        return {name: value for name, value in asdict(self).items() if name not in later or value != defaults[name]}


class LeNet(nn.Module):
    """LeNet-5 as a recipe has it, for images in [-1, 1]: ``[N, 1, 28, 28] -> [N, 84], [N, C]``.

    Example:
        >>> sum(parameter.numel() for parameter in LeNet().parameters())
        61706
    """

    def __init__(self, classes: int = 10, recipe: ClassifierRecipe | None = None) -> None:
        super().__init__()
        self.classes = classes
        chosen = recipe or ClassifierRecipe()
        pool = nn.AvgPool2d if chosen.pooling == "average" else nn.MaxPool2d
        active = nn.ReLU if chosen.activation == "relu" else nn.Tanh
        self.body = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2),  # [N, 6, 28, 28]
            active(),
            pool(2),
            nn.Conv2d(6, 16, 5),  # [N, 16, 10, 10]
            active(),
            pool(2),
            nn.Flatten(),  # [N, 400]
            nn.Dropout(chosen.dropout),
            nn.Linear(400, 120),
            active(),
            nn.Dropout(chosen.dropout),
            nn.Linear(120, 84),
            active(),
        )
        self.head = nn.Sequential(nn.Dropout(chosen.dropout), nn.Linear(84, classes))

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
    steps = recipe.epochs * len(rest.split(recipe.batch))
    optimiser, schedule = _optimiser(net, recipe, steps)
    best, weights = -1.0, net.state_dict()
    for _ in range(recipe.epochs):
        order = rest[torch.randperm(len(rest), generator=generator)]
        seen = _warped(images[order], generator, recipe)
        net.train()
        for x, y in zip(seen.split(recipe.batch), labels[order].split(recipe.batch), strict=True):
            optimiser.zero_grad()
            F.cross_entropy(net(x)[1], y).backward()
            optimiser.step()
            schedule.step()
        accuracy = accuracy_of(net, images[kept], labels[kept])
        if accuracy >= best:
            best, weights = accuracy, {name: value.clone() for name, value in net.state_dict().items()}
    net.load_state_dict(weights)
    return best


def _optimiser(
    net: LeNet, recipe: ClassifierRecipe, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    parameters, decay = net.parameters(), recipe.weight_decay
    optimiser: torch.optim.Optimizer = (
        torch.optim.Adam(parameters, recipe.peak_rate, weight_decay=decay, fused=True)
        if recipe.optimiser == "adam"
        else torch.optim.SGD(parameters, recipe.peak_rate, weight_decay=decay, fused=True)
    )
    if recipe.schedule == "constant":
        return optimiser, torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0, total_iters=1)
    cycled = recipe.optimiser == "adam"  # of a decay that is cycled against the rate, where there is one
    return optimiser, torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.peak_rate, total_steps=steps, cycle_momentum=cycled
    )


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
