"""``gantlet export`` and ``import``: files that make gantlet's samples, folders of strangers that execute nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, save_file

import gantlet
import terminal
from gantlet.api.export import Export, export, import_model
from gantlet.api.loading import load, trained
from gantlet.api.sampler import draw_member
from gantlet.errors import BadData, BadValue, Damaged, ExportMismatch, FolderInUse, GantletError, Refused, Untrusted
from gantlet.exports import check
from gantlet.files import file_digest, sealed
from gantlet.studies.model_record import CONFIG
from gantlet.studies.store import Store
from gantlet.training.trained import LatentSpace, Team, TrainedGenerator, latent_space


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of a team of averaged weights on 6 × 5 grey images of one's own, with learned weights of its generators."""
    folder = tmp_path_factory.mktemp("images")
    np.save(folder / "own.npy", np.random.default_rng(1).uniform(-1, 1, size=(60, 1, 6, 5)))
    words = ("generators=3", "team_weights=learned", "lr_weights=1", "ema=0.5", "prior=uniform", "latent_dim=4")
    words += ("steps=4", "g_width=8", "d_width=8", "batch_size=8", "samples=16", "spectral_norm=true")
    return terminal.trained(terminal.request(f"images:{folder}/own.npy", "vanilla", *words), folder / "study").folder


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of standardised points in units far from 1, in double precision."""
    folder = tmp_path_factory.mktemp("points")
    rng = np.random.default_rng(1)
    table = np.stack([rng.normal(500, 20, 200), rng.normal(-3, 0.01, 200)], 1)
    np.savetxt(folder / "own.csv", table, delimiter=",", header="height,width", comments="")
    words = ("steps=4", "g_width=8", "d_width=8", "batch_size=8", "samples=50", "dtype=float64", "standardise=true")
    return terminal.trained(terminal.request(f"points:{folder}/own.csv", "vanilla", *words), folder / "study").folder


@pytest.fixture(scope="module")
def model(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images' member as a model folder, with its discriminator; to be read, not changed."""
    folder = tmp_path_factory.mktemp("model") / "folder"
    export(images, format="hub", out=folder, discriminator=True)
    return folder


@pytest.fixture
def copied(model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model, tmp_path / "copied"))


def in_onnxruntime(path: Path, **given: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [entry.name for entry in session.get_inputs()] == list(given)
    made: Any = session.run(None, {name: value.numpy() for name, value in given.items()})[0]
    return made


def changed(folder: Path, **fields: Any) -> None:
    """Write other values into ``config.json``, sealed again as a stranger would."""
    held = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(sealed({**held, **fields})))


# Files


@pytest.mark.slow
def test_an_onnx_file_makes_the_samples_of_gantlet_in_the_data_s_units(points: Path, tmp_path: Path) -> None:
    made = gantlet.Study(points).export(0, format="onnx", out=tmp_path / "deep" / "g.onnx")
    assert isinstance(made, Export)
    assert made.difference <= 1e-6
    expected, _ = draw_member(points, 0, n=80, seed=3)
    z, _ = gantlet.load(points).sample._space.draw(80, 3)
    found = in_onnxruntime(made.path, latents=z)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5)
    assert abs(found[:, 0].mean() - 500) < 100  # not standardised


@pytest.mark.slow
def test_an_onnx_file_in_the_network_s_units_is_standardised(points: Path, tmp_path: Path) -> None:
    z, _ = gantlet.load(points).sample._space.draw(80, 3)
    network = export(points, 0, out=tmp_path / "n.onnx", units="network")
    assert abs(in_onnxruntime(network.path, latents=z)).max() < 100


@pytest.mark.slow
def test_a_team_s_second_input_says_which_generator(images: Path, tmp_path: Path) -> None:
    net = load(images)
    assert isinstance(net, Team)
    z, owners = torch.rand(9, 4) * 2 - 1, torch.arange(9) % 3
    with torch.no_grad():
        expected = net(z, owners)
    path = export(images, out=tmp_path / "team.onnx").path
    np.testing.assert_allclose(in_onnxruntime(path, latents=z, generator=owners), expected.numpy(), atol=1e-6)
    alone = export(images, out=tmp_path / "one.onnx", generator=2).path
    with torch.no_grad():
        of_one = net(z, torch.full((9,), 2))
    np.testing.assert_allclose(in_onnxruntime(alone, latents=z), of_one.numpy(), atol=1e-6)
    with pytest.raises(BadValue, match="--generator 3: this run has 3 generators to choose from, 0 to 2"):
        export(images, out=tmp_path / "x.onnx", generator=3)


@pytest.mark.slow
def test_pixels_are_those_of_a_png(images: Path, tmp_path: Path) -> None:
    path = export(images, format="torch", out=tmp_path / "p.pt2", units="pixels").path
    z, owners = torch.rand(30, 4) * 2 - 1, torch.arange(30) % 3
    net = load(images)
    with torch.no_grad():
        made = torch.export.load(path).module()(z, owners)
        levels = ((net(z, owners).double() + 1) * 127.5).clamp(0, 255)
    assert made.dtype == torch.uint8
    assert float((made.double() - levels).abs().max()) <= 0.5 + 1e-4
    with pytest.raises(BadValue, match="not images have no 8-bit pixels"):
        export(terminal_points(tmp_path), out=tmp_path / "q.pt2", format="torch", units="pixels")


def terminal_points(folder: Path) -> Path:
    return terminal.study(folder / "ring", "vanilla").folder


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"format": "tf"}, "--format tf is not one of onnx, torch, hub"),
        ({"units": "metres"}, "--units metres is not one of data, network, pixels"),
        ({"format": "hub", "units": "pixels"}, "leave --units and --generator out"),
        ({"discriminator": True}, "--discriminator is for --format hub"),
        ({"format": "torch", "opset": 18}, "--opset is for --format onnx"),
        ({"opset": 12}, "--opset 12 is not one of 18 to 23"),
        ({"step": 3}, "The weights of run 0 at step 3 were not kept. Those of step 4 are."),
        ({"generator": 0, "format": "torch"}, "this run has one generator; leave the option out"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    points: Path, tmp_path: Path, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BadValue, match=re.escape(sentence)):
        export(points, out=tmp_path / "x", **options)
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_a_file_that_makes_other_samples_is_not_left_behind(
    points: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "LARGEST", -1.0)
    for format in ("torch", "hub"):
        ended = terminal.gantlet("export", points, 0, "--format", format, "--out", tmp_path / "x")
        assert ended.status == 1
        assert "makes other samples of the same latents" in ended.err
        assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_and_a_default_place_is_a_view_of_the_study(points: Path, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    with pytest.raises(FolderInUse, match="exists already; nothing was written"):
        export(points, format="torch", out=tmp_path / "x")
    study = Path(shutil.copytree(points, tmp_path / "study"))
    ended = terminal.gantlet("export", study, 0, "--format", "torch")
    assert (ended.status, ended.out.strip()) == (0, str(study / "exports" / "0.pt2"))
    assert re.search(r"checked 64 latents in torch \S+: the largest difference is \d", ended.err)
    assert terminal.gantlet("verify", study).out.splitlines()[-1].endswith("is whole")
    with pytest.raises(FolderInUse):
        export(study, format="torch")


def test_a_missing_package_is_named_with_its_extra(
    points: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gantlet.exports.onnx_file.find_spec", lambda name: None if name == "onnxscript" else object())
    ended = terminal.gantlet("export", points, 0, "--out", tmp_path / "g.onnx")
    assert ended.status == 2
    assert "needs the package 'onnxscript'" in ended.err
    assert "pip install 'gantlet[onnx]'" in ended.err


class Branching(torch.nn.Module):
    """A generator whose computation depends on its values."""

    def __init__(self, latent: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(latent, shape[0])

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.layer(z) if bool(z.sum() > 0) else -self.layer(z)


def test_a_computation_that_cannot_be_followed_is_refused(tmp_path: Path) -> None:
    from gantlet.data.specification import SampleSpec
    from gantlet.exports.program import traced
    from gantlet.training.trained import LatentSpace

    net = TrainedGenerator(Branching(2, (2,)), LatentSpace(2, "normal"), SampleSpec((2,), 9)).eval()
    with pytest.raises(Refused, match=r"torch\.export cannot follow the generator's computation"):
        traced(net)


def test_a_loaded_generator_carries_its_latents(images: Path, finished: Store) -> None:
    for folder, run in ((images, 0), (finished.folder, 3)):
        net: Any = gantlet.load(folder, run=run)
        expected, _ = draw_member(folder, run, n=20, seed=5)
        assert torch.equal(net.sample(20, seed=5), expected)
    assert (net.latent_dim, net.prior) == (2, "normal")


# Model folders


def test_a_model_folder_is_loaded_as_what_was_exported(images: Path, model: Path) -> None:
    assert sorted(path.name for path in model.iterdir()) == [
        *("README.md", "config.json", "discriminator.safetensors", "model.pt2", "model.safetensors", "samples.png")
    ]
    net: Any = gantlet.load(model)
    expected, _ = draw_member(images, 0, n=50, seed=5)
    assert torch.equal(net.sample(50, seed=5), expected)
    assert (net.latent_dim, net.prior, net.makers, net.training) == (4, "uniform", 3, False)
    x = torch.rand(5, 1, 6, 5)
    of_model, of_study = (load(folder, player="discriminator")(x) for folder in (model, images))
    assert torch.equal(of_model, of_study)
    with pytest.raises(BadValue, match=r"There is no run 2 in .*: a model folder is one member, 0"):
        load(model, run=2)


def test_points_in_their_own_units_come_back(points: Path, tmp_path: Path) -> None:
    made = export(points, format="hub", out=tmp_path / "m")
    net: Any = gantlet.load(made.path)
    expected, _ = draw_member(points, 0, n=50, seed=5)
    torch.testing.assert_close(net.sample(50, seed=5), expected, rtol=1e-5, atol=0)
    card = (made.path / "README.md").read_text()
    assert "columns height, width" in card
    with pytest.raises(BadValue, match="has no discriminator; export it with --discriminator"):
        load(made.path, player="discriminator")


def test_sample_and_import_and_compare_take_a_model_folder(
    images: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert terminal.gantlet("sample", model, "--n", "12", "--seed", "2", "--out", "m.npy").status == 0
    assert terminal.gantlet("sample", images, "0", "--n", "12", "--seed", "2", "--out", "s.npy").status == 0
    assert np.array_equal(np.load("m.npy"), np.load("s.npy"))
    said = terminal.gantlet("import", model)
    assert said.status == 0
    assert "vanilla on images" in said.out
    assert "3 generators" in said.out
    from gantlet.api.image_sets import ImageSet, open_set

    of_model, of_study = open_set(str(model), most=20), open_set(f"{images}:0", most=20)
    assert isinstance(of_model, ImageSet)
    assert isinstance(of_study, ImageSet)
    assert torch.equal(next(of_model.batches()), next(of_study.batches()))
    assert of_model.facts["training_seed"] == 1


@pytest.mark.slow
def test_the_lines_of_the_card_run_with_gantlet_and_without(model: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (model / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    assert all(len([line for line in block.splitlines() if line]) <= 5 for block in blocks)
    for place, block in enumerate(blocks):
        blocked = 'import sys\nsys.modules["gantlet"] = None\n' if place else ""
        code = f"{blocked}{block}\nprint(list(samples.shape), bool(samples.isfinite().all()))"
        done = subprocess.run([sys.executable, "-c", code], cwd=model, capture_output=True, text=True, check=False)
        assert done.stdout.split("\n")[-2] == "[16, 1, 6, 5] True", done.stderr


@pytest.mark.slow
def test_modules_in_a_stranger_s_folder_are_not_imported(model: Path, tmp_path: Path) -> None:
    """Neither one that bears a library's name nor one that Python looks for by itself, wherever the command is started."""
    place, mark = tmp_path / "model", tmp_path / "executed"
    shutil.copytree(model, place)
    trap = f"from pathlib import Path\nPath({str(mark)!r}).touch()\n"
    for name in (
        "gantlet",
        "torch",
        "numpy",
        "safetensors",
        "config",
        "model",
        "sitecustomize",
        "usercustomize",
        "__init__",
    ):
        (place / f"{name}.py").write_text(trap)
    lines = f"import gantlet; net = gantlet.load({str(place)!r}); print(list(net.sample(3, seed=1).shape))"
    done = subprocess.run([sys.executable, "-c", lines], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), mark.exists()) == ("[3, 1, 6, 5]", False), done.stderr
    program = Path(sys.executable).parent / "gantlet"  # what pip installs does not import from where it is started
    said = subprocess.run([program, "import", "."], cwd=place, capture_output=True, text=True, check=False)
    assert (said.returncode, mark.exists()) == (0, False), said.stderr


def test_the_card_says_what_the_model_is_and_names_no_place(images: Path, model: Path) -> None:
    card = (model / "README.md").read_text()
    row = gantlet.Study(images).runs.iloc[0]
    for part in (
        *("L_D = ", "Goodfellow", "arxiv.org", "| `ema` | 0.5 | user |", "own.npy", "their licence is the author's"),
        *(
            "of seed 1",
            "95 %",
            "a team of 3 generators",
            "exponential moving average",
            "U[-1, 1]",
            "largest difference",
        ),
    ):
        assert part in card, part
    assert row["setting"] in card
    for path in model.iterdir():
        content = path.read_bytes()
        for place in (str(images.parent), str(Path(torch.__file__).parent), str(Path(gantlet.__file__).parent)):
            assert place.encode() not in content, (path.name, place)


@pytest.mark.slow
def test_the_card_of_earlier_weights_says_of_which_step_its_numbers_are(tmp_path: Path) -> None:
    words = ("steps=4", "g_width=8", "d_width=8", "batch_size=8", "samples=50", "checkpoints=every:2")
    study = terminal.trained(terminal.request("ring8", "vanilla", *words), tmp_path / "study").folder
    export(study, format="hub", out=tmp_path / "model", step=2)
    sentence = "The weights are those of step 2; the numbers are those of the end, step 4."
    assert sentence in (tmp_path / "model" / "README.md").read_text()
    export(study, format="hub", out=tmp_path / "last")
    assert "the numbers are those of the end" not in (tmp_path / "last" / "README.md").read_text()


def test_an_export_that_fails_on_one_latent_alone_is_noticed(points: Path) -> None:
    """Such as a layer that divides by the batch's deviation: nan of one, all well of many."""
    net, sheet, member = trained(Store(points), 0)
    generator = TrainedGenerator(net, latent_space(sheet, net), member.record.sample).eval()
    expected = check.reference(generator)

    def run(latents: torch.Tensor, owners: torch.Tensor) -> torch.Tensor:
        made = generator(latents.double(), owners).detach()
        return made if len(latents) > 1 else made * torch.nan

    with pytest.raises(ExportMismatch):
        check.checked(generator, expected, run, "another runtime")


def test_nothing_of_a_folder_is_executed(copied: Path) -> None:
    (copied / "model.pt2").write_bytes(b"not a program")
    assert isinstance(load(copied), TrainedGenerator)


@pytest.mark.parametrize(
    ("fields", "error", "sentence"),
    [
        ({"format": 9}, BadData, "has format 9; this gantlet reads format 1"),
        ({"latent_dim": 10**9}, BadData, "latent_dim"),
        ({"latent_dim": 5}, BadData, "The weights are not those of the network"),
        ({"generators": 2}, BadData, "one share for each generator"),
        ({"generators": 2, "generator_weights": []}, BadData, "which is of none of the 2 generators"),
        ({"generator_weights": [1.0]}, BadData, "one share for each generator"),
        ({"network": {"name": "mlp", "options": {"g_width": 10**7}}}, BadData, "is above 65536"),
        ({"network": {"name": "mlp", "options": {"g_width": 60_000}}}, BadData, "The weights are not those"),
        ({"network": {"name": "mlp", "options": {"colour": 1}}}, BadData, "has no setting colour"),
        ({"network": {"name": "nets"}}, GantletError, "There is no network called 'nets'"),
        ({"network": {"name": "os:system"}}, Untrusted, "names a part of its author's own, os:system"),
        ({"network": {"name": "mlp", "own": "evil.py:Net"}}, Untrusted, "evil.py:Net"),
        ({"sample": {"shape": [1 << 20, 1 << 20], "pool": 1}}, BadData, "cannot be"),
        ({"files": {}}, Damaged, "its SHA-256 is not that in config.json"),
        ({"surprise": 1}, BadData, "surprise"),
    ],
)
def test_a_garbled_configuration_gets_one_sentence(
    copied: Path, fields: dict[str, Any], error: type[GantletError], sentence: str
) -> None:
    changed(copied, **fields)
    with pytest.raises(error, match=re.escape(sentence)):
        load(copied)
    ended = terminal.gantlet("import", copied)
    assert (ended.status, len(ended.lines)) == (2, 1)


def test_garbled_files_get_one_sentence(copied: Path, tmp_path: Path) -> None:
    for name in (CONFIG, "model.safetensors"):
        whole = (copied / name).read_bytes()
        rng = np.random.default_rng(1)
        for _ in range(40):
            damaged = bytearray(whole)
            for place in rng.integers(0, len(whole), 3):
                damaged[place] ^= int(rng.integers(1, 256))
            (copied / name).write_bytes(bytes(damaged[: rng.integers(1, len(whole) + 1)]))
            with pytest.raises(GantletError):
                import_model(copied)
        (copied / name).unlink()
        (copied / name).symlink_to("/dev/zero")
        with pytest.raises(GantletError):
            import_model(copied)
        (copied / name).unlink()
        (copied / name).write_bytes(whole)
    import_model(copied)


def test_weights_that_are_not_finite_are_refused(copied: Path) -> None:
    tensors = load_file(copied / "model.safetensors")
    first = next(name for name, value in tensors.items() if value.is_floating_point())
    tensors[first] = torch.full_like(tensors[first], torch.nan)
    save_file(tensors, copied / "model.safetensors")
    held = json.loads((copied / CONFIG).read_text())["files"]
    changed(copied, files={**held, "model.safetensors": file_digest(copied / "model.safetensors")})
    with pytest.raises(BadData, match="holds numbers that are not finite"):
        load(copied)


def test_weights_in_8_bits_are_refused(copied: Path) -> None:
    tensors = load_file(copied / "model.safetensors")
    first = next(name for name, value in tensors.items() if value.is_floating_point())
    tensors[first] = tensors[first].to(torch.float8_e4m3fn)
    save_file(tensors, copied / "model.safetensors")
    held = json.loads((copied / CONFIG).read_text())["files"]
    changed(copied, files={**held, "model.safetensors": file_digest(copied / "model.safetensors")})
    with pytest.raises(BadData, match=r"numbers of the type torch\.float8_e4m3fn in .*; expected float32"):
        load(copied)


class Counting(torch.nn.Module):
    """Makes large images of nothing, and notes how many at once."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape, self.most = shape, 0

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        self.most = max(self.most, len(z))
        return torch.zeros(1).expand(len(z), *self.shape)


def test_a_stranger_s_large_samples_are_not_made_64_at_once(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few convolutions make an image of any size: the file is small, and 64 images of it are gigabytes."""
    module = sys.modules[import_model.__module__]
    _, config = module.read_model(model)
    large = config.model_copy(update={"sample": replace(config.sample, shape=(1, 2048, 2048))})
    counting = Counting((1, 2048, 2048))
    found = TrainedGenerator(counting, LatentSpace(4, "normal"), large.sample)
    monkeypatch.setattr(module, "read_model", lambda *_, **__: (found, large))
    import_model(model)
    assert counting.most * large.generators * 2048 * 2048 <= 1 << 24


OWN = """
from dataclasses import replace
from pathlib import Path

from torch import nn

Path("ran").write_text(Path("ran").read_text() + "x" if Path("ran").exists() else "x")


class Own(nn.Module):
    def __init__(self, latent, shape):
        super().__init__()
        self.layer = nn.utils.parametrizations.spectral_norm(nn.Linear(latent, shape[0]))

    def forward(self, z):
        return self.layer(z)
"""


@pytest.mark.slow
def test_a_module_of_one_s_own_is_exported_and_trusted_only_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(OWN)
    kept = [word for word in terminal.TINY if not word.startswith("g_")]
    terminal.trained(terminal.request("ring8", "vanilla", *kept, "generator=own.py:Own"), tmp_path / "study")
    made = gantlet.export("study", format="hub", out="model")
    assert made.difference <= 1e-6
    expected, _ = draw_member(Path("study"), 0, n=5, seed=1)
    assert torch.equal(gantlet.load("model").sample(5, seed=1), expected)
    assert "trust=True" in Path("model/README.md").read_text()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setattr("gantlet.studies.trust._ALLOWED", {})
    monkeypatch.setattr("gantlet.catalogue._IMPORTED", {})
    before = Path("ran").read_text()
    with pytest.raises(Untrusted, match=r"own\.py:Own"):
        gantlet.load("model")
    assert Path("ran").read_text() == before
    assert torch.equal(gantlet.load("model", trust=True).sample(5, seed=1), expected)
