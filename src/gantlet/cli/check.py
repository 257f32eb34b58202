"""``gantlet verify`` and ``gantlet repair``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantlet.errors import BadValue
from gantlet.places import command

if TYPE_CHECKING:
    from gantlet.studies.verify import StudyCheck

__all__ = ["repair_study_command", "verify_study_command"]


def verify_study_command(
    folder: Annotated[Path, typer.Argument(help="A study folder.")],
    format: Annotated[str, typer.Option(help="table or json.")] = "table",
) -> None:
    """Read everything in a study folder and say what is wrong; nothing of it is run, and nothing is written."""
    from gantlet.studies.verify import verify_study

    if format not in ("table", "json"):
        raise BadValue(f"--format {format} is not one of table, json.")
    found = verify_study(folder)
    if format == "json":
        import json

        typer.echo(json.dumps(_content(found), indent=1, ensure_ascii=False))
    else:
        _print(found)
    if found.wrong:
        raise typer.Exit(1)


def repair_study_command(folder: Annotated[Path, typer.Argument(help="A study folder.")]) -> None:
    """Do to a damaged study folder what needs no invention, and say what was done; nothing good is touched."""
    from gantlet.studies.repair import repair_study
    from gantlet.studies.verify import verify_study

    did = repair_study(folder)
    for sentence in did or ["There was nothing to do."]:
        typer.echo(sentence)
    found = verify_study(folder)
    if did or found.wrong:
        _print(found, repaired=True)
    if found.wrong:
        raise typer.Exit(1)


def _content(found: StudyCheck) -> dict[str, Any]:
    return {
        "folder": str(found.folder),
        "whole": not found.wrong,
        "fleets": [
            {"fleet": fleet.fleet, "runs": list(fleet.runs), "state": fleet.state, "damage": list(fleet.damage)}
            for fleet in found.fleets
        ],
        "damage": list(found.damage),
        "notes": list(found.notes),
        "remedy": found.remedy if found.wrong else "",
    }


def _print(found: StudyCheck, *, repaired: bool = False) -> None:
    for fleet in found.fleets:
        typer.echo(f"fleet {fleet.fleet}: {fleet.state}")
        for sentence in fleet.damage:
            typer.echo(f"  wrong: {sentence}")
    for sentence in found.damage:
        typer.echo(f"wrong: {sentence}")
    for sentence in found.notes:
        typer.echo(f"note: {sentence}")
    count = len(found.wrong)
    if count:
        things = "1 thing is" if count == 1 else f"{count} things are"
        typer.echo(f"{things} wrong{' that repair does not mend.' if repaired else f'. {found.remedy}'}")
        return
    left = sum(fleet.state != "finished" for fleet in found.fleets)
    rest = f"; {left} of {len(found.fleets)} fleets are not finished: {command('resume', found.folder)}" if left else ""
    typer.echo(f"{found.folder} is whole{rest}")
