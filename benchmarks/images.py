"""The convolutional pair that is measured, on both sides: DCGAN at 28×28 pixels on handwritten digits.

The plain side is written as usual: two ``nn.Sequential``, a shuffling ``DataLoader``, two fused ``torch.optim.Adam``, the
logistic losses, which are logged as Python floats at each step. One generator forward serves both players on both sides.

Legend: ``B`` batch.

Reference:
    | Unsupervised representation learning with deep convolutional generative adversarial networks
      (Radford et al., 2016), https://arxiv.org/abs/1511.06434
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus
from torch.utils.data import DataLoader

from gantlet.data.base import Dataset, to_floats
from gantlet.networks.dcgan import DCGAN28
from gantlet.requests.grid import axes_from_mapping
from gantlet.requests.resolve import Request, Resolved, expand
from gantlet.studies.build import blueprint
from gantlet.training.blueprint import Execution
from gantlet.training.fleet import Fleet

from .workloads import measured_route

__all__ = ["DCGAN", "LATENT", "PAIRS", "Images", "PlainImages", "dataset", "fleet", "resolved"]

LATENT = 100
SHAPE = (1, 28, 28)


@dataclass(frozen=True)
class Images:
    """A pair of convolutional networks, and how many are trained.

    ``goal`` is the least ratio of member-steps per second to the plain loop's that is asked for.
    """

    name: str
    width: int
    batch: int
    members: int
    goal: float

    def __str__(self) -> str:
        return f"width {self.width}, batch {self.batch}"


DCGAN = Images("dcgan28", width=32, batch=64, members=8, goal=1.3)
PAIRS = {pair.name: pair for pair in (DCGAN,)}


def resolved(pair: Images) -> Resolved:
    """The setting as ``gantlet run digits vanilla network=dcgan28 …`` resolves it."""
    keys = {
        "network": "dcgan28",
        "width": pair.width,
        "batch_size": pair.batch,
        "latent_dim": LATENT,
        "reuse_fake": True,
    }
    (setting,) = expand(Request("digits", ("vanilla",), tuple(axes_from_mapping(keys))))
    return setting


def dataset(setting: Resolved) -> Dataset:
    """The data of a setting: 4,000 training images."""
    return setting.source.load()


def fleet(pair: Images, members: int, *, first_seed: int = 1) -> Fleet:
    """Members with consecutive seeds, on the :func:`measured_route`."""
    setting = resolved(pair)
    data = dataset(setting)
    slots = [(setting, first_seed + place) for place in range(members)]
    return Fleet(
        blueprint(slots, data.specification, Execution(route=measured_route("stacked" if members > 1 else "loop"))),
        data,
    )


class PlainImages:
    """One seed in training.

    Arguments:
        pair: Sizes of networks and batch.
        images: The training images, ``[N, 1, 28, 28]``, floating point or 8-bit.

    Attributes:
        losses: (discriminator's, generator's) by step.
    """

    def __init__(self, pair: Images, images: Tensor, *, seed: int = 1) -> None:
        torch.manual_seed(seed)
        family = DCGAN28(width=pair.width)
        self.generator = family.generator(latent=LATENT, shape=SHAPE)
        self.discriminator = family.discriminator(shape=SHAPE)
        self.generator_optimiser, self.discriminator_optimiser = (
            torch.optim.Adam(player.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True)
            for player in (self.generator, self.discriminator)
        )
        self.losses: list[tuple[float, float]] = []
        self._real = DataLoader(
            list(to_floats(images, torch.float32)), batch_size=pair.batch, shuffle=True, drop_last=True
        )  # pyright: ignore[reportArgumentType]
        self._batches = self._endlessly()

    def advance(self) -> None:
        """Do one step with the next batch."""
        real = next(self._batches)
        self.step(real, 2 * torch.rand(len(real), LATENT) - 1)

    def step(self, real: Tensor, latents: Tensor) -> None:  # [B, 1, 28, 28], [B, latent]
        """Do one step: the discriminator moves, then the generator against it."""
        fake = self.generator(latents)
        self.discriminator_optimiser.zero_grad()
        loss_d = softplus(-self.discriminator(real)).mean() + softplus(self.discriminator(fake.detach())).mean()
        loss_d.backward()
        self.discriminator_optimiser.step()
        self.generator_optimiser.zero_grad()
        loss_g = softplus(-self.discriminator(fake)).mean()
        loss_g.backward()
        self.generator_optimiser.step()
        self.losses.append((float(loss_d.detach()), float(loss_g.detach())))

    def _endlessly(self) -> Iterator[Tensor]:
        while True:
            yield from self._real
