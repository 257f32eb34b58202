"""Latents by choice: truncation, ways between latents, latents of a file, and the nearest latents of given samples."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torch import nn

import gantlet
import terminal
from gantlet.api.latents import read_latents, truncated, walk
from gantlet.api.project import nearest_latents, read_targets
from gantlet.api.sampler import draw_member
from gantlet.data.specification import SampleSpec
from gantlet.errors import BadData, BadValue, FolderInUse
from gantlet.studies.store import Store
from gantlet.training.trained import LatentSpace, Team, TrainedGenerator

NORMAL = LatentSpace(3, "normal")


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two generators of 6 × 5 grey images."""
    folder = tmp_path_factory.mktemp("images")
    np.save(folder / "own.npy", np.random.default_rng(1).uniform(-1, 1, size=(60, 1, 6, 5)))
    words = ("generators=2", "steps=3", "latent_dim=3", "g_width=8", "d_width=8", "batch_size=8", "samples=16")
    return terminal.trained(terminal.request(f"images:{folder}/own.npy", "vanilla", *words), folder / "study").folder


def linear(seed: int, bias: float = 0.0) -> nn.Linear:
    layer = nn.Linear(3, 10)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(10, 3, generator=generator))
        layer.bias.fill_(bias)
    return layer.eval()


# Truncation


@pytest.mark.parametrize("limit", [0.3, 1.0, 2.5])
def test_truncated_latents_have_the_truncated_normal_distribution(limit: float) -> None:
    z = truncated(NORMAL.draw(4000, 1)[0], NORMAL, limit).flatten().double().numpy()
    assert abs(z).max() <= limit
    assert stats.kstest(z, stats.truncnorm(-limit, limit).cdf).pvalue > 0.01


def test_truncation_far_out_changes_nothing_and_keeps_the_order() -> None:
    z = NORMAL.draw(500, 1)[0]
    torch.testing.assert_close(truncated(z, NORMAL, 9.0), z, rtol=1e-5, atol=1e-6)
    flat = z.flatten()
    assert torch.equal(truncated(z, NORMAL, 0.5).flatten().argsort(), flat.argsort())


def test_a_uniform_prior_is_scaled_and_nonsense_is_refused() -> None:
    space = LatentSpace(3, "uniform")
    z = space.draw(100, 1)[0]
    assert torch.equal(truncated(z, space, 0.25), z * 0.25)
    for limit, words in ((2.0, "Give at most 1"), (0.0, "above 0"), (math.nan, "above 0")):
        with pytest.raises(BadValue, match=words):
            truncated(z, space, limit)


def test_sample_takes_truncation_and_a_file_of_latents(team: Path, tmp_path: Path) -> None:
    net = gantlet.load(team)
    z = truncated(NORMAL.draw(16, 5)[0], NORMAL, 0.5)
    np.save(tmp_path / "z.npy", z.numpy())
    made = []
    for name, words in (
        ("a", ["--latents", tmp_path / "z.npy"]),
        ("b", ["--seed", "5", "--truncation", "0.5", "--n", "8"]),
    ):
        out = tmp_path / f"{name}.npy"
        ended = terminal.gantlet("sample", team, "0", "--by-generator", *words, "--out", out)
        assert ended.status == 0, ended.err
        made.append(np.load(out))
    who = torch.arange(2).repeat_interleave(16)
    with torch.no_grad():
        of_file = net(z.repeat(2, 1), who)
        of_seed = net(z, who[8:24])  # eight of each generator
    np.testing.assert_allclose(made[0], of_file.numpy(), atol=1e-6)
    np.testing.assert_allclose(made[1], of_seed.numpy(), atol=1e-6)
    both = terminal.gantlet("sample", team, "0", "--latents", tmp_path / "z.npy", "--truncation", "1")
    assert both.status == 2
    assert "Leave one out" in both.err


def test_python_takes_folders_and_files_as_text_too(team: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", NORMAL.draw(4, 2)[0].numpy())
    given = gantlet.sample(str(team), latents=str(tmp_path / "z.npy"), out=str(tmp_path / "x.npy"))
    assert np.load(given).shape == (4, 1, 6, 5)
    typical = np.load(gantlet.sample(team, n=9, truncation=1e-4, out=tmp_path / "t.npy"))
    with torch.no_grad():
        middle = gantlet.load(team)(torch.zeros(2, 3), torch.arange(2)).numpy()  # of each generator
    assert abs(typical[:, None] - middle).max((2, 3, 4)).min(1).max() < 1e-3
    way = gantlet.interpolate(str(team), latents=str(tmp_path / "z.npy"), out=str(tmp_path / "way.png"))
    assert way == tmp_path / "way.png"
    assert way.is_file()
    assert gantlet.project(str(team), targets=str(given), steps=1).distances.shape == (4,)


def test_files_of_latents_are_checked(tmp_path: Path) -> None:
    (tmp_path / "z.csv").write_text("a,b,c\n1,2,3\n4,5,6\n")
    assert read_latents(tmp_path / "z.csv", 3).tolist() == [[1, 2, 3], [4, 5, 6]]
    np.save(tmp_path / "one.npy", np.ones(3))
    assert read_latents(tmp_path / "one.npy", 3).shape == (1, 3)
    np.save(tmp_path / "nan.npy", np.full((2, 3), np.nan))
    np.save(tmp_path / "words.npy", np.array([["a", "b", "c"]]))
    (tmp_path / "torn.npy").write_bytes(b"\x93NUMPY")
    for name, words in (
        ("nan", "not finite"),
        ("words", "expected numbers"),
        ("torn", "cannot be read"),
        ("no", "cannot"),
    ):
        with pytest.raises(BadData, match=words):
            read_latents(tmp_path / f"{name}.npy", 3)
    with pytest.raises(BadData, match=r"expected latents of this generator, \[N, 4\]"):
        read_latents(tmp_path / "z.csv", 4)
    with pytest.raises(BadValue, match=r"FILE\.npy or FILE\.csv"):
        read_latents(tmp_path / "z.txt", 3)


# Between latents


def test_a_walk_passes_through_each_latent(team: Path, tmp_path: Path) -> None:
    ends = NORMAL.draw(4, 2)[0]
    way = walk(ends, NORMAL, 5)
    assert way.shape == (3, 5, 3)
    assert torch.equal(way[:, 0], ends[:-1])
    assert torch.equal(way[:, -1], ends[1:])
    np.save(tmp_path / "ends.npy", ends.numpy())
    out = gantlet.interpolate(team, 0, latents=tmp_path / "ends.npy", steps=5, generator=1, out=tmp_path / "w.npy")
    with torch.no_grad():
        expected = gantlet.load(team)(way.flatten(0, 1), torch.ones(15, dtype=torch.int64))
    np.testing.assert_allclose(np.load(out), expected.numpy(), atol=1e-6)
    picture = terminal.gantlet("interpolate", team, "0", "--n", "3", "--steps", "4", "--out", tmp_path / "w.png")
    assert picture.status == 0
    with Image.open(tmp_path / "w.png") as image:
        assert image.width > image.height  # two rows of four
    for words, sentence in ((["--generator", "2"], "generators 0 to 1"), (["--n", "1"], "greater than or equal to 2")):
        assert sentence in " ".join(terminal.gantlet("interpolate", team, "0", *words).err.split())


# Nearest latents


def test_a_linear_generator_s_nearest_latent_is_that_of_least_squares() -> None:
    layer = linear(1, bias=0.5)
    generator = TrainedGenerator(layer, NORMAL, SampleSpec((10,), 9), "network").eval()
    targets = torch.randn(3, 10, generator=torch.Generator().manual_seed(4))
    found = nearest_latents(generator, targets, restarts=2, steps=100)
    weight, shift = layer.weight.detach().double(), targets.double() - 0.5
    expected = torch.linalg.lstsq(weight, shift.T).solution.T
    torch.testing.assert_close(found.latents.double(), expected, rtol=0, atol=2e-3)
    residual = (expected @ weight.T - shift).norm(dim=1)
    torch.testing.assert_close(found.distances, residual, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.rms, residual / math.sqrt(10), rtol=1e-5, atol=1e-6)


def test_the_generator_that_can_make_a_target_is_found() -> None:
    layers = [linear(1), linear(2, bias=3.0), linear(3, bias=-3.0)]
    generator = TrainedGenerator(
        Team(list(layers)), LatentSpace(3, "normal", 3), SampleSpec((10,), 9), "network"
    ).eval()
    z, owners = torch.randn(4, 3, generator=torch.Generator().manual_seed(2)), torch.tensor([2, 0, 1, 2])
    with torch.no_grad():
        targets = generator(z, owners)
    found = nearest_latents(generator, targets, restarts=2, steps=150)
    assert found.generators.tolist() == owners.tolist()
    assert float(found.distances.max()) < 1e-3
    torch.testing.assert_close(found.latents, z, rtol=0, atol=2e-3)


def test_latents_of_a_uniform_prior_stay_in_the_cube() -> None:
    generator = TrainedGenerator(nn.Identity(), LatentSpace(2, "uniform"), SampleSpec((2,), 9), "network").eval()
    found = nearest_latents(generator, torch.tensor([[3.0, 0.25]]), restarts=3, steps=150)
    torch.testing.assert_close(found.latents, torch.tensor([[1.0, 0.25]]), rtol=0, atol=1e-3)
    assert float(found.distances) == pytest.approx(2, abs=1e-3)


def test_a_generated_image_is_found_again_by_command(team: Path, tmp_path: Path) -> None:
    samples, owners = draw_member(team, 0, n=3, seed=9)
    np.save(tmp_path / "x.npy", samples.numpy())
    out = tmp_path / "found"
    ended = terminal.gantlet(
        "project", team, "0", tmp_path / "x.npy", "--steps", "200", "--restarts", "4", "--out", out
    )
    assert ended.status == 0, ended.err
    rows = json.loads((out / "projection.json").read_text())
    assert [row["generator"] for row in rows] == owners.tolist()
    assert max(row["distance"] for row in rows) < 1e-3
    with torch.no_grad():
        again = gantlet.load(team)(torch.from_numpy(np.load(out / "latents.npy")), owners)
    torch.testing.assert_close(again, samples, rtol=0, atol=1e-3)
    assert (out / "projection.png").is_file()
    with pytest.raises(FolderInUse):
        gantlet.project(team, 0, targets=tmp_path / "x.npy", out=out)


def test_targets_are_read_in_the_data_s_units(tmp_path: Path) -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
    Image.fromarray(pixels).save(tmp_path / "x.png")
    read = read_targets(tmp_path / "x.png", SampleSpec((1, 4, 6), 9, pixel_range=(0.0, 1.0)))
    np.testing.assert_allclose(read[0, 0].numpy(), pixels / 255, atol=1e-6)
    (tmp_path / "p.csv").write_text("h,w\n7,1\n3,2\n")
    spec = SampleSpec((2,), 9, mean=(5.0, 0.0), deviation=(2.0, 10.0))
    np.testing.assert_allclose(read_targets(tmp_path / "p.csv", spec).numpy(), [[1, 0.1], [-1, 0.2]], atol=1e-6)
    for name, words in (("x.png", "read from FILE.npy or FILE.csv"), ("no.csv", "no.csv")):
        with pytest.raises(BadData, match=words):
            read_targets(tmp_path / name, spec)
    with pytest.raises(BadData, match="expected samples"):
        read_targets(tmp_path / "p.csv", SampleSpec((3,), 9))


def test_points_are_projected_and_drawn(finished: Store, tmp_path: Path) -> None:
    samples, _ = draw_member(finished.folder, 2, n=2, seed=3)
    np.save(tmp_path / "x.npy", samples.numpy())
    found = gantlet.project(finished.folder, 2, targets=tmp_path / "x.npy", out=tmp_path / "o", steps=150, restarts=4)
    assert float(found.distances.max()) < 1e-3
    assert (tmp_path / "o" / "projection.png").is_file()


def test_a_folder_is_no_target(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="is a folder; expected an image"):
        read_targets(tmp_path, SampleSpec((1, 4, 4), pool=1))
