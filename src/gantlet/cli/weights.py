"""``gantlet data weights``: weights of feature extractors that a user brings, once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gantlet.errors import BadData, BadValue

if TYPE_CHECKING:
    from gantlet.metrics.features.weights import StoredWeights

__all__ = ["weights_command"]


def weights_command(
    name: Annotated[
        str, typer.Argument(help="An extractor: inception-2015 or dinov2-vits14. [default: list them]")
    ] = "",
    source: Annotated[
        str, typer.Option("--from", metavar="FILE|URL", help="The file that you have, or the address of one.")
    ] = "",
    any_hash: Annotated[
        bool, typer.Option("--any-hash", help="Take a file that is not the published one; nothing is then called FID.")
    ] = False,
) -> None:
    """Give a feature extractor its weights: checked by their hash, and copied into gantlet's cache."""
    from gantlet.metrics.features.weights import NEEDED, find_weights, store_weights

    if (source and not name) or (any_hash and not source):
        raise BadValue(
            f"{'--from' if source else '--any-hash'} alone stores nothing: expected gantlet data weights EXTRACTOR --from FILE, with "
            f"EXTRACTOR one of {', '.join(NEEDED)}."
        )
    if name and source:
        is_address = source.startswith(("http://", "https://"))
        stored = (
            _fetched(name, source, any_hash=any_hash)
            if is_address
            else store_weights(name, Path(source), any_hash=any_hash)
        )
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


def _fetched(name: str, address: str, *, any_hash: bool) -> StoredWeights:
    from gantlet.metrics.features.weights import fetch_weights

    from .data import bytes_bar

    with bytes_bar() as progress:
        return fetch_weights(name, address, any_hash=any_hash, progress=progress)
