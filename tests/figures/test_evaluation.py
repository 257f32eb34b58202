"""Pictures by which images are judged: walks between latents, nearest training images, and real ones, pixel by pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import terminal
from gantlet.api.animate import animate, frames_of
from gantlet.api.loading import load
from gantlet.api.sampler import write_samples
from gantlet.data.base import Dataset
from gantlet.data.images import ImageSource
from gantlet.errors import BadValue
from gantlet.figures import evaluation as module
from gantlet.figures.evaluation import interpolated, nearest, on_scale
from gantlet.training.batch_loader import fixed_latents
from gantlet.training.trained import Team
from thinning import leading

SIDE = 64  # images of this side are drawn pixel by pixel
CELL = SIDE + 2


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# Walks between latents


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_a_walk_begins_and_ends_exactly_at_its_ends(prior: str) -> None:
    first, last = normal(7, 12), normal(7, 12, seed=2)
    walk = interpolated(first, last, 6, prior=prior)
    assert walk.shape == (7, 6, 12)
    assert torch.equal(walk[:, 0], first)
    assert torch.equal(walk[:, -1], last)


def test_a_walk_along_the_circle_keeps_its_length_and_its_pace() -> None:
    first, last = normal(5, 30).double(), normal(5, 30, seed=2).double()
    first, last = (3 * end / end.norm(dim=-1, keepdim=True) for end in (first, last))
    walk = interpolated(first, last, 9, prior="normal")
    assert torch.allclose(walk.norm(dim=-1), torch.tensor(3.0).double())
    turns = torch.nn.functional.cosine_similarity(walk[:, 1:], walk[:, :-1], dim=-1).acos()
    assert torch.allclose(turns, turns.mean(1, keepdim=True))
    assert torch.allclose(turns.sum(1), torch.nn.functional.cosine_similarity(first, last, dim=-1).acos())


def test_the_middle_of_a_straight_walk_is_the_mean_and_shorter_than_its_ends() -> None:
    first, last = normal(5, 30), normal(5, 30, seed=2)
    middle = interpolated(first, last, 3, prior="uniform")[:, 1]
    assert torch.allclose(middle, (first + last) / 2)
    assert (middle.norm(dim=-1) < interpolated(first, last, 3, prior="normal")[:, 1].norm(dim=-1)).all()


@pytest.mark.parametrize("end", [[2.0, 4.0], [-1.0, -2.0], [0.0, 0.0]])
def test_ends_that_fix_no_circle_are_joined_by_a_straight_line(end: list[float]) -> None:
    first, last = torch.tensor([1.0, 2.0]), torch.tensor(end)
    expected = interpolated(first, last, 5, prior="uniform")
    assert torch.allclose(interpolated(first, last, 5, prior="normal"), expected)


def test_latents_of_one_number_are_walked_too() -> None:
    walk = interpolated(torch.tensor([[-1.0], [0.5]]), torch.tensor([[1.0], [2.5]]), 3, prior="normal")
    assert torch.equal(walk, torch.tensor([[[-1.0], [0.0], [1.0]], [[0.5], [1.5], [2.5]]]))


def test_a_walk_of_one_step_is_refused() -> None:
    with pytest.raises(BadValue, match="at least its 2 ends, not 1 steps"):
        interpolated(normal(3), normal(3), 1, prior="normal")


# Nearest training images


def bytes_of(*shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8))


@pytest.fixture(params=["8-bit", "8-bit in [0, 1]", "float"])
def images(request: pytest.FixtureRequest) -> Dataset:
    pool = bytes_of(50, 3, 5, 4)
    if request.param == "float":
        return Dataset(train=pool.float() / 127.5 - 1, test=torch.zeros(2, 3, 5, 4))
    scale = (0.0, 1.0) if "[0, 1]" in request.param else (-1.0, 1.0)
    return Dataset(train=pool, test=torch.zeros(2, 3, 5, 4), pixel_range=scale)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_NUMBERS", 7 * 60)  # 7 images at a time, the last one alone


@pytest.mark.usefixtures("small_pieces")
def test_the_nearest_image_of_a_training_image_is_itself_at_distance_nought(images: Dataset) -> None:
    found = nearest(images.floats(images.train), images, 4)
    assert torch.equal(found.places[:, 0], torch.arange(50))
    assert (found.distances[:, 0] == 0).all()
    assert (found.distances[:, 1:] > 0).all()


@pytest.mark.usefixtures("small_pieces")
def test_neighbours_are_those_of_an_exhaustive_search(images: Dataset) -> None:
    asked = normal(6, 3, 5, 4)
    found = nearest(asked, images, 5)
    pool = images.floats(images.train).numpy().astype(np.float64)
    for row, image in enumerate(asked.numpy().astype(np.float64)):
        distances = np.sqrt(((pool - image) ** 2).sum((1, 2, 3)))
        order = np.argsort(distances)[:5]
        assert found.places[row].tolist() == order.tolist()
        np.testing.assert_allclose(found.distances[row].numpy(), distances[order], rtol=1e-12)


def test_images_far_from_nought_are_ranked_as_sharply() -> None:
    # In single precision ‖y‖² - 2 x·y swallows these differences: only the candidates' exact distances tell.
    pool = 3000 + torch.tensor([0.0, 0.5, 0.25, 0.125]).reshape(4, 1, 1, 1).expand(4, 1, 8, 8)
    found = nearest(torch.full((1, 1, 8, 8), 3000.0), Dataset(train=pool, test=pool), 4)
    assert found.places.tolist() == [[0, 3, 2, 1]]
    assert found.distances.tolist() == [[0.0, 1.0, 2.0, 4.0]]


def test_equal_neighbours_come_in_the_order_of_the_pool_and_a_small_pool_gives_fewer() -> None:
    pool = torch.tensor([5.0, 1.0, 1.0]).reshape(3, 1, 1, 1)
    found = nearest(torch.zeros(2, 1, 1, 1), Dataset(train=pool, test=pool), 10)
    assert found.places.tolist() == [[1, 2, 0]] * 2


def test_an_image_that_is_not_finite_still_has_neighbours(images: Dataset) -> None:
    found = nearest(torch.full((1, 3, 5, 4), torch.nan), images, 3)
    assert torch.equal(found.places, nearest(torch.zeros(1, 3, 5, 4), images, 3).places)


@pytest.mark.parametrize("scale", [(-1.0, 1.0), (0.0, 1.0), (-0.5, 0.5)])
def test_8_bit_images_come_back_to_their_shades_from_every_scale(scale: tuple[float, float]) -> None:
    pool = torch.arange(256, dtype=torch.uint8).reshape(256, 1, 1, 1)
    data = Dataset(train=pool, test=torch.zeros(1, 1, 1, 1), pixel_range=scale)
    shades = (on_scale(data.floats(pool), data.pixel_range) + 1) * 127.5
    assert torch.equal(shades.round(), pool.float())
    assert torch.equal(on_scale(torch.tensor([scale[0] - 3, scale[1]]), data.pixel_range)[1:], torch.ones(1))


# The files


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory, recorded: None) -> Callable[..., Path]:
    """Trains one method on images of one's own and returns the study's folder."""

    def made(*words: str, seeds: str = "1") -> Path:
        place = tmp_path_factory.mktemp("images")
        values = np.random.default_rng(1).integers(0, 256, size=(140, 1, SIDE, SIDE), dtype=np.uint8)
        np.save(place / "own.npy", values)
        tiny = ("steps=2", "g_width=8", "d_width=8", "batch_size=8", "samples=16", "evaluations=2", "latent_dim=3")
        asked = terminal.request(f"images:{place}/own.npy", "vanilla", *tiny, *words, seeds=seeds)
        return terminal.trained(asked, place / "study").folder

    return made


@pytest.fixture(scope="module")
def studies() -> dict[tuple[str, ...], Path]:
    """Where the studies of this module are, by their words."""
    return {}


@pytest.fixture
def study(fresh: Callable[..., Path], studies: dict[tuple[str, ...], Path]) -> Callable[..., Path]:
    """The folder of such a study, to be read: equal words share it."""

    def made(*words: str, seeds: str = "1") -> Path:
        if (*words, seeds) not in studies:
            studies[*words, seeds] = fresh(*words, seeds=seeds)
        return studies[*words, seeds]

    return made


def cells(path: Path, columns: int, *, apart: bool = False) -> np.ndarray:
    """The images of a grid, ``[rows, columns, H, W]``; ``apart``: a gap 6 pixels wider stands below the first row."""
    with Image.open(path) as picture:
        shades = np.asarray(picture)
    rows, rest = divmod(len(shades) - 2 - 6 * apart, CELL)
    assert (rest, shades.shape[1]) == (0, 2 + CELL * columns)
    tops = [2 + CELL * row + 6 * (apart and row > 0) for row in range(rows)]
    lefts = [2 + CELL * column for column in range(columns)]
    return np.stack([np.stack([shades[t : t + SIDE, x : x + SIDE] for x in lefts]) for t in tops])


def shades_of(images: Tensor) -> np.ndarray:
    """8-bit shades, unrounded, ``[N, 1, H, W] -> [N, H, W]``."""
    return (images.detach()[:, 0].double().numpy() + 1) * 127.5


def own(folder: Path) -> Dataset:
    return ImageSource(
        data_path=str(folder.parent / "own.npy"), reader="array", size="native", colour="native", test_size=0
    ).load()


def test_the_same_latents_are_pictured_at_every_checkpoint(
    fresh: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, list[Tensor]] = {}
    original = module._made

    def note(fleet: object, slot: int, latents: Tensor, generators: int) -> Tensor:
        drawn.setdefault(str(len(latents)), []).append(latents)
        return original(fleet, slot, latents, generators)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(module, "_made", note)
    fresh(seeds="2")
    grids = drawn["25"]
    assert len(grids) == 2 * (2 + 1 + 1)  # members × (evaluations, the last picture, the neighbours)
    assert all(torch.equal(grid, fixed_latents(25, 3, "normal", name="latent/test")) for grid in grids)


def test_real_images_are_test_images_once_for_each_setting(study: Callable[..., Path]) -> None:
    folder = study("lr=0.001,0.002", seeds="2")
    found = sorted(path.parent.name for path in folder.glob("samples/*/real.png"))
    assert found == ["0", "2"]
    pictured = cells(folder / "samples" / "0" / "real.png", 5).reshape(25, SIDE, SIDE)
    with Image.open(folder / "samples" / "0" / "final.png") as picture:
        assert picture.size == (2 + 5 * CELL, 2 + 5 * CELL)  # the layout of the fakes
    tested = shades_of(own(folder).test).round()
    places = [np.flatnonzero((tested == image).all((1, 2))) for image in pictured]
    assert all(len(place) == 1 for place in places)
    picked = [int(place[0]) for place in places]
    assert len(set(picked)) == 25
    assert picked != sorted(picked), "the first images of a file may all be of one class"
    assert (folder / "samples/0/real.png").read_bytes() == (folder / "samples/2/real.png").read_bytes()


@pytest.mark.slow
def test_a_test_set_smaller_than_the_grid_is_shown_whole(study: Callable[..., Path]) -> None:
    folder = study("generators=2")  # a grid of 100
    pictured = cells(folder / "samples" / "0" / "real.png", 10)
    tested = shades_of(own(folder).test).round()
    assert len(tested) == 28
    shown = {image.tobytes() for image in pictured.reshape(-1, SIDE, SIDE)[:28].astype(float)}
    assert shown == {image.tobytes() for image in tested}


@pytest.mark.parametrize("prior", leading(["normal", "uniform"]))
def test_interpolation_leads_from_one_sample_of_the_grid_to_another(study: Callable[..., Path], prior: str) -> None:
    folder = study(*([] if prior == "normal" else [f"prior={prior}"]))
    walk = cells(folder / "samples" / "0" / "interpolation.png", 10).astype(float)
    grid = cells(folder / "samples" / "0" / "final.png", 5).reshape(25, SIDE, SIDE).astype(float)
    assert len(walk) == 5
    assert np.abs(walk[:, 0] - grid[0:10:2]).max() <= 1  # rounded apart
    assert np.abs(walk[:, -1] - grid[1:10:2]).max() <= 1
    latents = fixed_latents(25, 3, prior, name="latent/test")  # pyright: ignore[reportArgumentType]
    between = interpolated(latents[4], latents[5], 10, prior=prior)  # pyright: ignore[reportArgumentType]
    assert np.abs(walk[2] - shades_of(load(folder, run=0)(between))).max() <= 0.51


@pytest.mark.slow
def test_interpolation_of_a_team_has_a_row_for_each_generator(study: Callable[..., Path]) -> None:
    folder = study("generators=3")
    walk = cells(folder / "samples" / "0" / "interpolation.png", 10)
    team = load(folder, run=0)
    assert isinstance(team, Team)
    latents = fixed_latents(30, 3, "normal", name="latent/test")
    between = interpolated(latents[0], latents[1], 10, prior="normal")
    assert len(walk) == 3
    for owner, row in enumerate(walk):
        made = team(between, torch.full((10,), owner))
        assert np.abs(row - shades_of(made)).max() <= 0.51


def test_each_sample_stands_over_its_nearest_training_images(study: Callable[..., Path]) -> None:
    folder = study()
    above, *below = cells(folder / "samples" / "0" / "neighbours.png", 10, apart=True)
    data = own(folder)
    made = load(folder, run=0)(fixed_latents(25, 3, "normal", name="latent/test"))[:10].detach()
    assert np.abs(above - shades_of(made)).max() <= 0.51
    assert (np.stack(below) == shades_of(data.floats(data.train)).round()[nearest(made, data, 5).places.T]).all()


@pytest.mark.slow
def test_the_neighbours_of_a_team_are_those_of_its_generators_in_turn(study: Callable[..., Path]) -> None:
    folder = study("generators=3")
    above = cells(folder / "samples" / "0" / "neighbours.png", 10, apart=True)[0]
    team = load(folder, run=0)
    latents = fixed_latents(30, 3, "normal", name="latent/test")
    for column, image in enumerate(above):
        made = team(latents[column // 3][None], torch.tensor([column % 3]))
        assert np.abs(image - shades_of(made)[0]).max() <= 0.51


@pytest.mark.slow
def test_images_between_nought_and_one_are_drawn_from_black_to_white(
    fresh: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = ImageSource.load

    def halved(self: ImageSource) -> Dataset:
        data = original(self)
        return replace(data, test=(data.test + 1) / 2, pixel_range=(0.0, 1.0))

    monkeypatch.setattr(ImageSource, "load", halved)
    folder = fresh()
    place = folder / "samples" / "0"
    real = cells(place / "real.png", 5)
    assert (real.min(), real.max()) == (0, 255)
    made = load(folder, run=0)(fixed_latents(25, 3, "normal", name="latent/test")).detach()
    assert (made < 0).any(), "tanh leaves the range, and is clipped"
    expected = shades_of((2 * made - 1).clamp(-1, 1)).reshape(5, 5, SIDE, SIDE)
    assert np.abs(cells(place / "final.png", 5) - expected).max() <= 0.51
    again = write_samples(folder, 0, out=folder / "again.png", n=4)
    single = write_samples(folder, 0, out=folder / "single", n=4)
    with Image.open(single / "000003.png") as picture:
        last = np.asarray(picture)[2 : 2 + SIDE, 2 : 2 + SIDE]
    assert (cells(again, 2)[1, 1] == last).all()
    assert last.min() == 0


def test_the_film_is_of_the_checkpoints_alone(study: Callable[..., Path]) -> None:
    folder = study()
    frames = [folder / "samples" / "0" / name for name in ("000000001.png", "000000002.png", "final.png")]
    assert frames_of(folder, 0) == frames
    film = animate(folder, 0, out=folder / "film.webp")
    with Image.open(film) as opened:
        assert opened.size == (2 + 5 * CELL, 2 + 5 * CELL)
        for place, path in enumerate(frames[:2]):  # the last equals the second and prolongs it
            opened.seek(place)
            with Image.open(path) as picture:
                assert (np.asarray(opened.convert("L")) == np.asarray(picture)).all()


@pytest.mark.slow
@pytest.mark.usefixtures("recorded")
def test_points_have_none_of_these_pictures(folder: Path) -> None:
    terminal.study(folder, "vanilla")
    names = {path.name for path in (folder / "samples" / "0").iterdir()}
    assert names == {"000000003.png", "000000006.png", "final.png"}
