"""Which images a report shows, and how they become small enough for it.

For each setting: the last images of its first members, and those of earlier steps. For teams:
which generator made what. For image data: real images, interpolations and nearest training images. Images are scaled
to the size at which they are shown and stored as WebP or PNG, whichever is smaller. When the page's budget is used up the rest
is left out, later members first; every setting keeps its first image for as long as possible.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from PIL import Image

from .images import read_image
from .read import StudyData

__all__ = ["EmbeddedImage", "Gallery", "Strip", "galleries", "shrink"]

_MEMBERS = 4  # of each setting
_FRAMES = 8  # of a strip
_SIDES = {"real": 400, "last": 400, "owned": 640, "between": 700, "near": 700, "strip": 260}  # pixels
_WALKS = "between two latents in ten steps. A generator that has learned changes gradually, one that copies jumps."
_COPIES = "samples, and below each its nearest training images by pixels. A copy stands above its original."


@dataclass(frozen=True)
class EmbeddedImage:
    """An image in the page: its ``data:`` address, its size in pixels, and its caption."""

    address: str
    width: int
    height: int
    caption: str


@dataclass(frozen=True)
class Strip:
    """One member's images over the steps; ``of`` names it."""

    of: str
    frames: Sequence[EmbeddedImage]


@dataclass(frozen=True)
class Gallery:
    """One setting's images.

    Attributes:
        last: The last images of several members.
        strips: The same members' images over the steps.
        owned: Which generator of a team made what, by member.
        real: Real images on the same grid.
        between: The first member's interpolations between latents.
        near: Its samples over their nearest training images.
    """

    rank: int
    label: str
    last: Sequence[EmbeddedImage]
    strips: Sequence[Strip] = ()
    owned: Sequence[EmbeddedImage] = ()
    real: Sequence[EmbeddedImage] = ()
    between: Sequence[EmbeddedImage] = ()
    near: Sequence[EmbeddedImage] = ()

    @property
    def strip(self) -> Sequence[EmbeddedImage]:
        """The first member's images over the steps."""
        return self.strips[0].frames if self.strips else ()


@dataclass(frozen=True)
class _Candidate:
    rank: int
    kind: Literal["real", "last", "owned", "between", "near", "strip"]
    path: Path
    caption: str
    turn: int = 0


def galleries(study: StudyData, budget: int) -> list[Gallery]:
    """The images of every setting that has any, in at most ``budget`` characters of the page."""
    kept: dict[tuple[int, str], list[EmbeddedImage]] = {}
    frames: dict[tuple[int, int], list[EmbeddedImage]] = {}
    for item in _candidates(study):
        image = shrink(item.path, item.caption, _SIDES[item.kind], within=study.folder)
        if image is None or len(image.address) > budget:
            continue
        budget -= len(image.address)
        if item.kind == "strip":
            frames.setdefault((item.rank, item.turn), []).append(image)
        else:
            kept.setdefault((item.rank, item.kind), []).append(image)
    return [
        Gallery(
            rank,
            label,
            last=kept[rank, "last"],
            strips=[
                Strip(_of(study, label, turn), frames[rank, turn]) for turn in range(_MEMBERS) if (rank, turn) in frames
            ],
            **{kind: kept.get((rank, kind), []) for kind in ("owned", "real", "between", "near")},
        )
        for rank, label in enumerate(study.labels)
        if (rank, "last") in kept
    ]


def shrink(path: Path, caption: str, side: int, *, within: Path | None = None) -> EmbeddedImage | None:
    """An image of at most ``side`` pixels a side; None where the file cannot be shown, or lies behind a link ``within`` a study."""
    image = read_image(path, within or path.parent)
    if image is None:
        return None
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    kinds = {"image/png": {}, "image/webp": {"quality": 82, "method": 2}}
    addresses = [_address(image, kind, options) for kind, options in kinds.items()]
    return EmbeddedImage(min(addresses, key=len), image.width, image.height, caption)


def _candidates(study: StudyData) -> Iterator[_Candidate]:
    """Every image that would be shown, the most important first."""
    members = [study.members[label] for label in study.labels]
    for turn in range(_MEMBERS):
        present = [(rank, rows.iloc[turn]) for rank, rows in enumerate(members) if turn < len(rows)]
        for rank, row in present:
            yield _Candidate(rank, "last", _folder(study, row["run"]) / "final.png", _caption(row))
        for rank, row in present if turn == 0 else []:
            yield _Candidate(rank, "real", _folder(study, row["run"]) / "real.png", "real images, held out")
        for rank, row in present:
            yield _Candidate(rank, "owned", _folder(study, row["run"]) / "ownership.png", _caption(row))
    for rank, rows in enumerate(members):
        if len(rows):
            row = rows.iloc[0]
            yield _Candidate(
                rank, "between", _folder(study, row["run"]) / "interpolation.png", f"{_caption(row)}: {_WALKS}"
            )
            yield _Candidate(rank, "near", _folder(study, row["run"]) / "neighbours.png", f"{_caption(row)}: {_COPIES}")
    for turn in range(_MEMBERS):
        for rank, rows in enumerate(members):
            if turn < len(rows):
                for step, path in _frames(_folder(study, rows.iloc[turn]["run"])):
                    yield _Candidate(rank, "strip", path, f"step {step:,}", turn)


def _caption(row: pd.Series[Any]) -> str:
    lost = "" if row["status"] == "finished" else f", {row['status']}"
    return f"run {row['run']}, seed {row['seed']}{lost}"


def _frames(folder: Path) -> list[tuple[int, Path]]:
    steps = sorted((int(path.stem), path) for path in folder.glob("*.png") if path.stem.isdecimal())
    if len(steps) <= _FRAMES:
        return steps
    return [steps[round(i * (len(steps) - 1) / (_FRAMES - 1))] for i in range(_FRAMES)]


def _folder(study: StudyData, run: int) -> Path:
    return study.folder / "samples" / str(int(run))


def _of(study: StudyData, label: str, turn: int) -> str:
    row = study.members[label].iloc[turn]
    return f"run {row['run']}, seed {row['seed']}"


def _address(image: Image.Image, kind: str, options: Mapping[str, object]) -> str:
    file = io.BytesIO()
    image.save(file, format=kind.removeprefix("image/"), **options)
    return f"data:{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
