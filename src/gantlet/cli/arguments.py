"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Trust"]

Trust = Annotated[bool, typer.Option("--trust", help="Let parts of the study's author's own run here.")]
