"""``gantlet interpolate`` and ``project``: between latents, and from samples back to them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .arguments import Step, Trust

__all__ = ["interpolate_command", "project_command"]


def interpolate_command(  # noqa: PLR0913 - each argument is an option of the command line
    folder: Annotated[Path, typer.Argument(help="A study folder, or a model folder.")],
    run: Annotated[int | None, typer.Argument(help="The member's number in the column `run`.")] = None,
    out: Annotated[Path | None, typer.Option(help="FILE.png, FILE.npy, FILE.csv, or a folder for single PNGs.")] = None,
    latents: Annotated[
        Path | None, typer.Option(help="FILE.npy or FILE.csv with the latents to go between, one in each row.")
    ] = None,
    n: Annotated[int, typer.Option("--n", min=2, help="How many latents are drawn, where no file gives them.")] = 6,
    seed: Annotated[int, typer.Option(help="Seed of drawn latents.")] = 1,
    steps: Annotated[int, typer.Option(min=2, help="Samples from one latent to the next, both included.")] = 10,
    generator: Annotated[int, typer.Option(min=0, help="Of a team, the generator that makes them.")] = 0,
    step: Step = None,
    trust: Trust = False,
) -> None:
    """Draw what a generator makes on the way from each latent to the next, a row each."""
    from gantlet.api.sampler import interpolate

    made = interpolate(
        folder,
        run,
        out=out,
        latents=latents,
        n=n,
        seed=seed,
        steps=steps,
        generator=generator,
        step=step,
        trust=trust,
    )
    typer.echo(str(made))


def project_command(  # noqa: PLR0913 - each argument is an option of the command line
    folder: Annotated[Path, typer.Argument(help="A study folder, or a model folder.")],
    run: Annotated[int, typer.Argument(help="The member's number in the column `run`; 0 of a model folder.")],
    targets: Annotated[Path, typer.Argument(help="An image, or FILE.npy or FILE.csv of samples in the data's units.")],
    out: Annotated[
        Path | None, typer.Option(help="A folder for latents.npy, projection.json and projection.png.")
    ] = None,
    restarts: Annotated[int, typer.Option(min=1, help="Starts for each target and generator.")] = 8,
    steps: Annotated[int, typer.Option(min=1, help="Steps of the search from each start.")] = 300,
    seed: Annotated[int, typer.Option(help="Seed of the starts.")] = 1,
    step: Step = None,
    trust: Trust = False,
) -> None:
    """Find the latents whose samples come nearest to an image, and print how near they come."""
    from gantlet.api.project import project

    asked: dict[str, Any] = {"restarts": restarts, "steps": steps, "seed": seed, "step": step, "trust": trust}
    found = project(folder, run, targets=targets, out=out, **asked)
    typer.echo("target  generator  distance  rms")
    for place, (who, distance, rms) in enumerate(
        zip(found.generators.tolist(), found.distances.tolist(), found.rms.tolist(), strict=True)
    ):
        typer.echo(f"{place:6}  {who:9}  {distance:8.4g}  {rms:.4g}")
    if out is not None:
        typer.echo(str(out))
