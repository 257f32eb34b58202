"""``gantlet figure``: one figure for a paper or a slide."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gantlet.errors import BadValue

__all__ = ["figure_command"]


def figure_command(
    words: Annotated[
        list[str],
        typer.Argument(metavar="DIR [DIR…] NAME", help="Study folders, and a figure of `gantlet list figures`."),
    ],
    out: Annotated[Path, typer.Option(help="FILE.pdf, FILE.svg or FILE.png.")],
    size: Annotated[str, typer.Option(help="column (84 mm wide), page (173 mm) or slide.")] = "column",
    metric: Annotated[str, typer.Option(help="A column of the results. [default: the task's headline]")] = "",
    x: Annotated[str, typer.Option("--x", help="heatmap, sweep: a key of the grid, such as lr.")] = "",
    y: Annotated[str, typer.Option("--y", help="heatmap: another one, such as penalty_weight.")] = "",
) -> None:
    """Draw one figure of a study, or of several together, for print."""
    from gantlet.reports.printed.write import write_figure

    *folders, name = words
    if not folders:
        raise BadValue(
            f"gantlet figure {name} names no study folder or no figure. Give DIR and NAME, such as runs/x curves."
        )
    typer.echo(str(write_figure(folders, name, out, size=size, metric=metric, x=x, y=y)))
