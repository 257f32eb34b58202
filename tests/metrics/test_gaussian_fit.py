"""The Fréchet distance of features: known answers, SciPy's square root, its error, and files of other tools."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import linalg
from torch import Tensor

from gantlet.api.image_sets import open_set
from gantlet.errors import BadData, BadValue
from gantlet.metrics.distances import frechet, moments
from gantlet.metrics.gaussian_fit import RunningMoments, frechet_error, moments_of, read_statistics, write_statistics


def draws(count: int, dimension: int, seed: int) -> Tensor:
    """Correlated, skewed features far from the origin, as networks make them: not negative, some never active."""
    numbers = torch.Generator().manual_seed(seed)
    mixed = torch.randn(dimension, dimension, generator=torch.Generator().manual_seed(9)) / dimension**0.5
    found = (torch.randn(count, dimension, generator=numbers) @ mixed + 0.2 * seed).relu()
    found[:, 0] = 0
    return found


def by_sqrtm(x: np.ndarray, y: np.ndarray) -> float:
    """As pytorch-fid computes it."""
    first, second = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", linalg.LinAlgWarning)  # singular, which is what features are
        root = linalg.sqrtm(first @ second)
    gap = x.mean(0) - y.mean(0)
    return float(gap @ gap + np.trace(first) + np.trace(second) - 2 * np.trace(root.real))


@pytest.mark.parametrize(("count", "dimension"), [(400, 16), (3000, 64), (50, 64)], ids=["small", "large", "singular"])
def test_it_equals_scipy(count: int, dimension: int) -> None:
    x, y = draws(count, dimension, 1), draws(count + 17, dimension, 2)
    ours = float(frechet(*moments_of(x), *moments_of(y)))
    assert ours == pytest.approx(by_sqrtm(x.double().numpy(), y.double().numpy()), rel=1e-4)


def test_two_known_gaussians_are_as_far_as_they_should_be() -> None:
    """‖μ₁ - μ₂‖² + Σ (σ₁ - σ₂)² for axis-aligned ones; 100,000 draws come within 1 %."""
    numbers = torch.Generator().manual_seed(1)
    first, second = torch.linspace(0.5, 2, 20), torch.linspace(3, 1, 20)
    x = torch.randn(100_000, 20, generator=numbers) * first
    y = torch.randn(100_000, 20, generator=numbers) * second + 0.3
    exact = 20 * 0.3**2 + float((first - second).square().sum())
    assert float(frechet(*moments_of(x), *moments_of(y))) == pytest.approx(exact, rel=0.01)


def test_moments_in_pieces_are_those_of_the_whole_even_far_from_the_origin() -> None:
    x = draws(9000, 8, 1) + 1000
    for found, known in zip(moments_of(x), moments(x), strict=True):
        torch.testing.assert_close(found, known, rtol=1e-9, atol=1e-9)
    running = RunningMoments.of(8)
    running.add(x)
    for found, known in zip(running.without(x[:4000]).moments(), moments(x[4000:]), strict=True):
        torch.testing.assert_close(found, known, rtol=1e-8, atol=1e-8)
    with pytest.raises(BadValue, match="at least 2 samples"):
        moments_of(x[:1])


def test_its_error_is_how_far_it_moves_with_other_samples() -> None:
    values, errors = [], []
    for seed in range(30):
        numbers = torch.Generator().manual_seed(seed)
        x, y = torch.randn(2, 500, 6, generator=numbers).unbind()
        values.append(float(frechet(*moments_of(x), *moments_of(y + 0.5))))
        errors.append(frechet_error(real=x, fake=y + 0.5))
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.35)
    assert np.isnan(frechet_error(real=torch.zeros(9, 2), fake=torch.zeros(900, 2)))


def as_pytorch_fid(path: Path, mu: np.ndarray, sigma: np.ndarray) -> Path:
    """``save_fid_stats`` of pytorch-fid, and clean-fid's: compressed, float64."""
    np.savez_compressed(path.with_suffix(".npz"), mu=mu, sigma=sigma)
    return path.with_suffix(".npz")


def as_studiogan(path: Path, mu: np.ndarray, sigma: np.ndarray) -> Path:
    """``prepare_moments`` of PyTorch-StudioGAN: not compressed, the mean of float32 features."""
    np.savez(path.with_suffix(".npz"), mu=mu.astype("float32"), sigma=sigma)
    return path.with_suffix(".npz")


def as_torch_fidelity(path: Path, mu: np.ndarray, sigma: np.ndarray) -> Path:
    """Its cache: a dict of NumPy arrays by torch.save, the mean in the features' float32."""
    torch.save({"mu": mu.astype("float32"), "sigma": sigma}, path.with_suffix(".pt"))
    return path.with_suffix(".pt")


@pytest.mark.parametrize("write", [as_pytorch_fid, as_studiogan, as_torch_fidelity])
def test_statistics_of_other_tools_are_read(write: Callable[..., Path], tmp_path: Path) -> None:
    known = moments_of(draws(300, 5, 1))
    found = read_statistics(write(tmp_path / "theirs", known.mean.numpy(), known.covariance.numpy()))
    assert (found.mean.dtype, found.covariance.dtype) == (torch.float64, torch.float64)
    assert float(frechet(*found, *known)) == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(found.covariance, known.covariance)


def test_other_tools_can_read_ours(tmp_path: Path) -> None:
    """By what they do: np.load, or torch.load and an assertion that the types of two means agree."""
    known = moments_of(draws(300, 5, 1))
    for name in ("ours.npz", "ours.pt"):
        write_statistics(tmp_path / name, known)
        assert float(frechet(*read_statistics(tmp_path / name), *known)) == pytest.approx(0, abs=1e-6)
    with np.load(tmp_path / "ours.npz") as held:
        assert sorted(held) == ["mu", "sigma"]
        np.testing.assert_array_equal(held["mu"], known.mean.numpy())
    theirs = torch.load(tmp_path / "ours.pt", weights_only=False)
    assert sorted(theirs) == ["mu", "sigma"]
    features = draws(300, 5, 1).float().numpy()
    mine = {"mu": np.mean(features, axis=0), "sigma": np.cov(features, rowvar=False)}
    for part, value in mine.items():
        assert (theirs[part].dtype, theirs[part].shape) == (value.dtype, value.shape)
        np.testing.assert_allclose(theirs[part], value, rtol=1e-4, atol=1e-6)


def test_a_pickle_that_runs_something_is_not_statistics(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"mu": np.zeros(2), "sigma": Trap()}, tmp_path / "trap.pt")
    with pytest.raises(BadData, match=r"cannot be read as reference statistics: .* \(UnpicklingError\)"):
        read_statistics(tmp_path / "trap.pt")
    assert not (tmp_path / "ran").exists()


def test_files_that_are_no_statistics_are_sentences(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", images=np.zeros(3))
    np.savez(tmp_path / "shapes.npz", mu=np.zeros(3), sigma=np.zeros((2, 2)))
    np.savez(tmp_path / "nan.npz", mu=np.zeros(2), sigma=np.full((2, 2), np.nan))
    np.savez(tmp_path / "pickle.npz", mu=np.array([{}], dtype=object), sigma=np.zeros((1, 1)))
    (tmp_path / "text.npz").write_text("no zip")
    (tmp_path / "text.pt").write_text("no pickle")
    torch.save([1, 2], tmp_path / "list.pt")
    for name in ("other.npz", "pickle.npz", "text.npz", "absent.npz", "text.pt", "list.pt", "absent.pt"):
        with pytest.raises(
            BadData, match=r"expected an .npz file with the arrays mu \[d\] and sigma \[d, d\], or a .pt"
        ):
            read_statistics(tmp_path / name)
    with pytest.raises(BadData, match=r"mu of shape \[3\] and sigma \[2, 2\]"):
        read_statistics(tmp_path / "shapes.npz")
    with pytest.raises(BadData, match="not finite"):
        read_statistics(tmp_path / "nan.npz")
    with pytest.raises(BadValue, match=r"FILE\.npz or FILE\.pt"):
        write_statistics(tmp_path / "x.txt", moments_of(draws(30, 2, 1)))


def test_damaged_statistics_are_sentences_and_change_nothing_in_this_process(tmp_path: Path) -> None:
    """Among these are pickles that name NumPy's own float64 and would set what it is, and streams that do not inflate."""
    known = moments_of(draws(300, 5, 1))
    numbers = np.random.default_rng(0)
    for name in ("whole.npz", "whole.pt"):
        write_statistics(tmp_path / name, known)
        whole = (tmp_path / name).read_bytes()
        for _ in range(80):
            content = bytearray(whole)
            content[numbers.integers(len(whole))] = numbers.integers(256)
            damaged = tmp_path / f"damaged{Path(name).suffix}"
            damaged.write_bytes(content)
            for read in (read_statistics, lambda path: open_set(str(path))):
                with suppress(BadData):
                    read(damaged)
    kind = np.dtype("float64")

    class Shared:
        """The one float64 of this process, with another order of bytes: ``dtype("f8", False, False)`` is not a copy."""

        def __reduce__(self) -> tuple[object, ...]:
            return np.dtype, ("f8", False, False), (3, ">", None, None, None, -1, -1, 0)

    torch.save({"mu": np.zeros(2), "sigma": Shared()}, tmp_path / "shared.pt")
    with pytest.raises(BadData, match="cannot be read as reference statistics"):
        read_statistics(tmp_path / "shared.pt")
    assert (kind.byteorder, kind.isnative, float(np.ones(2).sum())) == ("=", True, 2.0)
