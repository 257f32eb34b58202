"""The notebooks: executed from top to bottom without an error, free of anyone's paths, and able to run again."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import numpy as np
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient
from PIL import Image

from gantlet.data.digits import digits

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
SOMEONES = re.compile(r"(?<![\w.])/(?:home|root|tmp|work|Users|private|mnt|data)/|[A-Z]:\\\\")
"""Where files are stored on a machine, as it looks in JSON."""

PICTURES = {"serve_a_generator": 3}
"""How many are the least that a notebook shows, where it is not about pictures."""

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def code_of(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def said(notebook: Any) -> Iterator[str]:
    """Everything that a notebook shows as text: its cells, and what they printed."""
    for cell in notebook.cells:
        yield cell.source
        for output in cell.get("outputs", []):
            yield output.get("text", "")
            yield from (str(value) for kind, value in output.get("data", {}).items() if not kind.startswith("image/"))


def test_the_notebooks_are_there() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        *("mnist_comparison", "mnist_comparison_tensorflow", "mode_collapse", "my_loss", "serve_a_generator"),
        "your_images",
    ]


@every_notebook
def test_a_notebook_is_valid_small_and_shows_pictures(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    assert path.stat().st_size < 1_500_000
    kinds = [set(output.get("data", {})) for cell in code_of(notebook) for output in cell.outputs]
    assert sum(bool(kind & {"image/png", "image/jpeg"}) for kind in kinds) >= PICTURES.get(path.stem, 6)
    assert sum(cell.cell_type == "markdown" for cell in notebook.cells) >= 10


@every_notebook
def test_a_notebook_was_executed_in_order_without_errors(path: Path) -> None:
    cells = code_of(read(path))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output.text for output in outputs if output.get("name") == "stderr"]


@every_notebook
def test_a_notebook_names_no_place_on_anyones_machine(path: Path) -> None:
    assert not [text for text in said(read(path)) if SOMEONES.search(json.dumps(text))]


def test_places_on_machines_are_recognised() -> None:
    for place in ("see /home/me/x", "'/tmp/a'", "C:\\Users\\me", "(/home/b)"):
        assert SOMEONES.search(json.dumps(place))
    for fine in ("data/mnist", "runs/tmp/x", "img/google/64", "https://www.npmjs.com/package/x", "a/b"):
        assert not SOMEONES.search(json.dumps(fine))


@every_notebook
def test_the_cells_of_a_notebook_compile(path: Path) -> None:
    transform = TransformerManager().transform_cell
    for place, cell in enumerate(code_of(read(path))):
        compile(transform(cell.source), f"{path.name}, cell {place + 1}", "exec")


# Executed again, on little


@pytest.fixture
def elsewhere(tmp_path: Path, recorded: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, and the kernel and the commands of the interpreter that runs the tests."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GANTLET_NOTEBOOK_STEPS", "5")
    monkeypatch.setenv("GANTLET_NOTEBOOK_SEEDS", "2")
    return tmp_path


def execute(name: str, folder: Path) -> Any:
    notebook = read(EXAMPLES / f"{name}.ipynb")
    for cell in code_of(notebook):
        cell.outputs, cell.execution_count = [], None
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", coalesce_streams=True, resources=where).execute()
    return notebook


def write_idx(path: Path, values: np.ndarray) -> None:
    head = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
    path.write_bytes(head + values.astype(np.uint8).tobytes())


@pytest.mark.slow
def test_the_comparison_on_mnist_runs_again(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = digits().load()
    assert data.train_labels is not None
    assert data.test_labels is not None
    folder = elsewhere / "data" / "mnist"
    folder.mkdir(parents=True)
    for part, images, labels in (
        ("train", data.train, data.train_labels),
        ("t10k", data.test, data.test_labels),
    ):
        write_idx(folder / f"{part}-images-idx3-ubyte", np.rint((data.floats(images[:, 0]).numpy() + 1) * 127.5))
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels.numpy())
    monkeypatch.setenv("GANTLET_NOTEBOOK_TRAIN_SIZE", "400")
    notebook = execute("mnist_comparison", elsewhere)
    shown = "\n".join(said(notebook))
    assert "400 images to train on, 1,000 held out, 28 by 28 pixels" in shown
    studies = sorted(path.parent.name for path in (elsewhere / "runs" / "mnist-comparison").glob("*/runs.parquet"))
    assert studies == ["convolutions", "logistic-and-squares", "wasserstein"]


@pytest.mark.slow
def test_the_way_from_a_folder_to_samples_runs_again(elsewhere: Path) -> None:
    rng = np.random.default_rng(1)
    (elsewhere / "emoji").mkdir()
    for place in range(60):
        pixels = np.kron(rng.integers(0, 256, (8, 8, 4), dtype=np.uint8), np.ones((9, 8, 1), dtype=np.uint8))
        Image.fromarray(pixels).save(elsewhere / "emoji" / f"{place:02d}.png")
    notebook = execute("your_images", elsewhere)
    shown = "\n".join(said(notebook))
    assert re.search(r"images +60\n", shown)
    assert re.search(r"faults +2 .*\n +half\.png: .*\n +notes\.jpg: it is not an image of a format that is read", shown)
    assert len(list((elsewhere / "runs" / "your-images" / "singles").glob("*.png"))) == 20


@pytest.mark.slow
def test_mode_collapse_runs_again_and_its_picture_is_live(elsewhere: Path) -> None:
    notebook = execute("mode_collapse", elsewhere)
    (live,) = (cell for cell in code_of(notebook) if cell.source.startswith("class Live"))
    assert [output.data["text/plain"][:7] for output in live.outputs] == ["<Figure"]  # the last one alone is left
    studies = sorted(path.parent.name for path in (elsewhere / "runs" / "mode-collapse").glob("*/runs.parquet"))
    assert studies == ["packs", "provoked", "six", "team"]


@pytest.mark.slow
def test_a_loss_of_ones_own_ends_as_a_table_and_a_figure_for_print(elsewhere: Path) -> None:
    shown = "\n".join(said(execute("my_loss", elsewhere)))
    assert re.search(r"^step \d: at most \d\.\de[+-]\d\d apart; step 5: ", shown, re.MULTILINE)
    assert "\nright - optimum\n" in shown
    assert "\nWRONG - " not in shown
    folder = elsewhere / "runs" / "my-loss"
    table = (folder / "table.tex").read_text()
    assert table.count(r"\\") == 1 + 7 + 1  # the head, seven settings, the real data
    assert "Softer temperature=4" in table
    assert (folder / "modes.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.slow
def test_a_generator_is_served_without_gantlet(elsewhere: Path) -> None:
    notebook = execute("serve_a_generator", elsewhere)
    assert "of gantlet and torch it has imported []" in "\n".join(said(notebook))
    (server,) = (cell.source for cell in code_of(notebook) if cell.source.startswith("%%writefile serve.py"))
    assert (elsewhere / "serve.py").read_text() == server.partition("\n")[2] + "\n"


@pytest.mark.slow
def test_a_live_picture_is_a_callable(elsewhere: Path) -> None:
    """What docs/studies.md shows, executed: each evaluation replaces the picture before."""
    cells = [
        "import gantlet\nfrom IPython.display import Image, clear_output, display",
        "def show(evaluation):\n"
        "    clear_output(wait=True)\n"
        "    for path in evaluation.images.values():\n"
        "        display(Image(path))",
        "study = gantlet.run('ring8', 'vanilla', steps=6, evaluations=2, samples=100, g_width=8, d_width=8,\n"
        "                    out='study', progress=True, on_evaluation=show)",
        "study",
        "import numpy as np\n"
        "seen = []\n"
        "gan = gantlet.GAN(steps=6, evaluations=3, g_width=8, d_width=8)\n"
        "gan.fit(np.random.default_rng(1).normal(size=(128, 2)), on_evaluation=lambda gan: seen.append(gan.sample(5)))\n"
        "print(len(seen), gan.step)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    where = {"metadata": {"path": str(elsewhere)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", coalesce_streams=True, resources=where).execute()
    shown = [[kind for output in cell.outputs for kind in output.get("data", {})] for cell in notebook.cells]
    assert shown[2].count("image/png") == 1
    assert "text/html" in shown[3]
    assert "1 finished" in notebook.cells[3].outputs[0]["data"]["text/html"]
    assert notebook.cells[4].outputs[-1]["text"] == "3 6\n"


# The notebook whose environment is its own


@pytest.fixture(scope="module")
def tensorflow_notebook() -> ModuleType:
    loader = SourceFileLoader("tensorflow_notebook", str(EXAMPLES.parent / "scripts" / "tensorflow-notebook"))
    spec = spec_from_loader("tensorflow_notebook", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_tensorflows_environment_is_made_once_and_made_anew_where_it_was_broken_off(
    tensorflow_notebook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the pinned torch: the newest one may exist for CUDA alone."""
    called: list[list[str]] = []

    def run(command: list[Any], **more: Any) -> subprocess.CompletedProcess[str]:
        called.append([str(word) for word in command])
        (tmp_path / "venv" / "bin").mkdir(parents=True, exist_ok=True)
        (tmp_path / "venv" / "bin" / "python").touch()
        if len(called) == 2:
            raise subprocess.CalledProcessError(1, command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(subprocess.CalledProcessError):
        tensorflow_notebook.prepared(tmp_path / "venv")
    assert tensorflow_notebook.prepared(tmp_path / "venv") == tmp_path / "venv" / "bin" / "python"
    assert len(called) == 4  # an environment and its packages, twice: the first time was broken off
    pins = (EXAMPLES.parent / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [word for word in called[3] if word.startswith("torch")] == [
        pin for pin in pins if pin.startswith("torch==")
    ]
    tensorflow_notebook.prepared(tmp_path / "venv")
    assert len(called) == 4
    monkeypatch.setattr(tensorflow_notebook, "packages", lambda: ["torch==0"])
    tensorflow_notebook.prepared(tmp_path / "venv")
    assert called[5][-1] == "torch==0"


def test_tensorflows_notebook_reads_no_gantlet_but_that_of_its_environment(
    tensorflow_notebook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: dict[str, str] = {}

    def run(command: list[Any], *, env: dict[str, str], check: bool) -> subprocess.CompletedProcess[str]:
        known.update(env)
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(tensorflow_notebook, "prepared", Path)
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    assert tensorflow_notebook.main(["--venv", str(tmp_path), "--steps", "7"]) == 3
    assert "PYTHONPATH" not in known
    assert known["GANTLET_NOTEBOOK_STEPS"] == "7"
