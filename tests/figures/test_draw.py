"""Figures: every pixel of an image grid, and where dots and levels land in a plot of points."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gantlet.errors import BadValue, StoreError
from gantlet.figures import draw
from gantlet.figures.draw import Decision, draw_images, draw_ownership, draw_points
from thinning import leading

WINDOW = (-2.0, 2.0, -2.0, 2.0)
AXIS = np.linspace(-2, 2, 100)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def cloud(centre: tuple[float, float], count: int = 4_000) -> np.ndarray:
    return np.random.default_rng(7).normal(centre, 0.05, (count, 2))


def dark(picture: np.ndarray) -> np.ndarray:
    """Black pixels inside the axes of a 6 by 6 picture, without frame and text."""
    return (picture[:, :, :3].max(-1) < 90)[45:555, 60:575]


def test_a_grey_grid_holds_every_value_at_its_place(tmp_path: Path) -> None:
    values = np.linspace(-1, 1, 6 * 64 * 64).reshape(6, 1, 64, 64)
    draw_images(tmp_path / "grid.png", values, columns=4)
    grid = pixels(tmp_path / "grid.png")
    assert grid.shape == (2 + 2 * 66, 2 + 4 * 66)
    for index in range(6):
        top, left = 2 + 66 * (index // 4), 2 + 66 * (index % 4)
        expected = np.floor((values[index, 0] + 1) * 127.5 + 0.5)
        assert np.array_equal(grid[top : top + 64, left : left + 64], expected)
    assert (grid[:2] == 255).all()  # the gap
    assert (grid[68:, 2 + 2 * 66 :] == 255).all()  # the two empty places


def test_a_colour_grid_keeps_its_channels_in_order(tmp_path: Path) -> None:
    values = np.full((1, 3, 80, 70), -1.0)
    values[0, 0], values[0, 2] = 1.0, 0.0
    draw_images(tmp_path / "grid.png", values)
    inside = pixels(tmp_path / "grid.png")[2:82, 2:72].reshape(-1, 3)
    assert (inside == [255, 0, 128]).all()


@pytest.mark.parametrize(("side", "factor"), [(28, 3), (63, 2), (64, 1), (8, 8)])
def test_small_images_grow_by_a_whole_factor(tmp_path: Path, side: int, factor: int) -> None:
    values = np.random.default_rng(1).uniform(-1, 1, (1, 1, side, side))
    draw_images(tmp_path / "grid.png", values)
    inside = pixels(tmp_path / "grid.png")[2:-2, 2:-2]
    shades = np.rint((values[0, 0] + 1) * 127.5)
    assert np.array_equal(inside, np.kron(shades, np.ones((factor, factor))))


def test_values_that_are_not_finite_or_out_of_range_still_make_a_picture(tmp_path: Path) -> None:
    values = np.zeros((4, 1, 64, 64))
    for index, odd in enumerate([np.nan, np.inf, -np.inf, 3.0]):
        values[index] = odd
    draw_images(tmp_path / "grid.png", values)
    assert pixels(tmp_path / "grid.png")[30, [30, 96, 162, 228]].tolist() == [128, 255, 0, 255]


@pytest.mark.parametrize("shape", [(4, 2, 8, 8), (4, 8, 8), (0, 1, 8, 8)])
def test_other_shapes_of_images_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(BadValue, match=r"\[n, 1 or 3, height, width\]"):
        draw_images(tmp_path / "grid.png", np.zeros(shape))


def test_other_units_move_no_point(tmp_path: Path) -> None:
    points, nothing = cloud((1.0, -1.0)), np.zeros((0, 2))
    draw_points(tmp_path / "own.png", fake=points, real=nothing, title="", extent=WINDOW)
    scaled = (900 + 100 * WINDOW[0], 900 + 100 * WINDOW[1], 5 + WINDOW[2] / 100, 5 + WINDOW[3] / 100)
    draw_points(tmp_path / "b.png", fake=points * [100, 0.01] + [900, 5], real=nothing, title="", extent=scaled)
    one, other = (dark(pixels(tmp_path / name)) for name in ("own.png", "b.png"))
    assert one.sum() > 100
    assert np.mean(one != other) < 1e-3


def test_a_last_picture_shows_fakes_where_they_are(tmp_path: Path) -> None:
    draw_points(tmp_path / "a.png", fake=cloud((1.0, 1.0)), real=cloud((-1.0, -1.0)), title="t", extent=WINDOW)
    picture = pixels(tmp_path / "a.png")
    assert picture.shape[:2] == (600, 600)
    rows, columns = np.nonzero(dark(picture))
    height, width = dark(picture).shape
    assert columns.mean() / width == pytest.approx(0.75, abs=0.03)  # x = 1 in [-2, 2]
    assert rows.mean() / height == pytest.approx(0.25, abs=0.03)  # y = 1, counted from the top
    faint = picture[height * 3 // 4 + 45, width // 4 + 60, :3]  # the reals, at (-1, -1)
    assert 180 < faint.min() <= faint.max() < 255


def test_a_map_fills_the_plane_by_probability(tmp_path: Path) -> None:
    sure = np.broadcast_to(np.where(AXIS < 0, 0.02, 0.98), (100, 100))  # the right half is judged real
    draw_points(
        tmp_path / "a.png",
        fake=np.zeros((0, 2)),
        real=np.zeros((0, 2)),
        title="t",
        extent=WINDOW,
        decision=Decision(AXIS, AXIS, sure, "probability"),
    )
    picture = pixels(tmp_path / "a.png").astype(int)
    assert picture.shape[:2] == (600, 800)
    left, right = picture[300, 150], picture[300, 550]
    assert left[0] > left[2] + 50  # red: judged fake
    assert right[2] > right[0] + 50  # blue: judged real


def test_a_map_of_scores_uses_its_own_range(tmp_path: Path) -> None:
    scores = np.broadcast_to(np.linspace(-40, -30, 100), (100, 100))
    points = np.zeros((0, 2))
    for name, values in {"a": scores, "b": 1_000 + 5 * scores}.items():
        decision = (AXIS, AXIS, values, "score")
        draw_points(tmp_path / f"{name}.png", fake=points, real=points, title="", extent=WINDOW, decision=decision)
    first, second = (pixels(tmp_path / f"{name}.png")[50:550, 70:645] for name in "ab")
    assert np.array_equal(first, second)  # an affine map of a critic's score changes nothing but the scale
    assert len(np.unique(first[250], axis=0)) == 20  # the levels (inside the axes)


@pytest.mark.parametrize("value", [np.nan, 0.25])
def test_a_dead_or_constant_discriminator_still_makes_a_picture(tmp_path: Path, value: float) -> None:
    decision = (AXIS, AXIS, np.full((100, 100), value), "score")
    points = np.vstack([cloud((0.0, 0.0)), [[np.nan, np.inf]]])
    draw_points(tmp_path / "a.png", fake=points, real=points, title="", extent=WINDOW, decision=decision)
    assert (pixels(tmp_path / "a.png")[:, :, :3].max(-1) < 40)[250:350, 250:450].sum() > 100


def test_each_generator_has_its_own_colour(tmp_path: Path) -> None:
    fake = np.vstack([cloud((1.0, 1.0)), cloud((-1.0, 1.0))])
    owners = np.repeat([0, 1], 4_000)
    draw_points(tmp_path / "a.png", fake=fake, real=np.zeros((0, 2)), title="", extent=WINDOW, owners=owners)
    picture = pixels(tmp_path / "a.png").astype(int)
    right, left = picture[165, 450, :3], picture[165, 188, :3]
    assert right[2] > right[0] + 60  # blue, the first generator
    assert left[0] > left[2] + 60  # orange, the second


def test_more_than_ten_generators_are_told_apart(tmp_path: Path) -> None:
    owners = np.repeat(np.arange(12), 400)
    centres = np.stack([np.linspace(-1.8, 1.8, 12), np.zeros(12)], -1)
    fake = centres[owners] + np.random.default_rng(3).normal(0, 0.02, (4_800, 2))
    draw_points(tmp_path / "a.png", fake=fake, real=np.zeros((0, 2)), title="", extent=WINDOW, owners=owners)
    row = pixels(tmp_path / "a.png")[300, :, :3]
    assert len(np.unique(row[row.min(-1) < 200], axis=0)) >= 12


@pytest.mark.parametrize("mapped", leading([False, True]))
def test_a_legend_stands_below_up_to_twelve_generators(tmp_path: Path, mapped: bool) -> None:
    decision = (AXIS, AXIS, np.full((100, 100), 0.5), "probability") if mapped else None
    nothing = np.zeros((0, 2))
    heights = {}
    for count in (1, 12, 13):
        fake, owners = np.zeros((count, 2)), np.arange(count)
        draw_points(
            tmp_path / "a.png", fake=fake, real=nothing, title="", extent=WINDOW, owners=owners, decision=decision
        )
        heights[count] = len(pixels(tmp_path / "a.png"))
        if count == 12:
            below = pixels(tmp_path / "a.png")[600:, :, :3].reshape(-1, 3)
            strong = below[below.max(-1).astype(int) - below.min(-1) > 120]  # dots of the legend, not its letters
            assert len(np.unique(strong // 32, axis=0)) >= 9
    assert heights == {1: 650, 12: 650, 13: 600}


def test_ten_generators_have_colours_that_are_far_apart(tmp_path: Path) -> None:
    places = np.linspace(-1.8, 1.8, 10)
    fake = np.vstack([np.random.default_rng(1).normal((place, 0.0), 0.01, (300, 2)) for place in places])
    owners = np.repeat(np.arange(10), 300)
    draw_points(tmp_path / "a.png", fake=fake, real=np.zeros((0, 2)), title="", extent=WINDOW, owners=owners)
    row = pixels(tmp_path / "a.png").astype(int)[300, :, :3]
    colours = [row[round(48 + 534 * (place + 2) / 4)] for place in places]  # the axes are 534 pixels wide
    assert max(colour.min() for colour in colours) < 160
    gaps = [np.abs(one - other).sum() for rank, one in enumerate(colours) for other in colours[:rank]]
    assert min(gaps) > 75


def test_no_generator_hides_another(tmp_path: Path) -> None:
    fake, owners = cloud((0.0, 0.0), 6_000), np.random.default_rng(1).integers(3, size=6_000)
    draw_points(tmp_path / "a.png", fake=fake, real=np.zeros((0, 2)), title="", extent=WINDOW, owners=owners)
    spot = pixels(tmp_path / "a.png").astype(int)[280:320, 290:340, :3]
    wearing = [np.abs(spot - np.array(colour)).sum(-1) < 60 for colour in ((0, 114, 178), (213, 94, 0), (0, 158, 115))]
    shares = np.array([mask.sum() for mask in wearing]) / sum(mask.sum() for mask in wearing)
    assert shares.min() > 0.2


def test_a_teams_map_is_grey_and_its_reals_lie_under_the_dots(tmp_path: Path) -> None:
    sure = np.broadcast_to(np.where(AXIS < 0, 0.0, 1.0), (100, 100))
    fake, nothing = np.array([[5.0, 5.0]]), np.zeros((0, 2))
    options = {"title": "", "extent": WINDOW, "owners": np.array([0])}
    draw_points(tmp_path / "a.png", fake=fake, real=nothing, decision=(AXIS, AXIS, sure, "probability"), **options)
    picture = pixels(tmp_path / "a.png").astype(int)[:, :, :3]
    assert picture[300, 150].max() - picture[300, 150].min() < 20
    assert picture[300, 150].mean() + 40 < picture[300, 500].mean()  # judged fake is darker
    both = cloud((0.0, 0.0), 2_000)
    draw_points(tmp_path / "b.png", fake=both, real=cloud((0.0, 1.0)), **(options | {"owners": np.zeros(2_000)}))
    final = pixels(tmp_path / "b.png").astype(int)[:, :, :3]
    assert final[300, 315].argmax() == 2  # the first generator's blue
    assert final[300, 315].max() - final[300, 315].min() > 100
    assert 180 < final[165, 315].min() <= final[165, 315].max() < 255


@pytest.mark.parametrize(("generators", "columns"), [(3, 2), (2, 3)])
def test_images_of_generators_begin_rows_and_stand_apart(tmp_path: Path, generators: int, columns: int) -> None:
    each = 12 // generators
    values = np.linspace(-1, 1, 12).reshape(12, 1, 1, 1) * np.ones((1, 3, 64, 64))
    draw_images(tmp_path / "grid.png", values, columns=columns, generators=generators)
    grid = pixels(tmp_path / "grid.png")
    rows = each // columns
    block = 2 + rows * 66 + 4  # eight white pixels between the images of two generators
    assert grid.shape == (generators * block - 4, 2 + columns * 66, 3)
    for index in range(12):
        owner, place = divmod(index, each)
        top, left = owner * block + 2 + 66 * (place // columns), 2 + 66 * (place % columns)
        assert (grid[top : top + 64, left : left + 64] == round((values[index, 0, 0, 0] + 1) * 127.5)).all()
    assert (grid[block - 6 : block + 2] == 255).all()


def test_generators_with_different_numbers_of_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="10 images cannot come from 3 generators"):
        draw_images(tmp_path / "grid.png", np.zeros((10, 1, 8, 8)), generators=3)


def cells(path: Path, rows: int, columns: int) -> np.ndarray:
    """The shade of every cell of an ownership table, beside its number: ``[rows, columns]``."""
    picture = pixels(path)[:, :, :3].astype(int)
    top, left = 45, 115
    return np.array(
        [
            [picture[round(top + 42 * row) + 8, round(left + 42 * column) + 8] for column in range(columns)]
            for row in range(rows)
        ]
    )


def test_the_more_a_generator_has_of_a_mode_the_darker_its_cell(tmp_path: Path) -> None:
    counts = np.array([[0, 50, 100, 0], [200, 10, 0, 0], [3, 400, 30, 0]])
    draw_ownership(tmp_path / "a.png", counts, title="t")
    shades = cells(tmp_path / "a.png", 3, 4).mean(-1)
    order = counts.ravel().argsort(kind="stable")
    assert (np.diff(shades.ravel()[order]) <= 0).all()
    assert shades[2, 1] < 120
    assert shades[0, 0] > 250


def test_the_most_of_each_mode_is_framed_in_its_generators_colour(tmp_path: Path) -> None:
    draw_ownership(tmp_path / "a.png", [[0, 5, 0], [7, 5, 0]], title="t")
    picture = pixels(tmp_path / "a.png")[:, :, :3].astype(int)

    def framed(row: int, column: int) -> list[int]:
        cell = picture[45 + 42 * row : 45 + 42 * (row + 1), 115 + 42 * column : 115 + 42 * (column + 1)].reshape(-1, 3)
        return [
            int((np.abs(cell - np.array(colour)).sum(-1) < 40).sum() > 60) for colour in ((0, 114, 178), (213, 94, 0))
        ]

    found = [[framed(row, column) for column in range(3)] for row in range(2)]
    assert found == [[[0, 0], [1, 0], [0, 0]], [[0, 1], [0, 0], [0, 0]]]  # a tie goes to the first; nothing is nobody's


@pytest.mark.parametrize("shape", [(1, 1), (3, 1000), (60, 4)])
def test_ownership_of_any_size_fits_its_picture(tmp_path: Path, shape: tuple[int, int]) -> None:
    draw_ownership(tmp_path / "a.png", np.ones(shape, dtype=int), title="t", modes_are="class")
    height, width = pixels(tmp_path / "a.png").shape[:2]
    expected = 42 * np.minimum(shape, 40)
    assert height == pytest.approx(expected[0] + 100, abs=1)
    assert width == pytest.approx(max(320, expected[1] + 135), abs=1)


@pytest.mark.parametrize("shape", [(3,), (0, 4), (2, 2, 2)])
def test_ownership_of_another_shape_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(BadValue, match=r"counts \[generators, classes\]; got"):
        draw_ownership(tmp_path / "a.png", np.zeros(shape), title="t", modes_are="class")


def test_points_of_another_shape_and_unknown_maps_are_refused(tmp_path: Path) -> None:
    flat, points = np.zeros((5, 3)), np.zeros((5, 2))
    with pytest.raises(BadValue, match=r"fake points \[N, 2\]; got \[5, 3\]"):
        draw_points(tmp_path / "a.png", fake=flat, real=points, title="", extent=WINDOW)
    with pytest.raises(BadValue, match="probability or a score, not 'logit'"):
        draw_points(
            tmp_path / "a.png",
            fake=points,
            real=points,
            title="",
            extent=WINDOW,
            decision=(AXIS, AXIS, np.zeros((100, 100)), "logit"),
        )
    assert not list(tmp_path.iterdir())


def test_a_title_is_plain_text(tmp_path: Path) -> None:
    draw_points(tmp_path / "a.png", fake=cloud((0, 0)), real=cloud((0, 0)), title="cost $x_{", extent=WINDOW)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]  # no temporary file is left


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        draw_images(tmp_path / "file" / "grid.png", np.zeros((1, 1, 8, 8)))


@pytest.mark.slow
def test_pictures_are_quick(tmp_path: Path) -> None:
    fake = np.random.default_rng(1).normal(size=(25_000, 2))
    decision = (AXIS, AXIS, np.hypot(AXIS[:, None], AXIS[None]), "score")

    def seconds() -> float:
        began = time.process_time()
        draw_points(tmp_path / "a.png", fake=fake, real=fake[:500], title="", extent=WINDOW, decision=decision)
        return time.process_time() - began

    assert min(seconds() for _ in range(4)) < 0.25


def test_matplotlib_is_imported_when_something_is_plotted() -> None:
    """A worker that draws grids of images, or nothing, starts without it, a third of a second sooner."""
    for path in Path(draw.__file__).parent.glob("*.py"):
        at_once = [
            node
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        assert not [node.lineno for node in at_once if "matplotlib" in ast.unparse(node)], path.name
