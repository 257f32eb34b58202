"""Stacked MNIST as an experiment: the published presets to the letter, and one run from files to counted modes."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import terminal
from gantlet import catalogue
from gantlet.data.base import Dataset
from gantlet.errors import BadData, Refused
from gantlet.metrics.compose import compose
from gantlet.requests.resolve import Resolved
from gantlet.studies.build import steps_of
from gantlet.tasks.stacked import STACKED_MNIST

TASK, SHAPE = "stacked-mnist:FOLDER", (3, 28, 28)


def resolved(method: str = "alpha", *words: str, preset: str = "paper") -> Resolved:
    (found,) = terminal.resolve(TASK, method, *words, preset=preset)
    return found


PUBLISHED = {
    "paper": {"pixel_range": "0..1", "init": "default", "lr_g": 5e-4, "lr_d": 5e-4, "epochs": 100.0},
    "current": {"pixel_range": "-1..1", "init": "normal", "lr_g": 1e-4, "lr_d": 1e-4, "epochs": 50.0},
}
NETWORKS = {"network": "stacked-mnist", "width": 1, "d_norm": "batch", "latent_dim": 100, "prior": "normal"}
ADAM = {"batch_size": 64, "beta1": 0.9, "beta2": 0.99, "optimiser": "adam", "n_critic": 1, "order": "d_first"}
FEED = {"latent": "pool", "reuse_fake": True, "train_size": 100_000, "test_size": 25_000, "saturating": False}


@pytest.mark.parametrize("preset", PUBLISHED)
def test_presets_are_the_published_settings(preset: str) -> None:
    said = NETWORKS | ADAM | FEED | PUBLISHED[preset]
    found = resolved(preset=preset)
    values = found.values
    assert {key: values[key] for key in said} == said
    assert steps_of(found.training, 100_000) == values["epochs"] * 1562


@pytest.mark.parametrize(("width", "generator", "discriminator"), [(1, 34_888, 6_360), (4, 208_672, 94_560)])
def test_networks_have_the_published_sizes(width: int, generator: int, discriminator: int) -> None:
    found = resolved("alpha", f"width={width}")
    family = found.family
    players = family.generator(latent=100, shape=SHAPE), family.discriminator(shape=SHAPE)
    assert [sum(p.numel() for p in player.parameters()) for player in players] == [generator, discriminator]


def first_kernel(preset: str) -> Tensor:
    found = resolved(preset=preset)
    torch.manual_seed(1)
    generator = found.family.generator(latent=100, shape=SHAPE)
    return next(part.weight for part in generator.modules() if isinstance(part, nn.ConvTranspose2d)).detach()


def test_the_paper_starts_from_torchs_own_weights_and_the_current_code_from_narrow_normal_ones() -> None:
    """Torch: uniform up to 1/√fan_in, with 32·3² for the first kernel of the generator; N(0, 0.02²) has no such edge."""
    edge = (32 * 9) ** -0.5
    uniform, normal = first_kernel("paper"), first_kernel("current")
    assert 0.99 * edge < float(uniform.abs().max()) <= edge
    assert float(uniform.std()) == pytest.approx(edge / 3**0.5, rel=0.02)
    assert float(normal.std()) == pytest.approx(0.02, rel=0.02)


def test_every_method_plays_with_the_paper_preset_or_says_why_not() -> None:
    refused: set[str] = set()
    for method in catalogue.names("method"):
        try:
            network = resolved(method).values["network"]
        except Refused:
            refused.add(method)
            continue
        assert network in STACKED_MNIST.networks
    assert not refused
    assert resolved("wgan-gp").values["network"] == "stacked-mnist-plain"


def test_labels_are_needed() -> None:
    images = torch.zeros(30, 3, 28, 28)
    unlabelled = Dataset(images, images, origin=Dataset(images[:, :1], images[:, :1]))
    for data in (Dataset(images, images), unlabelled):
        with pytest.raises(BadData, match="need labels"):
            compose(STACKED_MNIST.metrics, data)


def write_digits(folder: Path) -> None:
    """Ten classes told apart by where a bright row lies, in the four usual files."""
    for part, count in (("train", 120), ("t10k", 30)):
        labels = np.arange(count, dtype=np.uint8) % 10
        pixels = np.zeros((count, 28, 28), dtype=np.uint8)
        pixels[np.arange(count), 2 * labels + 4] = 255
        (folder / f"{part}-images-idx3-ubyte").write_bytes(
            bytes([0, 0, 8, 3]) + struct.pack(">III", count, 28, 28) + pixels.tobytes()
        )
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(
            bytes([0, 0, 8, 1]) + struct.pack(">I", count) + labels.tobytes()
        )


@pytest.mark.slow
def test_a_run_goes_from_files_to_counted_modes(tmp_path: Path) -> None:
    write_digits(tmp_path)
    words = ("alpha=1,2", "train_size=130", "test_size=40", "epochs=1", "samples=50", "evaluations=1")
    asked = terminal.request(f"stacked-mnist:{tmp_path}", "alpha", *words, preset="paper")
    terminal.trained(asked, tmp_path / "study")
    runs = pd.read_parquet(tmp_path / "study" / "runs.parquet")
    assert list(runs["status"]) == ["finished"] * 2
    assert list(runs["generator_steps"]) == [2] * 2  # of 130 images, two batches of 64
    assert runs["modes"].between(1, 50).all()
    assert runs["classification_error"].between(0, 1).all()
    assert set(runs["pixel_range"]) == {"0..1"}
