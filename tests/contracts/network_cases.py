"""The table behind the contract tests of networks: every family under a few options, on a few sample shapes.

A new name in the catalogue needs a line here (a test says so); everything else follows from the line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gantlet.catalogue import find
from gantlet.networks.base import Family

__all__ = ["FAMILIES_OF_NETWORKS", "NetworkCase", "network", "published"]


@dataclass(frozen=True)
class NetworkCase:
    """A family, the shapes it is tried on, and counted parameters (latent, shape, generator, discriminator).

    The discriminator is counted for a team of ten generators.
    """

    name: str
    family: Family
    shapes: tuple[tuple[int, ...], ...] = ((2,), (1, 6, 5))
    counts: tuple[tuple[int, tuple[int, ...], int, int], ...] = ()

    def __str__(self) -> str:
        return f"{self.name}-{self.family}"


def network(name: str, *, shapes: Any = ((2,), (1, 6, 5)), counts: Any = (), **options: Any) -> NetworkCase:
    return NetworkCase(name, find("network", name)(**options), shapes, counts)


def published(name: str, *counts: tuple[int, tuple[int, ...], int, int], **options: Any) -> NetworkCase:
    """A family at its published size: counted, not tried."""
    return network(name, shapes=(), counts=counts, **options)


IMAGES = ((1, 28, 28), (3, 28, 28))
GREY = ((1, 16, 16),)
# dcgan28 by hand: G 16·(16·49) + 2·16 + 16·8·16 + 2·8 + (8·1·16 + 1), D (1·8·16 + 8) + 8·16·16 + 2·16 + (16·49 + 1).
FAMILIES_OF_NETWORKS = (
    network("mlp", counts=[(2, (2,), 483_202, 121_401)]),
    network("mlp", g_width=8, g_depth=0, d_width=8, d_depth=1, output="tanh", counts=[(3, (2,), 8, 33)]),
    network("stackelberg-mixture", counts=[(2, (2,), 82, 133_121)]),
    network("stackelberg-mixture", g_hidden=32, output="linear", counts=[(2, (2,), 162, 133_121)]),
    network("stackelberg-mixture", g_hidden=128, counts=[(2, (2,), 642, 133_121)]),
    network("stackelberg-mixture", g_hidden=128, g_depth=4, counts=[(2, (2,), 692_354, 133_121)]),
    network("branch-mixture", counts=[(2, (2,), 695_938, 133_121)]),
    network("branch-mixture", g_hidden=8, d_hidden=8, bn_eps=0.8),
    network("fc-mnist", counts=[(96, (1, 28, 28), 1_952_528, 267_009)]),
    network("dcgan28", width=8, shapes=IMAGES, counts=[(16, (1, 28, 28), 14_769, 3_001)]),
    network("dcgan28", width=8, d_norm="layer", g_norm="none", shapes=IMAGES),
    network("dcgan28", width=8, d_norm="none", shapes=IMAGES),
    network("dcgan", width=2, shapes=((1, 28, 28), (2, 20, 20))),
    network("dcgan", width=2, d_width=3, kernel_size=4, first_norm=False, d_norm="layer", init="xavier", shapes=GREY),
    network("dcgan", width=2, kernel_size=3, g_norm="none", d_norm="none", init="xavier", shapes=GREY),
    published("dcgan", (100, (3, 64, 64), 18_869_379, 4_315_649), first_norm=False, init="xavier"),
    published("dcgan", (100, (3, 64, 64), 18_868_483, 4_314_753), g_norm="none", d_norm="none"),
    published("dcgan", (32, (3, 64, 64), 17_755_267, 17_232_897), first_norm=False, d_width=128),
    # EBGAN's generator; this discriminator by hand: 16·(3·64 + 64·128 + 128·256 + 256·512) + 64 + 2·896 + 8192 + 1.
    published("dcgan", (100, (3, 64, 64), 12_672_771, 2_765_633), first_norm=False, kernel_size=4),
    network("lsgan", width=2, shapes=GREY),
    network("lsgan", width=2, d_norm="layer", init="xavier", shapes=((3, 32, 32),)),
    published("lsgan", (1024, (3, 64, 64), 6_934_595, 4_315_649), (100, (3, 64, 64), 3_149_891, 4_315_649)),
    network("dcgan4", width=2, shapes=((3, 32, 32),)),
    network("dcgan4", width=2, d_norm="layer", init="default", shapes=GREY),
    network("dcgan4", width=2, d_norm="none", shapes=GREY),
    published(
        "dcgan4",
        (100, (3, 64, 64), 3_576_704, 2_765_568),
        (100, (3, 112, 112), 5_266_304, 2_782_464),
        (100, (3, 32, 32), 2_962_304, 2_759_424),
    ),
    network("stacked-mnist", width=1, shapes=IMAGES, counts=[(100, (3, 28, 28), 34_888, 6_360)]),
    network("stacked-mnist", width=1, d_norm="none", init="default", shapes=((1, 28, 28),)),
    published("stacked-mnist", (100, (3, 28, 28), 208_672, 94_560), width=4),
    published("stacked-mnist", (100, (3, 28, 28), 601_664, 373_440), width=8),
    network("stackelberg-mnist", g_hidden=4, d_hidden=4),
    network("stackelberg-mnist", g_hidden=4, d_hidden=4, bn_eps=0.8, output="linear", shapes=((2,),)),
    published("stackelberg-mnist", (100, (1, 28, 28), 482_448, 536_075)),
    network("stackelberg-fashion", g_hidden=3, d_hidden=4),
    network("stackelberg-fashion", g_hidden=3, d_hidden=4, bn_eps=0.8, output="linear", shapes=((2,),)),
    published("stackelberg-fashion", (2, (1, 28, 28), 1_497_488, 536_075)),
    network("stackelberg-cifar", g_width=2, d_width=2, shapes=((3, 16, 16),)),
    network("stackelberg-cifar", g_width=2, d_width=2, g_layers=4, d_norm="layer", shapes=GREY),
    network("stackelberg-cifar", g_width=2, d_width=2, g_layers=1, d_norm="none", shapes=((1, 8, 8),)),
    published("stackelberg-cifar", (100, (3, 32, 32), 2_483_715, 4_198_411)),
    # By hand: (100 + 1)·16·512 + 25·512·256 + 256 + 25·256·128 + 128 + 25·128·3 + 3, and one scale more.
    published("stackelberg-cifar", (100, (3, 32, 32), 4_933_379, 4_198_411), g_layers=3),
    published("stackelberg-cifar", (100, (3, 32, 32), 17_627_395, 4_198_411), g_layers=4),
    network("notebook-conv", g_width=2, d_width=2, hidden=5, shapes=IMAGES),
    published("notebook-conv", (96, (1, 28, 28), 6_675_009, 1_102_721)),
    network("notebook-critic", g_width=2, d_width=2, hidden=5, shapes=((1, 28, 28), (2, 16, 16))),
    network("notebook-critic", g_width=2, d_width=2, hidden=5, d_norm="batch", shapes=GREY),
    network("notebook-critic", g_width=2, d_width=2, hidden=5, d_norm="layer", shapes=GREY),
    published("notebook-critic", (96, (1, 28, 28), 6_675_009, 3_411_393), d_norm="batch"),
    network("dragan-mnist", hidden=8),
    network("dragan-mnist", hidden=8, output="linear", shapes=((2,),)),
    network("dragan-mnist", hidden=8, output="sigmoid", shapes=((2,),)),
    published("dragan-mnist", (100, (1, 28, 28), 114_064, 100_609)),
    network("autoencoder", g_width=16, d_width=5, code=3),
    network("autoencoder", g_width=16, d_width=5, code=3, energy="l1", output="tanh"),
    # By hand: (2 + 1)·256 + 257·256 + 257·2 and (2 + 1)·256 + 257·32 + 33·256 + 257·2.
    published("autoencoder", (2, (2,), 67_074, 17_954)),
    network("ebgan", width=2, shapes=((1, 28, 28), (2, 16, 24))),
    network("ebgan", width=2, d_norm="none", energy="mse", output="linear", shapes=GREY),
    published("ebgan", (100, (3, 64, 64), 12_672_771, 1_318_083)),
    network("began", width=2, code=3, shapes=((1, 28, 28), (2, 16, 24))),
    network("began", width=2, code=3, energy="l2", output="tanh", shapes=GREY),
    published("began", (64, (3, 64, 64), 1_716_611, 17_977_411)),
    network("wgan-gp-resnet", width=2, shapes=((1, 28, 28), (2, 16, 24))),
    network("wgan-gp-resnet", width=2, d_norm="none", g_norm="none", output="linear", shapes=GREY),
    published("wgan-gp-resnet", (100, (3, 64, 64), 8_311_107, 7_491_841), (128, (3, 64, 64), 8_540_483, 7_491_841)),
    network("r3gan", width=4, groups=2, blocks=1, shapes=((1, 28, 28), (2, 16, 24))),
    network("r3gan", width=3, groups=1, output="tanh", shapes=GREY),
    network("bogonet", architecture=10**18, width=2, shapes=GREY),
    network("bogonet", architecture=2, family="mlp", width=2, d_batch_norm=True),
    network("bogonet", architecture=3, family="dcgan", width=2, d_batch_norm=True, shapes=GREY),
    network("bogonet", architecture=5, family="resnet", width=2, d_batch_norm=True, shapes=GREY),
)
