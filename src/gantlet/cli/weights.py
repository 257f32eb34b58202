"""``gantlet data weights``: weights of feature extractors that a user brings, once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gantlet.errors import BadData

__all__ = ["weights_command"]


def weights_command(
    name: Annotated[
        str, typer.Argument(help="An extractor: inception-2015 or dinov2-vits14. [default: list them]")
    ] = "",
    file: Annotated[Path | None, typer.Option("--from", help="The file that you have.")] = None,
    any_hash: Annotated[
        bool, typer.Option("--any-hash", help="Take a file that is not the published one; nothing is then called FID.")
    ] = False,
) -> None:
    """Give a feature extractor its weights: checked by their hash, and copied into gantlet's cache."""
    from gantlet.metrics.features.weights import NEEDED, find_weights, store_weights

    if name and file is not None:
        stored = store_weights(name, file, any_hash=any_hash)
        typer.echo(f"{name} -> {stored.path} (SHA-256 {stored.sha256[:16]}…)")
        return
    if name:
        stored = (
            find_weights(name) if name in NEEDED else store_weights(name, Path())
        )  # which names those that there are
        typer.echo(f"{name}: SHA-256 {stored.sha256}")
        return
    for known, needed in NEEDED.items():
        try:
            state = f"here, SHA-256 {find_weights(known).sha256[:16]}…"
        except BadData:
            state = "not here"
        typer.echo(f"{known:16} {state}: {needed.file}")
