"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Step", "Trust"]

Step = Annotated[
    str | None,
    typer.Option("--step", help="Which of its weights: last, best, or a step that was kept. [default: last]"),
]

Trust = Annotated[bool, typer.Option("--trust", help="Let parts of the study's author's own run here.")]
