"""PacGAN on Stacked MNIST: packs of two samples against single ones.

The published protocol, as in the authors' code: 128,000 images of three digits, 50 epochs of 2,000 batches of 64 packs, Adam at
2e-4 (0.5, 0.999), latents from U[-1, 1]^100 that serve both players, images in [0, 1] though the generator ends in tanh, the
DCGAN of widths 64 to 512 down to 2×2 pixels, ten runs; 26,000 samples are read by a classifier of digits.

References:
    | PacGAN: The power of two samples in generative adversarial networks (Lin et al., 2018), https://arxiv.org/abs/1712.04086,
      and the authors' code
    | Maximum entropy generators for energy-based models (Kumar et al., 2019), https://arxiv.org/abs/1901.08508, table 1: the
      numbers of packs
    | The GAN is dead; long live the GAN! A modern baseline GAN (Huang et al., 2024), https://arxiv.org/abs/2501.05441, table 3:
      those of single samples
"""

from __future__ import annotations

from .table import PublishedCell, PublishedTable

__all__ = ["PACGAN_STACKED"]

PACGAN_STACKED = PublishedTable(
    name="pacgan-stacked-mnist",
    title="Stacked MNIST: a DCGAN on single samples and on packs of two",
    source="Lin et al. (2018), https://arxiv.org/abs/1712.04086, as quoted by Kumar et al. (2019), table 1; single samples: "
    "VEEGAN's DCGAN, as quoted by Huang et al. (2024), table 3",
    task="stacked-mnist",
    methods=("vanilla", "pacgan"),
    settings={
        "evaluations": 1,
        "network": "dcgan",
        "width": 64,
        "bn_decay": 0.9,
        "batch_size": 128,
        "steps": 100_000,
        "lr": 2e-4,
        "beta1": 0.5,
        "beta2": 0.999,
        "latent": "shared",
        "prior": "uniform",
        "reuse_fake": False,
        "pixel_range": "0..1",
        "train_size": 128_000,
        "samples": 26_000,
    },
    seeds=10,
    cells=(
        PublishedCell("vanilla", "modes", "mean", 99.0, n=1),
        PublishedCell("vanilla", "reverse_kl", "mean", 3.40, n=1),
        PublishedCell("pacgan", "modes", "mean", 1000.0, 0.0),
        PublishedCell("pacgan", "reverse_kl", "mean", 0.06, 0.01),
    ),
    departs="the authors' generator has two steps for each of the discriminator and starts at 2×2 pixels, gantlet's one and 7×7",
    notes=(
        "A batch is 128 images: 64 packs of two, as published, or 128 single ones, where it was 64.",
        "Digits of the training part alone are stacked, the authors' are of both parts; another classifier reads them; "
        "reverse_kl adds one to each count.",
        "The published deviations are quoted as they stand, perhaps standard errors over ten runs.",
        "It needs MNIST's files: pacgan-stacked-mnist:FOLDER, or gantlet data import mnist.",
    ),
)
