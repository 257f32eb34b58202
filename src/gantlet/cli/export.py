"""``gantlet export`` and ``import``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from gantlet.places import command

from .arguments import Step, Trust

__all__ = ["export_command", "import_model_command"]


def export_command(  # noqa: PLR0913 - each argument is an option of the command line
    folder: Annotated[Path, typer.Argument(help="A study folder.")],
    run: Annotated[int, typer.Argument(help="The member's number in the column `run`.")],
    format: Annotated[
        str, typer.Option(help="onnx, torch (a .pt2 of torch.export), or hub (a model folder with its card).")
    ] = "onnx",
    out: Annotated[Path | None, typer.Option(help="The file or folder. [default: exports/RUN… in the study]")] = None,
    units: Annotated[
        str, typer.Option(help="What a file's samples are: data (its own units), network, or pixels (8 bits).")
    ] = "data",
    generator: Annotated[int | None, typer.Option(min=0, help="Of a team, this generator alone.")] = None,
    discriminator: Annotated[bool, typer.Option("--discriminator", help="Put it into a model folder, too.")] = False,
    opset: Annotated[int | None, typer.Option(help="ONNX's operator set, 18 to 23. [default: 18]")] = None,
    step: Step = None,
    trust: Trust = False,
) -> None:
    """Write a trained generator for use without gantlet, and compare what is read from the file with gantlet."""
    from gantlet.api.export import export

    made = export(
        folder,
        run,
        format=cast(Any, format),
        out=out,
        units=cast(Any, units),
        generator=generator,
        discriminator=discriminator,
        opset=opset,
        step=step,
        trust=trust,
    )
    typer.echo(str(made.path))
    for check in made.checks:
        typer.echo(f"checked {check}", err=True)


def import_model_command(
    folder: Annotated[Path, typer.Argument(help="A model folder, as gantlet export --format hub writes it.")],
    trust: Trust = False,
) -> None:
    """Check a model folder of anybody's and say what it is; sample and compare take it as it is."""
    from gantlet.api.export import import_model

    typer.echo(str(import_model(folder, trust=trust)))
    typer.echo(f"sample from it with: {command('sample', folder)} --out samples.png", err=True)
