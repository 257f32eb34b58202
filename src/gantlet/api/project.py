r"""``gantlet project``: the latents whose samples come nearest to given ones.

For a target :math:`x` it minimises :math:`\lVert G(z) - x \rVert^2` over latents :math:`z`, from several starts at once (each
of a team's generators has its own), by Adam with a falling rate; the best start is then followed by L-BFGS to its end. Under
the prior U[-1, 1] latents are kept in the cube; under N(0, 1) they may be anywhere.

Distances are Euclidean, in the networks' units. A sample of the generator is found with a distance near 0; how far above
it an image of the training data is tells what the generator leaves out.

Legend: ``N`` targets, ``R`` starts, ``K`` generators, ``*x`` sample shape.

Reference:
    | Precise recovery of latent vectors from generative adversarial networks (Lipton & Tripathi, 2017),
      https://arxiv.org/abs/1702.04782
"""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gantlet.data.base import to_floats
from gantlet.data.csv_files import read_csv
from gantlet.data.decode import Decoding
from gantlet.data.resize import Resize
from gantlet.data.specification import SampleSpec
from gantlet.errors import BadData, BadValue
from gantlet.figures.draw import draw_beneath, draw_points
from gantlet.figures.evaluation import on_scale
from gantlet.files import read_regular, write_whole
from gantlet.places import check_free, user_path, whole_folder
from gantlet.training.trained import TrainedGenerator

from .sampler import drawable

__all__ = ["Projection", "nearest_latents", "project", "read_targets"]

_LARGEST = 1 << 28  # bytes of a target's file
_AT_ONCE = 1 << 24  # numbers of the samples of one step
_RATE = 0.1


@dataclass(frozen=True)
class Projection:
    """What was found for each target.

    Attributes:
        latents: ``[N, latent]``.
        generators: Who makes the nearest sample, ``[N]``.
        distances: Euclidean, in the networks' units, ``[N]``.
        targets: In the networks' units, ``[N, *x]``.
        samples: The nearest ones, likewise.
    """

    latents: Tensor
    generators: Tensor
    distances: Tensor
    targets: Tensor
    samples: Tensor

    @property
    def rms(self) -> Tensor:
        """The distances as root mean squares over the numbers of a sample, ``[N]``."""
        return self.distances / math.sqrt(self.targets[0].numel())


def project(  # noqa: PLR0913 - each argument is an option of the command line
    folder: str | Path,
    run: int | None = None,
    *,
    targets: str | Path,
    out: str | Path | None = None,
    restarts: int = 8,
    steps: int = 300,
    seed: int = 1,
    step: int | str | None = None,
    trust: bool = False,
) -> Projection:
    """Find the latents of a member whose samples come nearest to given ones, and write them if asked.

    Arguments:
        folder: A study, or a model folder.
        run: The member's number; None where there is one.
        targets: An image, or a ``.npy`` or ``.csv`` file of samples in the data's units, ``[N, *x]`` or ``[*x]``. Images of
            another size are cropped and resized as for training.
        out: A folder to write ``latents.npy`` (for ``gantlet sample --latents``), ``projection.json`` and
            ``projection.png`` (targets over what was found) to.
        restarts: Starts for each target and generator.
        steps: Of the search from each.
        seed: Of the starts.
        step: Which of the member's weights.
        trust: Whether parts of the study's author's own may run here.

    Raises:
        BadData: The targets cannot be read, or are not such samples.
        BadValue: No such run; fewer than one start or step.
        FolderInUse: ``out`` exists already.
        StoreError: The study cannot be read, or a file cannot be written.
    """
    target = None if out is None else user_path(out)
    if target is not None:
        check_free(target)
    source = drawable(user_path(folder), run, step=step, trust=trust)
    wanted = read_targets(user_path(targets), source.specification)
    found = nearest_latents(source.generator, wanted, restarts=restarts, steps=steps, seed=seed)
    if target is not None:
        with whole_folder(target) as fresh:
            _write(fresh, found, source.specification, pictures=source.pictures)
    return found


def nearest_latents(
    generator: TrainedGenerator, targets: Tensor, *, restarts: int = 8, steps: int = 300, seed: int = 1
) -> Projection:
    """The nearest samples of a generator to targets ``[N, *x]`` in the networks' units.

    Raises:
        BadValue: Fewer than one start or step.
    """
    if restarts < 1 or steps < 1:
        raise BadValue(f"The search needs at least 1 start and 1 step, not {restarts} and {steps}.")
    place = next(generator.parameters(), torch.empty(0))
    wanted = targets.to(place.dtype)
    makers = generator.makers
    starts, _ = generator.space.draw(restarts * makers, seed)
    owners = torch.arange(makers).repeat(restarts)
    size = max(1, _AT_ONCE // (len(starts) * wanted[0].numel() * makers))
    best: list[tuple[Tensor, Tensor]] = []
    for group in wanted.split(size):
        z = starts.to(place.dtype).repeat(len(group), 1)
        who, aims = owners.repeat(len(group)), group.repeat_interleave(len(starts), 0)
        z, errors = _searched(generator, z, who, aims, steps)
        chosen = errors.reshape(len(group), -1).argmin(1) + torch.arange(len(group)) * len(starts)
        best += [(z[place : place + 1], who[place : place + 1]) for place in chosen.tolist()]
    exact = copy.deepcopy(generator).double()  # the end of a search is lost in the rounding of single precision
    ends = [
        _polished(exact, z.double(), who, aim.double()) for (z, who), aim in zip(best, wanted.split(1), strict=True)
    ]
    latents, generators = torch.cat(ends).to(place.dtype), torch.cat([who for _, who in best])
    with torch.no_grad():
        samples = generator(latents, generators)
    distances = (samples - wanted).double().flatten(1).norm(dim=1)
    return Projection(latents.float(), generators, distances, targets, samples.float())


def _errors(generator: TrainedGenerator, z: Tensor, owners: Tensor, aims: Tensor) -> Tensor:  # -> [B]
    return (generator(z, owners) - aims).square().flatten(1).mean(1)


def _searched(
    generator: TrainedGenerator, z: Tensor, owners: Tensor, aims: Tensor, steps: int
) -> tuple[Tensor, Tensor]:
    """Adam from every start; latents and errors where each was best."""
    z = z.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([z], lr=_RATE, betas=(0.9, 0.99))
    kept, least = z.detach().clone(), torch.full((len(z),), math.inf, dtype=z.dtype)
    for step in range(steps + 1):
        errors = _errors(generator, z, owners, aims)
        better = errors.detach() < least
        least = torch.where(better, errors.detach(), least)
        kept = torch.where(better.unsqueeze(1), z.detach(), kept)
        if step == steps:
            break
        for group in optimiser.param_groups:
            group["lr"] = _RATE * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        (z.grad,) = torch.autograd.grad(errors.sum(), z)
        optimiser.step()
        if generator.prior == "uniform":
            with torch.no_grad():
                z.clamp_(-1, 1)
    return kept, least


def _polished(generator: TrainedGenerator, start: Tensor, owner: Tensor, aim: Tensor) -> Tensor:  # -> [1, latent]
    """L-BFGS from the best start to its end; what it found if that is nearer."""
    z = start.clone().requires_grad_(True)
    optimiser = torch.optim.LBFGS(
        [z], max_iter=200, tolerance_grad=1e-10, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        error = _errors(generator, z, owner, aim).sum()
        (z.grad,) = torch.autograd.grad(error, z)
        return error.detach()

    optimiser.step(closure)
    with torch.no_grad():
        end = z.detach().clamp(-1, 1) if generator.prior == "uniform" else z.detach()
        before, after = (_errors(generator, each, owner, aim) for each in (start, end))
        return end if bool(after < before) else start


def read_targets(path: Path, specification: SampleSpec) -> Tensor:  # -> [N, *x]
    """Targets in the networks' units, from a file of samples in the data's.

    Raises:
        BadData: It cannot be read, or its samples have another shape or are not finite.
    """
    shape = specification.shape
    if path.suffix == ".csv":
        values = torch.from_numpy(read_csv(path).values).float()
    elif path.suffix == ".npy":
        try:
            held = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise BadData(f"{path} cannot be read as an array: {error}.") from None
        if held.dtype.kind not in "fiu":
            raise BadData(f"{path} holds {held.dtype} values; expected numbers.")
        eight = held.dtype == np.uint8
        values = torch.from_numpy(np.array(held, dtype=np.uint8 if eight else np.float32))
        values = to_floats(values, torch.float32, specification.pixel_range)
    elif len(shape) == 3:
        values = _image(path, specification)
    else:
        raise BadData(f"Samples of {shape[0]} numbers are read from FILE.npy or FILE.csv, not from {path}.")
    if tuple(values.shape) == shape:
        values = values[None]
    if tuple(values.shape[1:]) != shape or not len(values):
        raise BadData(
            f"{path} holds an array of shape {list(values.shape)}; expected samples, [N, {', '.join(map(str, shape))}]."
        )
    if not bool(values.isfinite().all()):
        raise BadData(f"{path} holds numbers that are not finite.")
    if specification.standardised:
        mean, deviation = (torch.tensor(column) for column in (specification.mean, specification.deviation))
        values = (values - mean) / deviation
    return values


def _image(path: Path, specification: SampleSpec) -> Tensor:  # -> [1, C, H, W]
    channels, height, width = specification.shape
    if channels not in (1, 3):
        raise BadData(f"Samples of {channels} channels are read from FILE.npy, not from {path}.")
    if path.is_dir() or not path.exists():
        what = "a folder" if path.is_dir() else "not there"
        raise BadData(f"{path} is {what}; expected an image, FILE.npy or FILE.csv.")
    pixels = Decoding(colour="grey" if channels == 1 else "rgb")(read_regular(path, most=_LARGEST))
    sized = Resize(height, width)(pixels)  # [C, H, W]
    return to_floats(torch.from_numpy(sized.copy()), torch.float32, specification.pixel_range)[None]


def _write(folder: Path, found: Projection, specification: SampleSpec, *, pictures: str) -> None:
    write_whole(folder / "latents.npy", lambda path: _save(path, found.latents))
    rows = [
        {"generator": generator, "distance": distance, "rms": rms}
        for generator, distance, rms in zip(
            found.generators.tolist(), found.distances.tolist(), found.rms.tolist(), strict=True
        )
    ]
    write_whole(folder / "projection.json", json.dumps(rows, indent=1).encode())
    if pictures == "images":
        above, beneath = (on_scale(some, specification.pixel_range) for some in (found.targets, found.samples))
        draw_beneath(folder / "projection.png", above.numpy(), beneath.unsqueeze(1).numpy())
    elif pictures == "points" and specification.shape == (2,):
        edge = 1.1 * float(torch.cat([found.targets, found.samples]).abs().max().clamp_min(1e-6))
        draw_points(
            folder / "projection.png",
            fake=found.samples.numpy(),
            real=found.targets.numpy(),
            title="targets and the nearest samples",
            extent=(-edge, edge, -edge, edge),
        )


def _save(path: Path, latents: Tensor) -> None:
    with path.open("wb") as file:
        np.save(file, latents.numpy(), allow_pickle=False)
