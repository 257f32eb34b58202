"""``gantlet doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .arguments import Trust

if TYPE_CHECKING:
    from gantlet.studies.diagnosis.base import Finding
    from gantlet.studies.diagnosis.examine import Diagnosis

__all__ = ["doctor_command"]

_MOST_RUNS = 12  # named of each group


def doctor_command(
    folder: Annotated[Path, typer.Argument(help="A study folder: finished, stopped or running.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    trust: Trust = False,
) -> None:
    """Say what went wrong in which member, with evidence and one remedy as a command; exit status 1 if something did.

    Looks at the record, the history, the results and samples; with --trust also at how near samples are to training data.
    """
    from gantlet.studies.diagnosis.examine import examine_study

    found = examine_study(folder, trust=trust)
    if as_json:
        import json

        typer.echo(json.dumps(found.content(), indent=1, ensure_ascii=False))
    else:
        _print(found)
    if found.findings:
        raise typer.Exit(1)


def _print(found: Diagnosis) -> None:
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in found.findings:
        groups.setdefault((finding.symptom, finding.setting), []).append(finding)
    for (symptom, setting), members in groups.items():
        runs = ", ".join(str(finding.run) for finding in members[:_MOST_RUNS])
        more = f" and {len(members) - _MOST_RUNS} more" if len(members) > _MOST_RUNS else ""
        typer.echo(f"{symptom}: {setting}, run{'s' * (len(members) > 1)} {runs}{more}")
        first = members[0]
        for sentence in first.evidence:
            typer.echo(f"  {f'run {first.run}: ' if len(members) > 1 else ''}{sentence}")
        for image in first.images:
            typer.echo(f"  see {image}")
        typer.echo(f"  {first.advice}")
        typer.echo(f"    {first.remedy}")
        typer.echo("")
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    ill = len({finding.run for finding in found.findings})
    typer.echo(
        f"{ill} of {found.members} members have findings" if ill else f"nothing found in {found.members} members"
    )
