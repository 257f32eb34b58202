"""The last samples of every setting's first member, as they were drawn at the end of training; one row per study."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from gantlet.errors import BadValue
from gantlet.reports.images import read_image
from gantlet.reports.theme import LIGHT

from .base import FigureRequest, safe

__all__ = ["SAMPLES", "SamplesFigure"]

_ACROSS = 4


@dataclass(frozen=True)
class SamplesFigure:
    """Samples of each setting's first member, not of its best."""

    summary: str = "the last samples of every setting's first member"
    paper: str = ""

    def draw(self, request: FigureRequest) -> Figure:
        """Draw it.

        Raises:
            BadValue: No study has images of samples.
        """
        found: list[tuple[tuple[str, str], Image.Image]] = []
        for study in request.studies:
            for label in study.labels:
                members = study.members[label]
                image = (
                    read_image(study.folder / "samples" / str(int(members["run"].iloc[0])) / "final.png", study.folder)
                    if len(members)
                    else None
                )
                if image is not None:
                    task = f"{study.record.task.name}, " if len(request.studies) > 1 else ""
                    found.append(((label, f"{task}seed {members['seed'].iloc[0]}"), image))
        if not found:
            raise BadValue("No member of these studies has an image of its samples; train with --recorded above 0.")
        across = min(len(found), _ACROSS if request.size.width > 4 else 2)
        rows, size = -(-len(found) // across), request.size
        side = size.width / across
        figure = Figure(figsize=(size.width, rows * (side + 0.035 * size.font)), layout="constrained")
        most = int(side * 72 / (0.6 * size.font))  # letters
        for place, (words, image) in enumerate(found):
            axes = figure.add_subplot(rows, across, place + 1)
            title = "\n".join(safe(line, most) for line in words)
            axes.imshow(np.asarray(image.convert("RGB")), interpolation="nearest")
            axes.set_title(title, fontsize=max(7.0, size.font - 0.5), color=LIGHT.ink, loc="left")
            axes.set_axis_off()
        return figure


SAMPLES = SamplesFigure()
"""The figure ``samples``."""
