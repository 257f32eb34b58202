"""Images one after the other, as an animated GIF or WebP, or as an MP4; the last one is held.

Frames of different sizes are centred on white. Grey frames and WebP are exact; a GIF has 256 colours a frame, without dithering, which would flicker.
An MP4 needs the program ffmpeg.

Legend: ``T`` frames.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from gantlet.errors import BadData, BadValue, StoreError
from gantlet.files import write_whole

from .png import UNREADABLE, opened_png

__all__ = ["write_animation"]

_SHORTEST, _LONGEST = 0.02, 60.0  # seconds; browsers slow down whatever is faster


@dataclass(frozen=True)
class _Frames:
    """What an animation is made of: its images in order, and the size and mode that all frames get."""

    paths: Sequence[Path]
    size: tuple[int, int]
    mode: str

    def images(self) -> Iterator[Image.Image]:
        """The frames one by one, so that a long animation does not fill the memory."""
        for path in self.paths:
            with _opened(path) as opened:
                image = opened.convert(self.mode)
            frame = Image.new(self.mode, self.size, "white")
            frame.paste(image, ((self.size[0] - image.width) // 2, (self.size[1] - image.height) // 2))
            yield frame


def write_animation(paths: Sequence[Path], target: Path, *, seconds: float = 0.2, hold: float = 2.0) -> None:
    """Join images to an animation.

    Arguments:
        paths: The frames, as PNG files in order.
        target: ``*.gif``, ``*.webp`` or ``*.mp4``; it is replaced.
        seconds: How long each frame is shown, 0.02 to 60; a GIF rounds it to hundredths.
        hold: How long the last one is shown; never shorter than the others.

    Raises:
        BadValue: The file has another ending, a time is out of range, or ffmpeg is needed and not installed.
        BadData: A frame cannot be read.
        StoreError: The animation cannot be written.
    """
    write = _writer(target)
    for name, value in (("seconds", seconds), ("hold", hold)):
        if not _SHORTEST <= value <= _LONGEST:
            raise BadValue(
                f"{name}={value:g} is out of range: expected {_SHORTEST:g} ≤ {name} ≤ {_LONGEST:g} (seconds)."
            )
    frames = _frames_of(paths)
    write_whole(target, lambda path: write(path, frames, seconds, max(seconds, hold)))


def _writer(target: Path) -> Callable[[Path, _Frames, float, float], None]:
    kind = target.suffix.lower()
    if kind == ".mp4" and shutil.which("ffmpeg") is None:
        raise BadValue(
            f"{target.name} needs the program ffmpeg, which is not installed. Write a .gif or a .webp instead."
        )
    writers = {".gif": _write_gif, ".webp": _write_webp, ".mp4": _write_mp4}
    if kind not in writers:
        raise BadValue(
            f"{target} (--out, or out= in Python) is not an animation: its name must end in .gif, .webp or .mp4."
        )
    return writers[kind]


def _frames_of(paths: Sequence[Path]) -> _Frames:
    sizes: list[tuple[int, int]] = []
    modes: set[str] = set()
    for path in paths:
        with _opened(path) as image:
            sizes.append(image.size)
            modes.add(image.mode)
    widths, heights = zip(*sizes, strict=True)
    return _Frames(paths, (max(widths), max(heights)), "L" if modes <= {"1", "L"} else "RGB")


def _reason(error: Exception) -> str:
    return (
        "it is no PNG image" if isinstance(error, UnidentifiedImageError) else str(error)
    )  # whose text names an object


@contextmanager
def _opened(path: Path) -> Generator[Image.Image]:
    try:
        with opened_png(path) as image:
            yield image
    except UNREADABLE as error:
        raise BadData(
            f"The image {path} cannot be read: {_reason(error)}. Remove it to make an animation of the others."
        ) from error


def _write_gif(path: Path, frames: _Frames, seconds: float, hold: float) -> None:
    images = (
        frame if frame.mode == "L" else frame.quantize(256, dither=Image.Dither.NONE) for frame in frames.images()
    )
    _save(path, images, durations=_durations(frames, seconds, hold), kind="GIF", options={"optimize": False})


def _write_webp(path: Path, frames: _Frames, seconds: float, hold: float) -> None:
    durations = _durations(frames, seconds, hold)
    _save(path, frames.images(), durations=durations, kind="WEBP", options={"lossless": True, "quality": 50})


def _save(
    path: Path, frames: Iterator[Image.Image], *, durations: list[int], kind: str, options: dict[str, object]
) -> None:
    first = next(frames)
    shown = durations if len(durations) > 1 else durations[0]
    first.save(path, format=kind, save_all=True, append_images=frames, duration=shown, loop=0, **options)


def _durations(frames: _Frames, seconds: float, hold: float) -> list[int]:  # [T], milliseconds
    return [round(1000 * seconds)] * (len(frames.paths) - 1) + [round(1000 * hold)]


def _write_mp4(path: Path, frames: _Frames, seconds: float, hold: float) -> None:
    # Chroma at half the resolution, which every video player expects, needs even sides.
    even = _Frames(frames.paths, (frames.size[0] + frames.size[0] % 2, frames.size[1] + frames.size[1] % 2), "RGB")
    with tempfile.TemporaryDirectory() as name:
        for index, frame in enumerate(even.images()):
            frame.save(Path(name, f"{index:06d}.png"))
        source = ["-framerate", f"{1 / seconds:.6g}", "-i", str(Path(name, "%06d.png"))]
        held = ["-vf", f"tpad=stop_mode=clone:stop_duration={hold - seconds:.6g}"]
        form = ["-pix_fmt", "yuv420p", "-movflags", "+faststart", "-f", "mp4"]
        command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-y", *source, *held, *form, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise StoreError(f"ffmpeg could not make the animation: {said}. Write a .gif or a .webp instead.")
