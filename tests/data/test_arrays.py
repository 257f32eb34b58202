"""The user's points and images arrive unchanged but for the stated scale, and wrong ones are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gantlet.data.arrays import Images, Points
from gantlet.errors import BadData


def saved(folder: Path, values: np.ndarray) -> str:
    """The path of a .npy file of these values."""
    np.save(folder / "own.npy", values)
    return str(folder / "own.npy")


def rows(*parts: Tensor) -> list[list[float]]:
    """All samples, flattened, in lexicographic order."""
    return sorted(torch.cat(parts).flatten(1).tolist())


def colours(count: int = 10, height: int = 5, width: int = 7, channels: int = 3) -> np.ndarray:
    """Channels-last 8-bit images that use the whole range."""
    pixels = np.random.default_rng(4).integers(0, 256, (count, height, width, channels), dtype=np.uint8)
    pixels[0, 0, 0, 0], pixels[1, 0, 0, 0] = 0, 255
    return pixels


def test_points_are_split_and_otherwise_left_alone(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(3, 5, (50, 2)).astype(np.float32)
    data = Points(data_path=saved(tmp_path, values)).load()
    assert (data.train.shape, data.test.shape) == ((40, 2), (10, 2))
    assert data.train.dtype == torch.float32
    assert rows(data.train, data.test) == sorted(values.tolist())
    assert data.mixture is None
    assert data.endless is None
    assert (data.facts["train"], data.facts["test"], data.facts["shape"]) == (40, 10, [2])
    assert "own.npy" in data.facts["source"]


@pytest.mark.parametrize(("shape", "dimensions"), [((20,), 1), ((20, 1), 1), ((20, 5), 5)])
def test_points_of_any_dimension_are_read(shape: tuple[int, ...], dimensions: int, tmp_path: Path) -> None:
    values = np.arange(np.prod(shape), dtype=np.int64).reshape(shape)
    data = Points(data_path=saved(tmp_path, values), test_share=0.5).load()
    assert data.train.shape == (10, dimensions)
    assert rows(data.train, data.test) == values.reshape(20, -1).tolist()


def test_points_from_csv(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("x,y\n" + "".join(f"{i},{i * i}\n" for i in range(10)))
    data = Points(data_path=str(tmp_path / "own.csv")).load()
    assert rows(data.train, data.test) == [[i, i * i] for i in range(10)]


def test_standardised_points_use_the_moments_of_the_training_pool(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal([1000, -3], [0.5, 20], (400, 2))
    raw = Points(data_path=saved(tmp_path, values)).load()
    data = Points(data_path=saved(tmp_path, values), standardise=True).load()
    torch.testing.assert_close(data.train.mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(data.train.std(0, correction=0), torch.ones(2), atol=1e-5, rtol=0)
    assert abs(float(data.test.mean(0)[0])) > 1e-4  # the test set has moments of its own
    mean, deviation = (torch.tensor(data.facts[name]) for name in ("mean", "standard_deviation"))
    torch.testing.assert_close(data.test * deviation + mean, raw.test, atol=1e-3, rtol=0)
    assert data.train.dtype == torch.float32


def test_a_constant_column_cannot_be_standardised(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(20, 3))
    values[:, 1] = 0.1
    with pytest.raises(BadData, match=r"column 1, counted from 0, is 0.1 in every training point"):
        Points(data_path=saved(tmp_path, values), standardise=True).load()
    assert Points(data_path=saved(tmp_path, values)).load().shape == (3,)


def test_the_split_is_keyed_by_data_seed(tmp_path: Path) -> None:
    path = saved(tmp_path, np.arange(40.0).reshape(20, 2))
    first, again, other = (Points(data_path=path, data_seed=seed).load() for seed in (1, 1, 2))
    assert torch.equal(first.test, again.test)
    assert first.facts["sha256"] == again.facts["sha256"]
    assert not torch.equal(first.test, other.test)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            np.zeros((9, 4, 4)),
            r"the shape \[9, 4, 4\], but points are \[N, d\]; for images use the task named 'images'",
        ),
        (np.zeros((4, 2)), "too few samples: 4, of which test_share=0.2 leaves 3 to train and 1 to test"),
        (np.full((9, 2), 1e39), "holds values beyond ±3.4e38, the range of float32"),
        (np.array([[0.0, 1.0]] * 5 + [[np.nan, 0.0]]), r"1 values that are not finite; .* nan at \[5, 0\]"),
    ],
)
def test_what_is_no_set_of_points_is_refused(values: np.ndarray, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=words):
        Points(data_path=saved(tmp_path, values)).load()


@pytest.mark.parametrize(("source", "name"), [(Points, "points"), (Images, "images")])
def test_without_a_path_the_key_is_named(source: type, name: str) -> None:
    with pytest.raises(BadData, match=rf"The data set '{name}' .* give data_path=FILE \(.npy"):
        source(data_path="  ").load()


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path, np.arange(20.0))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Points(data_path="~/own.npy").load().shape == (1,)
    with pytest.raises(BadData, match="has no home folder"):
        Points(data_path="~nobody-of-this-name/own.npy").load()


def test_colour_images_are_the_same_from_either_layout(tmp_path: Path) -> None:
    last = colours()
    expected = last.transpose(0, 3, 1, 2) / 127.5 - 1
    found = {}
    for layout, values in (("[N, H, W, C]", last), ("[N, C, H, W]", last.transpose(0, 3, 1, 2))):
        data = Images(data_path=saved(tmp_path, values)).load()
        assert data.shape == (3, 5, 7)
        assert data.facts["layout"] == layout
        assert data.facts["scaled_from"] == "8-bit, 0..255"
        found[layout] = data
        everything = rows(data.train, data.test)
        np.testing.assert_allclose(everything, sorted(expected.reshape(10, -1).tolist()), atol=1e-6)
    assert torch.equal(*(data.train for data in found.values()))
    assert found["[N, C, H, W]"].train.is_contiguous()


@pytest.mark.parametrize("shape", [(10, 6, 8), (10, 1, 6, 8), (10, 6, 8, 1)])
def test_grey_images_get_one_channel(shape: tuple[int, ...], tmp_path: Path) -> None:
    pixels = colours(10, 6, 8, 1)
    data = Images(data_path=saved(tmp_path, pixels.reshape(shape))).load()
    assert data.shape == (1, 6, 8)
    np.testing.assert_allclose(
        rows(data.train, data.test), sorted((pixels / 127.5 - 1).reshape(10, -1).tolist()), atol=1e-6
    )


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floating_point_scales_are_detected_and_stated(kind: type, tmp_path: Path) -> None:
    unit = np.linspace(0, 1, 10 * 6 * 6).reshape(10, 6, 6)
    found = {}
    for scale, values in (("[0, 1]", unit), ("[-1, 1]", 2 * unit - 1)):
        data = Images(data_path=saved(tmp_path, values.astype(kind))).load()
        assert data.facts["scaled_from"] == f"floating point, {scale}"
        found[scale] = torch.cat([data.train, data.test])
        assert (float(found[scale].min()), float(found[scale].max())) == (-1.0, 1.0)
        assert found[scale].dtype == torch.float32
    torch.testing.assert_close(*found.values(), atol=2e-3 if kind == np.float16 else 1e-6, rtol=0)


def test_rounding_beyond_the_range_is_cut_off(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 250).reshape(10, 5, 5)
    values[3, 2, 1], values[4, 2, 1] = 1 + 5e-5, -5e-5
    data = Images(data_path=saved(tmp_path, values)).load()
    assert data.facts["scaled_from"] == "floating point, [0, 1]"
    both = torch.cat([data.train, data.test])
    assert (float(both.min()), float(both.max())) == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((9, 2)), r"has the shape \[9, 2\]; images are .* For points use the task 'points'"),
        (np.zeros((64, 64, 3)), r"shape \[64, 64, 3\]; images are .* One image alone is not a data set"),
        (np.zeros((9, 1, 8, 8, 3)), r"has the shape \[9, 1, 8, 8, 3\]; images are"),
        (np.zeros((9, 3, 8, 3)), r"has the shape \[9, 3, 8, 3\], with channels first or last"),
        (np.zeros((9, 8, 8, 4)), r"has four channels \(\[9, 8, 8, 4\]\): transparency is no colour"),
        (np.zeros((9, 4, 8, 8)), "has four channels"),
        (np.zeros((9, 8, 8, 2)), r"expected \[N, C, H, W\] or \[N, H, W, C\], C = 1 or 3"),
        (np.ones((9, 8, 8), np.uint8), "has 8-bit pixels up to 1, not 255; save 0 and 1 as floating point"),
        (np.full((9, 8, 8), 200, np.int64), "holds pixels of the type int64; expected uint8 or"),
        (np.full((9, 8, 8), 255.0), r"has pixels from 255 to 255; .* Divide by 255, or save as uint8"),
        (np.linspace(-3, 3, 576).reshape(9, 8, 8), r"pixels from -3 to 3; expected \[0, 1\] or \[-1, 1\]\.$"),
        (np.full((9, 8, 8), np.inf), r"576 values that are not finite; the first is inf at \[0, 0, 0\]"),
        (colours(3), "holds too few samples: 3"),
    ],
)
def test_what_is_no_set_of_images_is_refused(values: np.ndarray, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=words):
        Images(data_path=saved(tmp_path, values)).load()
