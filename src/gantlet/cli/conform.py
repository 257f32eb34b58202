"""``gantlet conform``: known-answer tests of anybody's losses and penalties."""

from __future__ import annotations

import json as json_text
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantlet.errors import BadValue

if TYPE_CHECKING:
    from gantlet.conformance.result import Conformance

__all__ = ["conform_command"]


def conform_command(  # noqa: PLR0913 - each argument is an option of the command line
    part: Annotated[
        str,
        typer.Argument(metavar="FILE.py:Name", help="A class, an instance or a function; or FILE.py:d_loss,g_loss."),
    ],
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]…", help="Settings of the objective or penalty.")
    ] = None,
    reference: Annotated[
        str, typer.Option("--as", metavar="NAME", help="gantlet's objective or penalty that it should equal.")
    ] = "",
    player: Annotated[
        str, typer.Option(help="Whose loss a lone function is: auto, discriminator, generator or both.")
    ] = "auto",
    shape: Annotated[str, typer.Option(help="Of a sample, where a penalty is given samples.")] = "2,3,5",
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Hold your own loss or penalty, in any framework, against gantlet's: known answers, and the first mistake by name.

    The file is run. Exit status: 0 it conforms, 1 something is wrong, 2 it could not be tested.
    """
    from gantlet.api.conform import conform

    if not reference:
        raise BadValue(
            "Say what it should equal: --as NAME. gantlet list objectives and gantlet list penalties have the names."
        )
    options: dict[str, Any] = {}
    for word in settings or []:
        key, equals, value = word.partition("=")
        if not equals or key in ("thing", "reference", "player", "shape"):
            raise BadValue(f"'{word}' is not a setting: expected KEY=VALUE, such as alpha_d=0.3.")
        options[key] = value
    sizes = shape.split(",")
    if not all(size.strip().isdecimal() for size in sizes):
        raise BadValue(f"--shape {shape} is not a shape: expected whole numbers from 1, such as 3,8,8.")
    found = conform(part, reference, player=player, shape=[int(size) for size in sizes], **options)  # pyright: ignore[reportArgumentType]
    if json:
        typer.echo(json_text.dumps(found.record(), indent=1, ensure_ascii=False))
    else:
        _print(found)
    if not found.passed:
        raise typer.Exit(1)


def _print(found: Conformance) -> None:
    options = "".join(f" {key}={value}" for key, value in found.options.items())
    typer.echo(f"{found.subject} as {found.reference}{options}, given arrays of {found.framework}")
    for finding in found.findings:
        typer.echo(f"  {'ok   ' if finding.passed else 'WRONG'}  {finding.test}: {finding.detail}")
    if found.passed:
        typer.echo("It conforms.")
    else:
        typer.echo(f"It does not conform: {found.first}.")
