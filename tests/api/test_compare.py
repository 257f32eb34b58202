"""``gantlet compare``: two sets of any kind, as numbers with counts, intervals, cards and a floor."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import nn

from gantlet.api.compare import compare_sets
from gantlet.api.image_sets import ImageSet, open_set
from gantlet.errors import BadData, BadValue, FolderInUse
from gantlet.metrics.gaussian_fit import read_statistics
from onnx_files import onnx_file
from terminal import Done, gantlet

NETS = """
from torch import nn
class Squares(nn.Module):
    input_size = 8
    def forward(self, images):
        return nn.functional.avg_pool2d(images, 4).flatten(1)
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sets of 60 images, as folder, archive and array; of the folder's, some are of another size, and grey."""
    folder = tmp_path_factory.mktemp("sets")
    (folder / "nets.py").write_text(NETS)
    numbers = np.random.default_rng(1)
    pixels = {name: images(numbers, mean) for name, mean in (("real", 120), ("fake", 160), ("train", 120))}
    for name, rows in pixels.items():
        (folder / name).mkdir()
        for place, row in enumerate(rows):
            image = Image.fromarray(row)
            image = image.resize((24, 16)) if name == "real" and place % 7 == 0 else image
            (image.convert("L") if place == 5 else image).save(folder / name / f"{place:03d}.png")
    np.save(folder / "fake.npy", pixels["fake"])
    with zipfile.ZipFile(folder / "fake.zip", "w") as archive:
        for path in sorted((folder / "fake").iterdir()):
            archive.write(path, path.relative_to(folder))
    np.save(folder / "x.npy", numbers.normal(size=(300, 6)).astype("float32"))
    np.save(folder / "y.npy", numbers.normal(size=(200, 6)) + 1)
    return folder


@pytest.fixture(autouse=True)
def here(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sets to work in."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def images(numbers: np.random.Generator, mean: float) -> np.ndarray:
    coarse = numbers.normal(mean, 30, (60, 4, 4, 3)).clip(0, 255)
    return coarse.repeat(4, 1).repeat(4, 2).astype(np.uint8)


def found_by(*words: str) -> dict[str, Any]:
    done = gantlet("compare", *words, "--features", "nets.py:Squares", "--json")
    assert (done.status, done.err) == (0, "")
    return json.loads(done.out)


def test_the_record_is_what_scripts_rely_on() -> None:
    found = found_by("folder:real", "folder:fake", "--metrics", "kid,fd")
    assert list(found) == ["kid", "fd"]
    for name, entry in found.items():
        assert entry["low"] < entry["value"] < entry["high"]
        assert entry["value"] > entry["floor"]
        assert entry["card"]["name"] == f"{name}_Squares"
        assert entry["card"]["sets"]["judged"]["count"] == 60
        assert len(entry["card"]["extractor"]["sha256"]) == 64
    assert gantlet("compare", "real", "fake", "--features", "nets.py:Squares", "--format", "json").status == 0


def test_an_onnx_file_reads_as_the_module_does(here: Path) -> None:
    onnx_file(here / "squares.onnx", nn.Sequential(nn.AvgPool2d(4), nn.Flatten()), (1, 3, 8, 8))
    words = ("real", "fake", "--metrics", "fd,kid,precision")
    done = gantlet("compare", *words, "--features", "squares.onnx", "--json")
    assert (done.status, done.err) == (0, "")
    for name, entry in found_by(*words).items():
        same = json.loads(done.out)[name]
        assert same["value"] == pytest.approx(entry["value"], rel=1e-3, abs=1e-6)
        assert same["card"]["name"] == f"{name}_squares"


def test_folder_archive_and_array_of_the_same_images_score_the_same() -> None:
    values = [found_by("real", one, "--metrics", "fd,kid,coverage") for one in ("fake", "fake.zip", "array:fake.npy")]
    first, second, third = ({name: entry["value"] for name, entry in found.items()} for found in values)
    assert first == second
    assert third["fd"] == pytest.approx(first["fd"], rel=0.05), "one of the folder's is grey"
    assert found_by("real", "real", "--metrics", "fd")["fd"]["value"] == pytest.approx(0, abs=1e-6)


def test_the_second_set_is_judged_and_the_training_images_show_copies() -> None:
    copied = found_by("real", "train", "--train", "folder:train")
    assert copied["memorisation"]["value"] == 1.0
    assert copied["authenticity"]["value"] == 0.0
    fresh = found_by("real", "fake", "--train", "train")
    assert fresh["memorisation"]["high"] < 0.5, "other images are far from everything"
    assert "memorisation" not in found_by("real", "fake")


def test_features_and_statistics_in_arrays(here: Path) -> None:
    found = compare_sets("x.npy", "y.npy", save=here / "x.npz").record()
    assert found["fd"]["card"]["extractor"]["name"] == "given"
    assert len(read_statistics(here / "x.npz").mean) == 6
    assert compare_sets("x.npz", "y.npy").scores["fd"].value == pytest.approx(found["fd"]["value"], rel=1e-9)
    assert 5 < found["fd"]["value"] < 7, "six coordinates, each off by one"
    assert "fd_given" in gantlet("compare", "x.npz", "x.npz").out


def test_a_table_says_counts_floor_and_whose_features() -> None:
    done = gantlet("compare", "real", "fake", "--features", "nets.py:Squares", "--n", "40")
    assert done.status == 0
    for words in ("fd_Squares", "95 % interval", "floor", "judged     fake, 40", "extractor  nets.py:Squares, SHA-256"):
        assert words in done.out


def study() -> Done:
    asked = ["images:fake.npy", "vanilla", "network=mlp", "steps=2", "batch_size=16", "evaluations=1", "metrics=none"]
    return gantlet("run", *asked, "size=16", "g_width=8", "d_width=8", "--out", "s", "--seeds", "2")


@pytest.mark.slow
@pytest.mark.usefixtures("short_report")
def test_a_member_of_a_study_is_compared_by_its_samples() -> None:
    assert study().status == 0
    found = found_by("fake", "s:1", "--n", "50", "--metrics", "fd")
    facts = found["fd"]["card"]["sets"]["judged"]
    assert (facts["count"], facts["run"], facts["weights"], facts["training_seed"]) == (50, 1, "last", 2)
    done = gantlet("compare", "fake", "s", "--features", "nets.py:Squares")
    assert (done.status, "has 2 runs; name one, such as s:0" in done.err) == (2, True)
    assert "There is no run 7" in gantlet("compare", "fake", "s:7", "--features", "nets.py:Squares").err


def test_a_set_that_is_too_small_is_refused_before_any_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    np.save("few.npy", np.full((12, 8, 8, 3), 200, dtype=np.uint8))

    def read(*_: object, **__: object) -> None:
        pytest.fail("images were read")

    monkeypatch.setattr("gantlet.api.compare.read_features", read)
    done = gantlet("compare", "real", "few.npy", "--features", "nets.py:Squares")
    assert done.status == 2
    assert "few.npy holds 12 images; scores need at least 20 of each set" in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["real", "nosuch"], "'nosuch' is not here: expected a folder, an archive, an array"),
        (["real", "nets.py"], "neither a folder nor a file whose ending says how to read it"),
        (["real", "fake", "--metrics", "fid"], "FID is the Fréchet distance on inception-2015 alone"),
        (["real", "fake", "--metrics", "memorisation"], "'memorisation' needs training images (--train)"),
        (["real", "fake", "--train", "real"], "--train and the reference are the same images"),
        (["real", "fake", "--features", "incepton-2015"], "Did you mean 'inception-2015'"),
        (["real", "fake", "--features", "inception-2015"], "gantlet data weights inception-2015 --from FILE"),
        (["real", "fake", "--format", "xml"], "--format xml is not one of table, json"),
        (["real", "fake", "--n", "9"], "real holds 9 images; scores need at least 20 of each set"),
        (["x.npy", "x.npz", "--metrics", "kid"], "only the Fréchet distance can be had"),
        (["x.npy", "wide.npy"], "these have 6 and 7 features"),
        (["x.npz", "wide.npy"], "have 6 and 7 features"),
        (["x.npy", "nan.npy"], "features that are not finite"),
        (["x.npy", "broken.npy"], "cannot be read as an array"),
    ],
)
def test_bad_input_is_one_sentence(words: list[str], message: str) -> None:
    np.save("wide.npy", np.ones((30, 7)))
    np.save("nan.npy", np.full((30, 6), np.nan))
    np.savez("x.npz", mu=np.zeros(6), sigma=np.eye(6))
    Path("broken.npy").write_bytes(b"\x93NUMPY")
    options = [] if "--features" in words else ["--features", "nets.py:Squares"]
    done = gantlet("compare", *words, *options)
    assert done.status == 2
    assert message in done.err
    assert done.err.count("\n") == 1


def test_corrupt_images_are_skipped_up_to_one_percent_and_said(here: Path) -> None:
    (here / "real" / "030.png").write_bytes(b"\x89PNG broken")
    opened = open_set("real")
    assert isinstance(opened, ImageSet)
    with pytest.raises(BadData, match=r"1 of 60 images of real cannot be read, such as 030\.png"):
        list(opened.batches())


def test_statistics_have_no_other_score() -> None:
    np.savez("x.npz", mu=np.zeros(6), sigma=np.eye(6))
    with pytest.raises(BadValue, match="only the Fréchet distance"):
        compare_sets("x.npz", "y.npy", metrics=["precision"])


def test_two_names_of_one_place_are_one_set_of_images() -> None:
    for train in ("./real", "folder:real", "folder:./real"):
        done = gantlet("compare", "real", "fake", "--train", train)
        assert done.status == 2
        assert "are the same images" in done.err


def test_statistics_are_saved_where_the_judged_side_is_statistics_too(here: Path) -> None:
    compare_sets("x.npy", "y.npy", metrics=["fd"], save=here / "one.npz")
    compare_sets("y.npy", "one.npz", save=here / "two.npz")
    before = (here / "two.npz").read_bytes()
    with pytest.raises(
        FolderInUse, match=r"two\.npz exists already; nothing was written\. Choose another --save-statistics"
    ):
        compare_sets("x.npy", "one.npz", save=here / "two.npz")
    assert (here / "two.npz").read_bytes() == before
    expected = compare_sets("y.npy", "x.npy", metrics=["fd"], save=here / "three.npz")
    assert expected.scores["fd"].value > 0
    assert read_statistics(here / "two.npz").mean.tolist() == read_statistics(here / "three.npz").mean.tolist()


def test_statistics_go_out_and_come_in_as_torch_fidelity_keeps_them(here: Path) -> None:
    words = ("--features", "nets.py:Squares", "--metrics", "fd", "--json")
    whole = json.loads(gantlet("compare", "real", "fake", *words, "--save-statistics", "real.pt").out)
    done = gantlet("compare", "real.pt", "fake", *words)
    assert (done.status, done.err) == (0, "")
    assert json.loads(done.out)["fd"]["value"] == pytest.approx(whole["fd"]["value"], rel=1e-4)
    refused = gantlet("compare", "absent", "fake", "--save-statistics", "real.txt")
    assert (refused.status, "FILE.npz or FILE.pt" in refused.err) == (2, True)
