"""Which pictures a report shows, and how they become small enough to stand in it.

Of each setting the last pictures of its first members, and for the first of them how it came there, step by
step; of teams also who of them made what. Images have real ones before them, and of the first member what lies between two
of its samples and which training images its samples are nearest to. Pictures are shrunk to the size at which they are shown and stored as WebP or PNG, whichever is smaller.
When the page's allowance is spent the rest is left out, later members first; every setting keeps its first
picture for as long as possible.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from PIL import Image

from .read import StudyData

__all__ = ["Gallery", "Picture", "galleries", "shrink"]

_MEMBERS = 4  # of each setting
_FRAMES = 8  # of a strip
_SIDES = {"real": 400, "last": 400, "owned": 640, "between": 700, "near": 700, "strip": 260}  # pixels
_WALKS = "between two latents in ten steps. What was learnt changes gradually, what was copied jumps."
_COPIES = "samples, and below each its nearest training images by pixels. A copy stands above its original."
_MOST_PIXELS = 40_000_000  # a larger picture is not opened: a report may be made from a stranger's folder


@dataclass(frozen=True)
class Picture:
    """A picture in the page: its address, its size in pixels, and what stands under it."""

    address: str
    width: int
    height: int
    caption: str


@dataclass(frozen=True)
class Gallery:
    """One setting's pictures.

    Attributes:
        last: The last ones of several members.
        strip: The course of the first of them, which ``strip_of`` names.
        owned: Who of a team made what, by member.
        real: Real images on the same grid.
        between: What the first member makes of latents between others.
        near: Its samples over their nearest training images.
    """

    rank: int
    label: str
    last: Sequence[Picture]
    strip: Sequence[Picture]
    strip_of: str
    owned: Sequence[Picture] = ()
    real: Sequence[Picture] = ()
    between: Sequence[Picture] = ()
    near: Sequence[Picture] = ()


@dataclass(frozen=True)
class _Wish:
    rank: int
    kind: Literal["real", "last", "owned", "between", "near", "strip"]
    path: Path
    caption: str


def galleries(study: StudyData, allowance: int) -> list[Gallery]:
    """The pictures of every setting that has any, in at most ``allowance`` characters of the page."""
    kept: dict[tuple[int, str], list[Picture]] = {}
    for wish in _wishes(study):
        picture = shrink(wish.path, wish.caption, _SIDES[wish.kind])
        if picture is None or len(picture.address) > allowance:
            continue
        allowance -= len(picture.address)
        kept.setdefault((wish.rank, wish.kind), []).append(picture)
    return [
        Gallery(
            rank,
            label,
            last=kept[rank, "last"],
            strip_of=_of(study, label),
            **{kind: kept.get((rank, kind), []) for kind in ("strip", "owned", "real", "between", "near")},
        )
        for rank, label in enumerate(study.labels)
        if (rank, "last") in kept
    ]


def shrink(path: Path, caption: str, side: int) -> Picture | None:
    """A picture of at most ``side`` pixels a side; None where the file cannot be shown."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=["PNG"]) as opened:
                if opened.width * opened.height > _MOST_PIXELS:
                    return None
                image = opened.convert("L" if opened.mode in ("1", "L") else "RGB")
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError):
        return None  # missing, half written or not a picture: the report stands without it
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    kinds = {"image/png": {}, "image/webp": {"quality": 82, "method": 2}}
    addresses = [_address(image, kind, options) for kind, options in kinds.items()]
    return Picture(min(addresses, key=len), image.width, image.height, caption)


def _wishes(study: StudyData) -> Iterator[_Wish]:
    """Every picture wanted, the most wanted first."""
    members = [study.members[label] for label in study.labels]
    for turn in range(_MEMBERS):
        present = [(rank, rows.iloc[turn]) for rank, rows in enumerate(members) if turn < len(rows)]
        for rank, row in present:
            yield _Wish(rank, "last", _folder(study, row["run"]) / "final.png", _caption(row))
        for rank, row in present if turn == 0 else []:
            yield _Wish(rank, "real", _folder(study, row["run"]) / "real.png", "real images, held out")
        for rank, row in present:
            yield _Wish(rank, "owned", _folder(study, row["run"]) / "ownership.png", _caption(row))
    for rank, rows in enumerate(members):
        if len(rows):
            row = rows.iloc[0]
            yield _Wish(rank, "between", _folder(study, row["run"]) / "interpolation.png", f"{_caption(row)}: {_WALKS}")
            yield _Wish(rank, "near", _folder(study, row["run"]) / "neighbours.png", f"{_caption(row)}: {_COPIES}")
    for rank, rows in enumerate(members):
        if len(rows):
            for step, path in _frames(_folder(study, rows.iloc[0]["run"])):
                yield _Wish(rank, "strip", path, f"step {step:,}")


def _caption(row: pd.Series[Any]) -> str:
    lost = "" if row["status"] == "finished" else f", {row['status']}"
    return f"run {row['run']}, seed {row['seed']}{lost}"


def _frames(folder: Path) -> list[tuple[int, Path]]:
    steps = sorted((int(path.stem), path) for path in folder.glob("*.png") if path.stem.isdecimal())
    if len(steps) <= _FRAMES:
        return steps
    places = [round(place * (len(steps) - 1) / (_FRAMES - 1)) for place in range(_FRAMES)]
    return [steps[place] for place in places]


def _folder(study: StudyData, run: int) -> Path:
    return study.folder / "samples" / str(int(run))


def _of(study: StudyData, label: str) -> str:
    row = study.members[label].iloc[0]
    return f"run {row['run']}, seed {row['seed']}"


def _address(image: Image.Image, kind: str, options: Mapping[str, object]) -> str:
    file = io.BytesIO()
    image.save(file, format=kind.removeprefix("image/"), **options)
    return f"data:{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
