"""``gantlet data``: named data sets, and images of one's own: list, download, import, prepare, inspect, verify."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from gantlet.errors import BadData, BadValue

if TYPE_CHECKING:
    from gantlet.data.inspect import Inspection
    from gantlet.data.local_import import Verification

__all__ = [
    "bytes_bar",
    "data_app",
    "download_command",
    "images_bar",
    "import_command",
    "inspect_command",
    "list_data_command",
    "prepare_command",
    "verify_command",
]

data_app = typer.Typer(name="data", help="Named data sets and images of your own: get, check, prepare, look at.")

_V = TypeVar("_V", str, int, float)
_Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
_Source = Annotated[str, typer.Argument(help="A data set's name, or KIND:PATH such as folder:DIR.")]


@data_app.callback(invoke_without_command=True)
def _about(context: typer.Context) -> None:
    """Named data sets and images of your own: get, check, prepare, look at. Alone, it lists the data sets."""
    if context.invoked_subcommand is None:
        list_data_command()


@data_app.command("list")
def list_data_command() -> None:
    """List the named data sets with size, licence and whether they are here."""
    from rich.console import Console
    from rich.table import Table

    from gantlet import catalogue
    from gantlet.data import data_dir
    from gantlet.data.dataset_card import card

    have = data_dir.have()
    table = Table("name", "here", "images", "size", "download", "licence", box=None, pad_edge=False)
    for name in catalogue.names("card"):
        known = card(name)
        here = "yes" if (known.made_from or name) in have else "no"
        size = f"{known.bytes / 1e6:,.0f} MB" if known.downloadable and known.bytes else "unknown size"
        way = f"from {known.made_from}" if known.made_from else size if known.downloadable else "by hand"
        table.add_row(name, here, f"{sum(known.pictures.values()):,}", known.size, way, known.licence)
    for name in (name for name in have if name not in catalogue.names("card")):
        table.add_row(name, "yes", "", "", "", "shards of your own")
    console = Console()
    console.print(table)
    console.print(f"Files are stored in {data_dir.root()} (set GANTLET_DATA to change that).", soft_wrap=True)


@data_app.command("download")
def download_command(
    name: Annotated[str, typer.Argument(help="A data set's name; with --urls, a new one.")],
    urls: Annotated[
        str, typer.Option(help="Shards: an address with braces (https://…/s-{000..127}.tar), or a file of addresses.")
    ] = "",
) -> None:
    """Download a named data set, or shards; given again, it goes on where it stopped."""
    from gantlet.data.dataset_card import card
    from gantlet.data.download import download, download_list, read_list

    try:
        with bytes_bar() as progress:
            place = (
                download_list(name, read_list(urls), progress=progress)
                if urls
                else download(card(name), progress=progress)
            )
    except KeyboardInterrupt:
        typer.echo("gantlet: stopped; what was received is kept, give the same command again to go on.", err=True)
        raise
    typer.echo(f"{name} -> {place}")


@data_app.command("import")
def import_command(
    name: Annotated[str, typer.Argument(help="A data set's name.")],
    path: Annotated[Path, typer.Argument(help="Its files, as you have them: a folder or an archive.")],
    copy: Annotated[bool, typer.Option("--copy/--link", help="Copy the files, or only link to them.")] = False,
) -> None:
    """Take a data set that you already have, if it is the one that the card describes."""
    from gantlet.data.dataset_card import card
    from gantlet.data.local_import import import_files

    typer.echo(f"{name} -> {import_files(card(name), path, copy=copy)}")


@data_app.command("inspect")
def inspect_command(
    source: _Source,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet to FILE.png.")] = None,
    most: Annotated[int, typer.Option(min=0, help="Look at so many images, spread evenly; 0 for all.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Threads that decode.")] = 4,
    json: _Json = False,
) -> None:
    """Show what is in a source before you train: counts, sizes, values, classes, duplicates, faults, a contact sheet."""
    from gantlet.data.contact_sheet import check_sheet, contact_sheet, write_sheet
    from gantlet.data.data_dir import locate
    from gantlet.data.inspect import inspect
    from gantlet.data.readers.base import open_reader

    if sheet is not None:
        check_sheet(sheet)  # before anything is decoded, which may take long
    found = locate(source)
    reader = open_reader(found.kind, str(found.path))
    try:
        with images_bar("looking at images", quiet=json) as progress:
            seen = inspect(reader, most=most, workers=workers, progress=progress)
        if sheet is not None:
            write_sheet(contact_sheet(reader), sheet)
    finally:
        reader.close()
    if json:
        _print_json({"source": source, "kind": found.kind, "path": str(found.path), **seen.record()})
        return
    _print_inspection(seen)
    if sheet is not None:
        typer.echo(f"contact sheet -> {sheet}")


@data_app.command("verify")
def verify_command(
    name: Annotated[str, typer.Argument(help="A data set's name, or prepared:FOLDER.")],
    full: Annotated[bool, typer.Option("--full", help="Decode every image too.")] = False,
    json: _Json = False,
) -> None:
    """Check a data set: the hashes of its files, the numbers of images, and with --full every image."""
    from gantlet.data.dataset_card import card_or_none
    from gantlet.data.local_import import verify

    with images_bar("decoding", quiet=json or not full) as progress:
        found = verify(name, card_or_none(name), full=full, progress=progress)
    if json:
        _print_json(_verification_record(found))
    else:
        for file in found.files:
            typer.echo(f"{file.state:8} {file.name}{': ' + file.reason if file.reason else ''}")
        typer.echo(f"{sum(found.parts.values()):,} images in {found.path}")
    if not found.right:
        raise BadData(f"'{name}' in {found.path} is not what it should be: {_first_fault(found)}.")
    if not json:
        typer.echo(f"{name} is right.")


@data_app.command("prepare")
def prepare_command(  # noqa: PLR0913 - each argument is an option of the command line
    context: typer.Context,
    source: _Source,
    size: Annotated[str, typer.Option(help="N or HxW pixels. [default: the card's, or 64]")] = "",
    resize: Annotated[str, typer.Option(help="crop, pad or stretch.")] = "crop",
    center_crop: Annotated[
        int, typer.Option(help="Cut this square from the middle first; 0: none, -1: the card's.")
    ] = -1,
    colour: Annotated[str, typer.Option(help="rgb or grey. [default: the card's, or rgb]")] = "",
    resample: Annotated[str, typer.Option(help="antialias, or nearest2 (every second pixel).")] = "antialias",
    background: Annotated[str, typer.Option(help="Under transparent pixels, around padded ones.")] = "white",
    per_shard: Annotated[int, typer.Option(min=0, help="Images per shard, with --out; 0: chosen.")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Threads; 0: one per core.")] = 0,
    max_corrupt: Annotated[float, typer.Option(min=0, max=1, help="Share of images that may be unreadable.")] = 0.01,
    out: Annotated[Path | None, typer.Option(help="The folder. [default: the cache, where training looks]")] = None,
    fit: Annotated[str | None, typer.Option(hidden=True)] = None,
    precrop: Annotated[int | None, typer.Option(hidden=True)] = None,
    max_bad: Annotated[float | None, typer.Option(hidden=True, min=0, max=1)] = None,
) -> None:
    """Bring every image to one size, once, into shards; an interrupted preparation goes on when given again."""
    from dataclasses import replace

    from gantlet.data.data_dir import locate
    from gantlet.data.files import absolute
    from gantlet.data.images import ImageSource
    from gantlet.data.prepare import prepare_images
    from gantlet.data.prepared_cache import prepare_once

    resize = _renamed(context, "fit", fit, "resize", resize)
    center_crop = _renamed(context, "precrop", precrop, "center_crop", center_crop)
    max_corrupt = _renamed(context, "max_bad", max_bad, "max_corrupt", max_corrupt)
    if per_shard and out is None:
        raise BadValue(
            "--per-shard is for a folder of yours: give --out too. Training looks for shards as they are chosen."
        )
    found = locate(source)
    plan = ImageSource.of(found.card.name) if found.card else ImageSource()
    plan = replace(
        plan,
        size=size or plan.size,
        resize=_one_of("--resize", resize, "crop", "pad", "stretch"),
        center_crop=center_crop if center_crop >= 0 else plan.center_crop,
        resample=_one_of("--resample", resample, "antialias", "nearest2"),
        colour=_one_of("--colour", colour or plan.colour, "rgb", "grey"),
        background=background,
    )
    recipe = replace(plan.recipe(found.kind, Path(absolute(str(found.path)))), per_shard=per_shard)
    with images_bar("preparing", quiet=False) as progress:
        if out is None:
            done = prepare_once(recipe, workers=workers, max_corrupt=max_corrupt, notify=progress)
        else:
            done = prepare_images(recipe, out, workers=workers, max_corrupt=max_corrupt, notify=progress)
    bad = int(done.page["bad"])
    typer.echo(f"{int(done.page['pictures']):,} images in {len(done.page['shards'])} shards -> {done.folder}")
    if bad:
        typer.echo(f"{bad:,} could not be used; they are listed in {done.folder / 'bad.csv'}")


# Words


def _print_inspection(seen: Inspection) -> None:
    parts = ", ".join(f"{count:,} {part}" for part, count in seen.parts.items() if part)
    low, middle, high = zip(seen.side(0), seen.side(1), strict=True)
    often = ", ".join(f"{height}×{width} ({count:,})" for (height, width), count in [*seen.sizes.items()][:5])
    rows = {
        "images": f"{seen.pictures:,}" + (f" ({parts})" if parts else ""),
        "looked at": f"{seen.looked:,}" if seen.looked < seen.pictures + seen.unreadable else "all",
        "modes": _tally(seen.modes),
        "formats": _tally(seen.formats),
        "height×width": f"from {low[0]}×{low[1]} to {high[0]}×{high[1]}, median {middle[0]:g}×{middle[1]:g}",
        "most frequent": often,
        "classes": _classes(seen),
        "values": f"{seen.values[0]} to {seen.values[1]} of 255" if seen.sizes else "",
        "duplicates": f"{seen.copies:,} copies in {len(seen.duplicates):,} groups" if seen.copies else "none",
        "test in train": f"{seen.shared:,} test images are training images" if seen.shared else "",
        "skipped": _tally(seen.skipped),
        "faults": _faults(seen),
    }
    for title, words in rows.items():
        if words:
            typer.echo(f"{title:14} {words}")
    for sentence in seen.advice:
        typer.echo(f"! {sentence}")
    for group in seen.duplicates[:3]:
        typer.echo(f"  same pixels: {', '.join(group[:6])}{', …' if len(group) > 6 else ''}")
    for fault in seen.faults[:10]:
        typer.echo(f"  {fault.name}: {fault.reason}")
    if len(seen.faults) > 10:
        typer.echo(f"  … and {len(seen.faults) - 10:,} more (--json lists all)")


def _faults(seen: Inspection) -> str:
    if not seen.faults:
        return "none"
    about = "about " if seen.looked < seen.pictures + seen.unreadable else ""
    passing = f"max_corrupt={seen.max_corrupt:g} passes" if seen.pictures else "nothing is left to train on"
    return f"{len(seen.faults):,} ({about}{seen.fault_share:.2%} of all; {passing})"


def _classes(seen: Inspection) -> str:
    if not seen.labels:
        return "no labels"
    counts = list(seen.labels.items())
    (most, many), (least, few) = counts[0], counts[-1]
    if len(counts) <= 12:
        return f"{len(counts)}: {_tally(seen.labels)}"
    return f"{len(counts):,}, from {few:,} images ({least}) to {many:,} ({most})"


def _tally(counts: Any) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _first_fault(found: Verification) -> str:
    for file in found.files:
        if file.state == "wrong":
            return f"{file.name} {file.reason}"
    if found.misfit:
        return f"it holds {found.misfit}"
    faults = found.inspection.faults if found.inspection is not None else []
    return f"{len(faults):,} images cannot be used, the first is {faults[0].name}: {faults[0].reason}"


def _verification_record(found: Verification) -> dict[str, Any]:
    return {
        "name": found.name,
        "path": str(found.path),
        "right": found.right,
        "files": [{"name": file.name, "state": file.state, "reason": file.reason} for file in found.files],
        "parts": found.parts,
        "misfit": found.misfit,
        "inspection": found.inspection.record() if found.inspection is not None else None,
    }


def _print_json(record: dict[str, Any]) -> None:
    import json

    typer.echo(json.dumps(record, indent=1, ensure_ascii=False))


def _renamed(context: typer.Context, old: str, given: _V | None, new: str, value: _V) -> _V:
    """The value of an option that had another name; whoever gives the old one is told the new.

    Raises:
        BadValue: Both names were given.
    """
    if given is None:
        return value
    before, now = (f"--{name.replace('_', '-')}" for name in (old, new))
    source = context.get_parameter_source(new)
    if source is not None and source.name == "COMMANDLINE":
        raise BadValue(f"{before} {given} and {now} {value} are one option, given twice. Keep {now}.")
    typer.echo(f"note: {before} is read as {now}", err=True)
    return given


def _one_of(option: str, value: str, *choices: str) -> Any:
    if value not in choices:
        raise BadValue(f"{option} {value} is not one of {', '.join(choices)}.")
    return value


# Progress


@contextmanager
def bytes_bar() -> Generator[Callable[[str, int, int], None]]:
    """One bar for the file at hand, on a terminal: there may be thousands."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task("", total=None)
        shown = ""

        def progress(name: str, came: int, aim: int) -> None:
            nonlocal shown
            if name != shown:
                shown = name
                bars.reset(task, description=name)
            bars.update(task, completed=came, total=aim or None)

        yield progress


@contextmanager
def images_bar(title: str, *, quiet: bool) -> Generator[Callable[[int, int], None]]:
    """One bar that counts images, on a terminal."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress

    console = Console(stderr=True)
    off = quiet or not console.is_terminal
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=console, disable=off) as bars:
        task = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
