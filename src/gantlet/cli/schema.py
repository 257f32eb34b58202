"""``gantlet schema``: by which editors complete and check study files."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["schema_command"]


def schema_command(
    file: Annotated[str, typer.Argument(help="study.toml or study.json.")] = "study.toml",
) -> None:
    """Print the JSON schema of a study file, by which editors complete its keys and check them."""
    import json

    from gantlet.api.schema import schema

    typer.echo(json.dumps(schema(file), indent=1, ensure_ascii=False))
