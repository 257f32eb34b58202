"""``gantlet film``: a member's pictures one after the other, as an animated GIF or WebP, or as an MP4.

The frames are ``samples/<run>/<step>.png`` by step, and ``final.png`` last, which is held. Frames of different sizes are
centred on white. Grey frames and WebP are exact; a GIF has 256 colours a frame, without dithering, which would flicker.
An MP4 is made by the program ffmpeg, where it is installed.

Legend: ``T`` frames.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from gantlet.errors import BadData, BadValue, FolderInUse, StoreError
from gantlet.files import write_whole

from .loading import find_member
from .store import Store

__all__ = ["frames_of", "write_film"]

_SHORTEST, _LONGEST = 0.02, 60.0  # seconds; browsers slow down whatever is faster
_MOST_PIXELS = 40_000_000  # a larger picture is not opened: a study may be a stranger's


@dataclass(frozen=True)
class _Reel:
    """What a film is made of: its pictures in order, and the size and mode that all frames get."""

    paths: Sequence[Path]
    size: tuple[int, int]
    mode: str

    def frames(self) -> Iterator[Image.Image]:
        """The frames one by one, so that a long film does not fill the memory."""
        for path in self.paths:
            with _opened(path) as opened:
                picture = opened.convert(self.mode)
            frame = Image.new(self.mode, self.size, "white")
            frame.paste(picture, ((self.size[0] - picture.width) // 2, (self.size[1] - picture.height) // 2))
            yield frame


def write_film(folder: Path, run: int, *, out: Path | None = None, seconds: float = 0.2, hold: float = 2.0) -> Path:
    """Join the pictures of a member to a film and return where it lies.

    Arguments:
        folder: A study folder.
        run: The member's number in the column ``run``.
        out: ``*.gif``, ``*.webp`` or ``*.mp4``; by default ``film.gif`` beside the pictures, which is replaced.
        seconds: How long each frame is shown, 0.02 to 60; a GIF rounds it to hundredths.
        hold: How long the last one is shown; never shorter than the others.

    Raises:
        BadValue: There is no such run, it has no pictures, the file has another ending, a time is out of range, or
            ffmpeg is needed and not installed.
        BadData: A picture cannot be read.
        FolderInUse: The file exists already.
        StoreError: The study cannot be read, or the film cannot be written.
    """
    target = out or folder / "samples" / str(run) / "film.gif"
    write = _writer(target)
    for name, value in (("seconds", seconds), ("hold", hold)):
        if not _SHORTEST <= value <= _LONGEST:
            raise BadValue(
                f"{name}={value:g} is out of range: expected {_SHORTEST:g} ≤ {name} ≤ {_LONGEST:g} (seconds)."
            )
    find_member(Store(folder), run)
    paths = frames_of(folder, run)
    if not paths:
        raise BadValue(f"Run {run} has no pictures in {folder}. {_pictured(folder)}")
    if out is not None and out.exists():
        raise FolderInUse(f"{out} exists already; nothing was written. Choose another --out.")
    reel = _reel(paths)
    write_whole(target, lambda path: write(path, reel, seconds, max(seconds, hold)))
    return target


def frames_of(folder: Path, run: int) -> list[Path]:
    """A member's pictures in the order in which they were drawn; empty where it has none."""
    place = folder / "samples" / str(run)
    steps = sorted((path for path in place.glob("*.png") if path.stem.isdecimal()), key=lambda path: int(path.stem))
    return [*steps, *place.glob("final.png")]


def _writer(target: Path) -> Callable[[Path, _Reel, float, float], None]:
    kind = target.suffix.lower()
    if kind == ".mp4" and shutil.which("ffmpeg") is None:
        raise BadValue(
            f"{target.name} needs the program ffmpeg, which is not installed. Write a .gif or a .webp instead."
        )
    writers = {".gif": _write_gif, ".webp": _write_webp, ".mp4": _write_mp4}
    if kind not in writers:
        raise BadValue(f"--out {target} is no film: its name must end in .gif, .webp or .mp4.")
    return writers[kind]


def _pictured(folder: Path) -> str:
    found = sorted(int(path.name) for path in (folder / "samples").glob("*") if path.name.isdecimal())
    runs = [run for run in found if frames_of(folder, run)]
    return f"Those with pictures are: {', '.join(map(str, runs))}." if runs else "No member of this study has any."


def _reel(paths: Sequence[Path]) -> _Reel:
    sizes: list[tuple[int, int]] = []
    modes: set[str] = set()
    for path in paths:
        with _opened(path) as picture:
            sizes.append(picture.size)
            modes.add(picture.mode)
    widths, heights = zip(*sizes, strict=True)
    return _Reel(paths, (max(widths), max(heights)), "L" if modes <= {"1", "L"} else "RGB")


@contextmanager
def _opened(path: Path) -> Generator[Image.Image]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # judged by our own limit
            with Image.open(path, formats=["PNG"]) as picture:
                if picture.width * picture.height > _MOST_PIXELS:
                    raise ValueError("it is too large")
                yield picture
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadData(
            f"The picture {path} cannot be read: {error}. Remove it to make the film of the others."
        ) from error


def _write_gif(path: Path, reel: _Reel, seconds: float, hold: float) -> None:
    frames = (frame if frame.mode == "L" else frame.quantize(256, dither=Image.Dither.NONE) for frame in reel.frames())
    _save(path, frames, durations=_durations(reel, seconds, hold), kind="GIF", options={"optimize": False})


def _write_webp(path: Path, reel: _Reel, seconds: float, hold: float) -> None:
    durations = _durations(reel, seconds, hold)
    _save(path, reel.frames(), durations=durations, kind="WEBP", options={"lossless": True, "quality": 50})


def _save(
    path: Path, frames: Iterator[Image.Image], *, durations: list[int], kind: str, options: dict[str, object]
) -> None:
    first = next(frames)
    shown = durations if len(durations) > 1 else durations[0]
    first.save(path, format=kind, save_all=True, append_images=frames, duration=shown, loop=0, **options)


def _durations(reel: _Reel, seconds: float, hold: float) -> list[int]:  # [T], milliseconds
    return [round(1000 * seconds)] * (len(reel.paths) - 1) + [round(1000 * hold)]


def _write_mp4(path: Path, reel: _Reel, seconds: float, hold: float) -> None:
    # Chroma at half the resolution, which every player wants, needs even sides.
    even = _Reel(reel.paths, (reel.size[0] + reel.size[0] % 2, reel.size[1] + reel.size[1] % 2), "RGB")
    with tempfile.TemporaryDirectory() as name:
        for place, frame in enumerate(even.frames()):
            frame.save(Path(name, f"{place:06d}.png"))
        source = ["-framerate", f"{1 / seconds:.6g}", "-i", str(Path(name, "%06d.png"))]
        held = ["-vf", f"tpad=stop_mode=clone:stop_duration={hold - seconds:.6g}"]
        form = ["-pix_fmt", "yuv420p", "-movflags", "+faststart", "-f", "mp4"]
        command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-y", *source, *held, *form, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise StoreError(f"ffmpeg could not make the film: {said}. Write a .gif or a .webp instead.")
