"""The user's points arrive unchanged but for the stated scale, and wrong ones are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gantlet.data.points import Points
from gantlet.errors import BadData


def saved(folder: Path, values: np.ndarray) -> str:
    """The path of a .npy file of these values."""
    np.save(folder / "own.npy", values)
    return str(folder / "own.npy")


def rows(*parts: Tensor) -> list[list[float]]:
    """All samples, flattened, in lexicographic order."""
    return sorted(torch.cat(parts).flatten(1).tolist())


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


def test_without_a_path_the_message_says_how_to_give_one() -> None:
    with pytest.raises(
        BadData, match=r"The task 'points' .* write points:FILE\.npy \(or \.npz, \.csv, \.tsv, \.txt, \.parquet\)\.$"
    ):
        Points(data_path="  ").load()


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path, np.arange(20.0))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Points(data_path="~/own.npy").load().shape == (1,)
    with pytest.raises(BadData, match="has no home folder"):
        Points(data_path="~nobody-of-this-name/own.npy").load()


@pytest.mark.parametrize("standardise", [False, True])
def test_points_of_which_float32_keeps_too_few_digits_are_refused(standardise: bool, tmp_path: Path) -> None:
    seconds = 1_700_000_000 + np.arange(40)
    (tmp_path / "own.csv").write_text("speed,time\n" + "".join(f"{i},{time}\n" for i, time in enumerate(seconds)))
    with pytest.raises(
        BadData, match=r"own.csv: column 1 \(time\), counted from 0, has numbers near 1.7e\+09 .* Subtract an offset"
    ):
        Points(data_path=str(tmp_path / "own.csv"), standardise=standardise).load()
    ids = np.random.default_rng(1).integers(1 << 62, size=(40, 2), dtype=np.uint64)
    with pytest.raises(BadData, match=rf"own.npy: {ids[0, 0]} has more digits than 64-bit floating point keeps"):
        Points(data_path=saved(tmp_path, ids), standardise=standardise).load()
    assert Points(data_path=saved(tmp_path, ids >> np.uint64(10) << np.uint64(10))).load().train.shape == (32, 2)
    days = (seconds - seconds[0]) * 86_400 + seconds[0]  # steps of 128 do not matter over forty days
    assert Points(data_path=saved(tmp_path, days)).load().train.shape == (32, 1)
