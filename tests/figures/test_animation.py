"""Films: the frames come back pixel by pixel, in order, for as long as they were asked to be shown."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

import terminal
from gantlet.api.animate import animate, frames_of
from gantlet.errors import BadData, BadValue, FolderInUse, StoreError

WHITE = 255
FAKE_FFMPEG = """#!/bin/sh
[ -n "$FILM_FAILS" ] && echo "first line" >&2 && echo "no such codec" >&2 && exit 1
for last; do true; done
while [ "$1" != "-i" ]; do shift; done
cp -r "$(dirname "$2")" "$FILM_FRAMES"
echo "$@" > "$last"
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A planned study of three runs; tests bring the pictures."""
    return terminal.study(tmp_path_factory.mktemp("film") / "study", "vanilla", "steps=1", seeds="3").folder


@pytest.fixture
def place(study: Path, tmp_path: Path) -> Path:
    """A study of its own, whose first member's folder of pictures is still empty."""
    folder = tmp_path / "own"
    folder.mkdir()
    shutil.copy(study / "study.json", folder)
    (folder / "samples" / "0").mkdir(parents=True)
    return folder


def draw(folder: Path, frames: dict[str, np.ndarray], run: int = 0) -> None:
    for name, frame in frames.items():
        Image.fromarray(frame).save(folder / "samples" / str(run) / f"{name}.png")


def greys(*sides: tuple[int, int], seed: int = 1) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, side, dtype=np.uint8) for side in sides]


def read(path: Path) -> tuple[list[np.ndarray], list[int]]:
    """Every frame and how many milliseconds it is shown."""
    with Image.open(path) as film:
        shown = [(np.asarray(frame.convert("RGB")), frame.info["duration"]) for frame in ImageSequence.Iterator(film)]
        assert film.info["loop"] == 0  # for ever
    return [frame for frame, _ in shown], [duration for _, duration in shown]


def as_colour(frames: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [frame if frame.ndim == 3 else np.stack([frame] * 3, -1) for frame in frames]


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_frames_come_back_in_order_with_the_last_one_held(place: Path, tmp_path: Path, kind: str) -> None:
    frames = greys(*[(20, 30)] * 4)
    names = ["000000009", "000000100", "001000000", "final"]  # neither in the order of the alphabet nor of creation
    draw(place, {name: frames[turn] for turn, name in reversed(list(enumerate(names)))})
    path = animate(place, 0, out=tmp_path / f"a.{kind}", seconds=0.1, hold=1.5)
    found, durations = read(path)
    assert len(found) == 4
    for frame, expected in zip(found, as_colour(frames), strict=True):
        assert np.array_equal(frame, expected)
    assert durations == [100, 100, 100, 1500]


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_smaller_frames_are_centred_on_white(place: Path, tmp_path: Path, kind: str) -> None:
    wide, high = greys((10, 40), (30, 20))
    draw(place, {"000000001": wide, "final": high})
    found, _ = read(animate(place, 0, out=tmp_path / f"a.{kind}"))
    expected = [np.full((30, 40), WHITE, np.uint8) for _ in range(2)]
    expected[0][10:20], expected[1][:, 10:30] = wide, high
    assert [frame.shape for frame in found] == [(30, 40, 3)] * 2
    assert all(np.array_equal(*pair) for pair in zip(found, as_colour(expected), strict=True))


def test_few_colours_are_exact_in_a_gif_and_many_in_webp(place: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    few = [rng.choice(np.array([[0, 114, 178], [213, 94, 0], [255, 255, 255]], np.uint8), (16, 16)) for _ in range(2)]
    draw(place, {"000000001": few[0], "final": few[1]})
    found, _ = read(animate(place, 0, out=tmp_path / "a.gif"))
    assert all(np.array_equal(*pair) for pair in zip(found, few, strict=True))
    many = [rng.integers(0, 256, (16, 40, 3), dtype=np.uint8) for _ in range(2)]  # 640 colours
    draw(place, {"000000001": many[0], "final": many[1]})
    found, _ = read(animate(place, 0, out=tmp_path / "a.webp"))
    assert all(np.array_equal(*pair) for pair in zip(found, many, strict=True))
    rough, _ = read(animate(place, 0, out=tmp_path / "b.gif"))
    assert 0 < np.abs(rough[0].astype(int) - many[0]).mean() < 25


def test_a_film_of_one_picture_and_the_default_place(place: Path) -> None:
    (only,) = greys((8, 8))
    draw(place, {"final": only})
    path = animate(place, 0)
    assert path == place / "samples" / "0" / "animation.gif"
    first = path.read_bytes()
    with Image.open(path) as film:
        assert film.is_animated is False
        assert np.array_equal(np.asarray(film.convert("L")), only)
    draw(place, {"000000001": greys((8, 8), seed=5)[0]})
    assert animate(place, 0).read_bytes() != first  # the default is made afresh when there are more pictures
    assert len(read(path)[0]) == 2


def test_only_pictures_of_steps_are_frames(place: Path) -> None:
    (frame,) = greys((8, 8))
    draw(place, dict.fromkeys(["000000002", "000000010", "final", "ownership", "seed-1-n-25"], frame))
    assert [path.stem for path in frames_of(place, 0)] == ["000000002", "000000010", "final"]
    assert frames_of(place, 1) == []


def test_no_pictures_is_one_sentence_that_names_who_has_some(place: Path) -> None:
    with pytest.raises(BadValue, match=r"Run 2 has no images in .*own\. No member of this study has any\."):
        animate(place, 2)
    draw(place, {"final": greys((8, 8))[0]})
    with pytest.raises(BadValue, match=r"Run 2 has no images .* Those with images are: 0\."):
        animate(place, 2)
    with pytest.raises(BadValue, match="There is no run 3"):
        animate(place, 3)
    with pytest.raises(StoreError, match="not a study folder"):
        animate(place / "samples", 0)


def test_files_that_exist_and_other_endings_are_refused(place: Path, tmp_path: Path) -> None:
    draw(place, {"final": greys((8, 8))[0]})
    (tmp_path / "a.gif").write_text("mine")
    with pytest.raises(FolderInUse, match=r"a\.gif exists already; nothing was written\. Choose another --out"):
        animate(place, 0, out=tmp_path / "a.gif")
    assert (tmp_path / "a.gif").read_text() == "mine"
    for name in ("a.avi", "a", "gif"):
        with pytest.raises(BadValue, match=r"must end in \.gif, \.webp or \.mp4"):
            animate(place, 0, out=tmp_path / name)


@pytest.mark.parametrize("seconds", [0.0, 0.019, 61.0, float("nan"), -1.0])
def test_times_out_of_range_are_refused(place: Path, seconds: float) -> None:
    draw(place, {"final": greys((8, 8))[0]})
    for times in ({"seconds": seconds}, {"hold": seconds}):
        with pytest.raises(BadValue, match=f"{next(iter(times))}=.* is out of range"):
            animate(place, 0, **times)


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"\xff" * 60])
def test_a_picture_that_cannot_be_read_is_named_and_nothing_is_left(
    place: Path, tmp_path: Path, content: bytes
) -> None:
    draw(place, {"final": greys((8, 8))[0]})
    (place / "samples" / "0" / "000000001.png").write_bytes(content)
    with pytest.raises(BadData, match=r"000000001\.png cannot be read: (?!.*object at)"):
        animate(place, 0, out=tmp_path / "deep" / "a.gif")
    assert not (tmp_path / "deep").exists()


def test_a_picture_that_would_fill_the_memory_is_not_opened(place: Path, tmp_path: Path) -> None:
    Image.new("1", (9_500, 9_500)).save(place / "samples" / "0" / "final.png")
    with pytest.raises(BadData, match="it is too large"):
        animate(place, 0, out=tmp_path / "a.gif")


def test_without_ffmpeg_an_mp4_is_refused_by_name(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    draw(place, {"final": greys((8, 8))[0]})
    with pytest.raises(BadValue, match=r"ffmpeg, which is not installed\. Write a \.gif or a \.webp instead\."):
        animate(place, 0, out=tmp_path / "a.mp4")


@pytest.fixture
def ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name which keeps the frames it is given and writes down how it was called."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "ffmpeg"
    program.write_text(FAKE_FFMPEG)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("FILM_FRAMES", str(tmp_path / "kept"))
    return tmp_path / "kept"


def test_ffmpeg_is_given_even_frames_and_the_times(place: Path, tmp_path: Path, ffmpeg: Path) -> None:
    frames = greys((9, 12), (10, 13))
    draw(place, {"000000001": frames[0], "final": frames[1]})
    path = animate(place, 0, out=tmp_path / "a.mp4", seconds=0.25, hold=2.0)
    called = path.read_text()
    assert "stop_mode=clone:stop_duration=1.75 " in called
    assert "-f mp4" in called
    kept = [np.asarray(Image.open(frame)) for frame in sorted(ffmpeg.iterdir())]
    assert [frame.shape for frame in kept] == [(10, 14, 3)] * 2
    assert np.array_equal(kept[0][:9, 1:13, 1], frames[0])
    assert np.array_equal(kept[1][:, :13, 2], frames[1])


def test_what_ffmpeg_said_is_passed_on(
    place: Path, tmp_path: Path, ffmpeg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILM_FAILS", "yes")
    draw(place, {"final": greys((8, 8))[0]})
    with pytest.raises(StoreError, match="ffmpeg could not make the animation: no such codec"):
        animate(place, 0, out=tmp_path / "a.mp4")
    assert not ffmpeg.exists()
    assert not (tmp_path / "a.mp4").exists()
