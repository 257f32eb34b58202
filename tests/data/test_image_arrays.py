"""Arrays of images arrive unchanged: 8-bit ones as they are, floating point in [-1, 1], and wrong ones are refused."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gantlet.catalogue import find
from gantlet.data.base import Dataset
from gantlet.data.images import ImageSource
from gantlet.data.prepared import PreparedSet
from gantlet.errors import BadData


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def own(path: str, **given: object) -> ImageSource:
    """The source of the task ``images``."""
    from dataclasses import replace

    return replace(find("task", "images").source, data_path=path, **given)


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


def test_colour_images_are_the_same_from_either_layout(tmp_path: Path) -> None:
    last = colours()
    expected = last.transpose(0, 3, 1, 2) / 127.5 - 1
    found = {}
    for layout, values in (("[N, H, W, C]", last), ("[N, C, H, W]", last.transpose(0, 3, 1, 2))):
        data = own(saved(tmp_path, values)).load()
        assert data.shape == (3, 5, 7)
        assert data.facts["layout"] == layout
        assert data.facts["scaled_from"] == "8-bit, 0..255"
        found[layout] = data
        everything = rows(data.floats(data.train), data.test)
        np.testing.assert_allclose(everything, sorted(expected.reshape(10, -1).tolist()), atol=1e-6)
    assert torch.equal(*(data.train for data in found.values()))
    assert found["[N, C, H, W]"].train.is_contiguous()


@pytest.mark.parametrize("shape", [(10, 6, 8), (10, 1, 6, 8), (10, 6, 8, 1)])
def test_grey_images_get_one_channel(shape: tuple[int, ...], tmp_path: Path) -> None:
    pixels = colours(10, 6, 8, 1)
    data = own(saved(tmp_path, pixels.reshape(shape))).load()
    assert data.shape == (1, 6, 8)
    np.testing.assert_allclose(
        rows(data.floats(data.train), data.test), sorted((pixels / 127.5 - 1).reshape(10, -1).tolist()), atol=1e-6
    )


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floating_point_scales_are_detected_and_stated(kind: type, tmp_path: Path) -> None:
    unit = np.linspace(0, 1, 10 * 6 * 6).reshape(10, 6, 6)
    found = {}
    for scale, values in (("[0, 1]", unit), ("[-1, 1]", 2 * unit - 1)):
        data = own(saved(tmp_path, values.astype(kind))).load()
        assert data.facts["scaled_from"] == f"floating point, {scale}"
        found[scale] = torch.cat([data.train, data.test])
        assert (float(found[scale].min()), float(found[scale].max())) == (-1.0, 1.0)
        assert found[scale].dtype == torch.float32
    torch.testing.assert_close(*found.values(), atol=2e-3 if kind == np.float16 else 1e-6, rtol=0)


def test_rounding_beyond_the_range_is_cut_off(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 250).reshape(10, 5, 5)
    values[3, 2, 1], values[4, 2, 1] = 1 + 5e-5, -5e-5
    data = own(saved(tmp_path, values)).load()
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
        (np.zeros((9, 8, 8, 4)), "has four channels of floating point; expected 1 or 3"),
        (np.zeros((9, 4, 8, 8)), "has four channels"),
        (np.zeros((9, 8, 8, 2)), r"expected \[N, H, W\], \[N, C, H, W\] or \[N, H, W, C\] with C = 1, 3 or 4"),
        (np.ones((9, 8, 8), np.uint8), "has 8-bit pixels up to 1, not 255; save 0 and 1 as floating point"),
        (np.full((9, 8, 8), 200, np.int64), "holds int64; images are uint8, 0 to 255"),
        (np.full((9, 8, 8), 255.0), r"has pixels from 255 to 255; .* Divide by 255, or save as uint8"),
        (np.linspace(-3, 3, 576).reshape(9, 8, 8), r"pixels from -3 to 3; expected \[0, 1\] or \[-1, 1\]\.$"),
        (np.full((9, 8, 8), np.inf), r"576 values that are not finite; the first is inf at \[0, 0, 0\]"),
        (colours(3), "holds too few samples: 3"),
    ],
)
def test_what_is_no_set_of_images_is_refused(values: np.ndarray, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=words):
        own(saved(tmp_path, values)).load()


@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_that_are_prepared_give_the_same_data_set(channels: int, tmp_path: Path, cache: Path) -> None:
    """In memory as they are, or through the shards of the cache, resident or streamed: the same images and labels."""
    pixels = colours(30, 6, 8, channels)
    np.savez(tmp_path / "own.npz", images=pixels, labels=np.arange(30) % 3)
    path = str(tmp_path / "own.npz")
    whole = own(path).load()
    assert not cache.exists(), "nothing is copied"
    assert (whole.train.dtype, whole.classes) == (torch.uint8, ("0", "1", "2"))
    for source in (
        own(path, size="6x8"),
        own(path, size="6x8", colour="grey" if channels == 1 else "rgb"),
        own(path, in_memory="false"),
    ):
        other = source.load()
        pool = other.train if other.streamed is None else other.streamed.take(torch.arange(24))
        assert pool.equal(whole.train)
        assert other.test.equal(whole.test)
        for one, same in ((other.train_labels, whole.train_labels), (other.test_labels, whole.test_labels)):
            assert one is not None
            assert same is not None
            assert one.equal(same)
    assert isinstance(own(path, size="6x8").prepared(), PreparedSet)
    assert own(path, in_memory="false").load().streamed is not None
    assert own(path, size="12x8").load().shape == (channels, 12, 8)
    assert own(path, colour="grey").load().shape == (1, 6, 8)


def same_either_way(path: str, reader: str, size: str) -> Dataset:
    """The data set held in memory as it is, after streaming and preparing gave the same classes and labels."""
    held = ImageSource(path, reader=reader, size="native", colour="native", in_memory="true").load()
    for in_memory in ("false", "true"):
        other = ImageSource(path, reader=reader, size=size, colour="grey", in_memory=in_memory).load()
        assert (other.streamed is None) == (in_memory == "true")
        assert other.classes == held.classes
        for one, same in ((other.train_labels, held.train_labels), (other.test_labels, held.test_labels)):
            assert one is not None
            assert same is not None
            # of a streamed pool the labels are those of its sample, here all of it
            assert one.equal(same)
    return held


def test_numbers_stay_in_order_however_many_classes_there_are(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", images=colours(48, 6, 8, 1), labels=(np.arange(48) * 5) % 12)
    data = same_either_way(str(tmp_path / "own.npz"), "array", "6x8")
    assert data.classes == tuple(map(str, range(12)))


def test_a_class_without_images_keeps_its_number(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", images=colours(40, 6, 8, 1), labels=np.arange(40) % 2 * 11)
    data = same_either_way(str(tmp_path / "own.npz"), "array", "6x8")
    assert data.classes == tuple(map(str, range(12)))
    assert data.train_labels is not None
    assert set(data.train_labels.tolist()) == {0, 11}


def test_named_classes_keep_the_order_of_their_names(tmp_path: Path) -> None:
    pixels, labels = colours(30, 6, 8, 1)[..., 0], (np.arange(30) % 3).astype(np.uint8)
    for what, values in (("images-idx3", pixels), ("labels-idx1", labels)):
        head = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
        (tmp_path / f"own-train-{what}-ubyte").write_bytes(head + values.tobytes())
    (tmp_path / "own-mapping.txt").write_text("0 122\n1 65\n2 109\n3 66\n")
    assert same_either_way(str(tmp_path), "idx", "6x8").classes == ("z", "A", "m", "B")


def test_large_numbers_are_names_of_the_classes_that_occur(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", images=colours(40, 6, 8, 1), labels=3_000_000 + np.arange(40) % 20)
    data = same_either_way(str(tmp_path / "own.npz"), "array", "6x8")
    assert data.classes == tuple(str(3_000_000 + number) for number in range(20))
    assert data.train_labels is not None
    assert int(data.train_labels.max()) == 19


def test_floating_point_keeps_its_values_unless_a_size_is_asked_for(tmp_path: Path) -> None:
    values = np.random.default_rng(3).random((20, 8, 8)).astype(np.float32)
    path = saved(tmp_path, values)
    exact = own(path).load()
    assert rows(exact.train, exact.test) == sorted((values * 2 - 1).reshape(20, -1).tolist())
    assert own(path, size="8").load().train.equal(exact.train)
    rounded = own(path, in_memory="false", train_size=16).load()
    assert rounded.train.dtype == torch.uint8
    assert float((rounded.floats(rounded.train) - exact.train).abs().max()) <= 1.01 / 255
    assert own(path, size="4").load().shape == (1, 4, 4)


def test_transparency_is_blended_and_parts_and_names_of_files_are_understood(tmp_path: Path) -> None:
    half = np.zeros((10, 6, 6, 4), dtype=np.uint8)
    half[..., 0], half[..., 3] = 255, 128
    data = own(saved(tmp_path, half)).load()
    assert data.train.shape == (8, 3, 6, 6)
    assert set(data.train[:, 1].flatten().tolist()) == {127}, "white behind"
    pixels = colours(12, 6, 8, 1)
    np.savez(tmp_path / "parts.npz", x_train=pixels[:9], x_test=pixels[9:], y_train=np.arange(9), y_test=np.arange(3))
    parts = own(str(tmp_path / "parts.npz")).load()
    assert (parts.size, len(parts.test), len(parts.classes)) == (9, 3, 9)
    np.save(tmp_path / "test-faces.npy", pixels)
    assert own(str(tmp_path / "test-faces.npy")).load().size == 10, "a file of one part is split, whatever its name"


def test_arrays_of_several_sizes_need_a_size(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", x_train=colours(9, 6, 8, 1), x_test=colours(4, 8, 8, 1))
    with pytest.raises(BadData, match=r"size=native needs arrays of one shape, and .* has 6×8×1, 8×8×1. Give size=64"):
        own(str(tmp_path / "two.npz")).load()
    assert own(str(tmp_path / "two.npz"), size="8").load().shape == (1, 8, 8)
