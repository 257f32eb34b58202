"""Galleries: which members are shown, how small pictures become, and what is left out."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from gantlet.reports.gallery import EmbeddedImage, Gallery, galleries, shrink
from gantlet.reports.page import write_report
from gantlet.reports.read import StudyData, read_study
from thinning import leading


@pytest.fixture(scope="module")
def study(make_study: Callable[..., Path]) -> StudyData:
    return read_study(make_study(seeds=9, evaluations=10, drawn=True))


def opened(picture: EmbeddedImage) -> Image.Image:
    content = base64.b64decode(picture.address.split(",", 1)[1])
    return Image.open(io.BytesIO(content))


@pytest.fixture(scope="module")
def shown(study: StudyData) -> list[Gallery]:
    """The galleries of a study of which the first member diverged."""
    runs = study.runs.assign(status=["diverged", *study.runs["status"][1:]])
    return galleries(StudyData(study.folder, study.record, runs, study.history), 10**7)


def test_the_first_members_of_each_setting_are_shown_not_the_best(study: StudyData, shown: list[Gallery]) -> None:
    assert [gallery.label for gallery in shown] == study.labels
    assert [picture.caption for picture in shown[1].last] == [f"run {run}, seed {run - 8}" for run in range(9, 13)]
    assert [strip.of for strip in shown[1].strips] == [f"run {run}, seed {run - 8}" for run in range(9, 13)]


def test_a_member_that_did_not_finish_says_so(shown: list[Gallery]) -> None:
    assert shown[0].last[0].caption == "run 0, seed 1, diverged"


def test_a_strip_spans_training_evenly_from_the_first_to_the_last_step(shown: list[Gallery]) -> None:
    steps = [int(picture.caption.split()[1].replace(",", "")) for picture in shown[0].strips[0].frames]
    assert len(steps) == 8
    assert (steps[0], steps[-1]) == (2_000, 20_000)
    gaps = [after - before for before, after in pairwise(steps)]
    assert max(gaps) - min(gaps) <= 2_000


@pytest.mark.slow
def test_when_the_allowance_is_spent_every_setting_still_has_its_first_picture(study: StudyData) -> None:
    full = galleries(study, 10**7)
    allowance = sum(len(gallery.last[0].address) for gallery in full)
    scarce = galleries(study, allowance)
    assert [len(gallery.last) for gallery in scarce] == [1, 1, 1]
    assert not any(gallery.strips for gallery in scarce)
    assert galleries(study, 0) == []


def test_a_study_without_pictures_has_no_gallery(make_study: Callable[..., Path]) -> None:
    assert galleries(read_study(make_study(seeds=2)), 10**7) == []


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "RGBA", "1", "I;16"])
def test_pictures_of_any_kind_are_shrunk_and_keep_their_shades(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (900, 600), 0).save(tmp_path / "a.png")
    picture = shrink(tmp_path / "a.png", "a", 300)
    assert picture is not None
    assert (picture.width, picture.height) == (300, 200)
    with opened(picture) as image:
        assert image.size == (300, 200)
        assert image.convert("L").getextrema()[1] <= 2


def test_a_small_picture_keeps_its_size(tmp_path: Path) -> None:
    Image.linear_gradient("L").save(tmp_path / "a.png")
    picture = shrink(tmp_path / "a.png", "a", 400)
    assert picture is not None
    with opened(picture) as image:
        assert image.size == (256, 256)
        assert abs(image.convert("L").getpixel((128, 200)) - 200) <= 3


def test_files_that_are_no_pictures_are_left_out(tmp_path: Path) -> None:
    whole = io.BytesIO()
    Image.linear_gradient("L").save(whole, format="png")
    contents = {
        "empty": b"",
        "text": b"<svg onload=alert(1)>",
        "cut": whole.getvalue()[:200],
        "chunk": whole.getvalue()[:16] + b"\xff" * 40,
    }
    for name, content in contents.items():
        (tmp_path / f"{name}.png").write_bytes(content)
        assert shrink(tmp_path / f"{name}.png", "a", 100) is None
    assert shrink(tmp_path / "missing.png", "a", 100) is None


def test_what_is_no_plain_file_of_the_study_is_neither_waited_for_nor_shown(tmp_path: Path) -> None:
    study, outside = tmp_path / "study", tmp_path / "outside"
    for folder in (study, outside):
        folder.mkdir()
        Image.linear_gradient("L").save(folder / "a.png")
    os.mkfifo(study / "pipe.png")
    (study / "link.png").symlink_to(outside / "a.png")
    (study / "samples").symlink_to(outside)
    shown = {
        name: shrink(study / name, "a", 100, within=study) is not None
        for name in ("a.png", "pipe.png", "link.png", "samples/a.png")
    }
    assert shown == {"a.png": True, "pipe.png": False, "link.png": False, "samples/a.png": False}


@pytest.mark.parametrize("side", leading([7_000, 9_500, 14_000]))
def test_a_picture_that_would_fill_the_memory_is_not_opened(tmp_path: Path, side: int) -> None:
    Image.new("1", (side, side)).save(tmp_path / "a.png")
    assert shrink(tmp_path / "a.png", "a", 100) is None


@pytest.fixture
def teams(make_study: Callable[..., Path]) -> StudyData:
    """A study whose second setting is a team, of which three members have ownership drawn."""
    folder = make_study(seeds=4, evaluations=2, drawn=True, task="digits")
    for run in (4, 5, 6):
        Image.new("RGB", (900, 300), (10 * run, 0, 0)).save(folder / "samples" / str(run) / "ownership.png")
    return read_study(folder)


def test_ownership_stands_beside_the_last_pictures_of_teams_alone(teams: StudyData) -> None:
    shown = galleries(teams, 10**7)
    assert [len(gallery.owned) for gallery in shown] == [0, 3, 0]
    assert [picture.caption for picture in shown[1].owned] == [f"run {run}, seed {run - 3}" for run in (4, 5, 6)]
    assert (shown[1].owned[2].width, shown[1].owned[2].height) == (640, 213)
    with opened(shown[1].owned[2]) as image:
        assert abs(image.convert("RGB").getpixel((9, 9))[0] - 60) <= 3
    assert [len(gallery.strip) for gallery in shown] == [2, 2, 2]  # it is no step of the strip


@pytest.mark.slow
def test_ownership_gives_way_to_the_first_pictures(teams: StudyData) -> None:
    full = galleries(teams, 10**7)
    allowance = sum(len(gallery.last[0].address) for gallery in full)
    for more, owned in ((0, [0, 0, 0]), (len(full[1].owned[0].address), [0, 1, 0])):
        scarce = galleries(teams, allowance + more)
        assert all(gallery.last for gallery in scarce)
        assert [len(gallery.owned) for gallery in scarce] == owned


@pytest.mark.slow
@pytest.mark.usefixtures("no_charts")
def test_the_page_shows_ownership_inline_and_only_of_teams(teams: StudyData, tmp_path: Path) -> None:
    page = write_report([teams.folder], tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count('<div class="gallery owned">') == 1
    place = page.index('<div class="gallery owned">')
    block = page[place : page.index("</div>", place)]
    assert block.count('src="data:image/') == block.count("<img") == 3
    assert page.index("alpha alpha_d=0.3</h3>") < place < page.index("wgan-gp</h3>")


@pytest.fixture
def judged(make_study: Callable[..., Path]) -> StudyData:
    """A study of which the first two members of a setting have pictures by which images are judged, and one has real ones."""
    folder = make_study(seeds=4, evaluations=2, drawn=True, task="digits")
    for run in (4, 5):
        Image.new("L", (662, 332), 10 * run).save(folder / "samples" / str(run) / "interpolation.png")
        Image.new("L", (662, 404), 20 * run).save(folder / "samples" / str(run) / "neighbours.png")
    Image.new("L", (332, 332), 200).save(folder / "samples" / "4" / "real.png")
    return read_study(folder)


def test_real_images_walks_and_neighbours_are_those_of_the_first_member(judged: StudyData) -> None:
    shown = galleries(judged, 10**7)
    for kind, counts in {"real": [0, 1, 0], "between": [0, 1, 0], "near": [0, 1, 0], "strip": [2, 2, 2]}.items():
        assert [len(getattr(gallery, kind)) for gallery in shown] == counts
    (real,), (between,), (near,) = shown[1].real, shown[1].between, shown[1].near
    assert (real.caption, real.width) == ("real images, held out", 332)
    assert between.caption.startswith("run 4, seed 1: between")
    assert near.caption.startswith("run 4, seed 1: samples")
    for picture, size, shade in ((real, (332, 332), 200), (between, (662, 332), 40), (near, (662, 404), 80)):
        with opened(picture) as image:
            assert image.size == size
            assert abs(image.convert("L").getpixel((9, 9)) - shade) <= 3


@pytest.mark.slow
@pytest.mark.usefixtures("no_charts")
def test_the_page_shows_real_images_before_the_fakes_and_the_others_beneath(judged: StudyData, tmp_path: Path) -> None:
    page = write_report([judged.folder], tmp_path / "page.html").read_text(encoding="utf-8")
    begin = page.index("alpha alpha_d=0.3</h3>")
    block = page[begin : page.index("wgan-gp</h3>", begin)]
    order = [
        "real images, held out",
        "run 4, seed 1</figcaption>",
        "between two latents",
        "nearest training",
        "step by step",
    ]
    places = [block.index(words) for words in order]
    assert places == sorted(places)
    assert page.count('<div class="gallery wide">') == 1
    assert page.count("real images, held out</figcaption>") == 1


@pytest.mark.slow
def test_scarce_room_goes_to_last_pictures_then_real_ones(judged: StudyData) -> None:
    full = galleries(judged, 10**7)
    allowance = sum(len(gallery.last[0].address) for gallery in full)
    scarce = galleries(judged, allowance + len(full[1].real[0].address))
    assert [(len(gallery.last), len(gallery.real), len(gallery.between)) for gallery in scarce] == [
        *((1, 0, 0), (1, 1, 0), (1, 0, 0)),
    ]
