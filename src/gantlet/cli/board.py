"""``gantlet board``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["board_command"]


def board_command(
    folder: Annotated[Path, typer.Argument(help="A study folder, or a folder of studies.")] = Path("runs"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8787,
    host: Annotated[str, typer.Option(help="Any address but loopback lets others read the studies.")] = "127.0.0.1",
) -> None:
    """Show studies live in a browser of this machine: the report's page, while they are trained. It only reads."""
    from gantlet.reports.board import board_server

    with board_server(folder, port=port, host=host) as server:
        shown = f"[{host}]" if ":" in host else host
        typer.echo(f"http://{shown}:{server.server_address[1]}/  (stop with Ctrl+C)")
        if host not in ("127.0.0.1", "localhost", "::1"):
            typer.echo("note: the board can be read from other machines", err=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            typer.echo("stopped")
