"""The JSON schemas of study files: they let through what gantlet reads, refuse what it refuses, and offer every name."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import terminal
from gantlet import catalogue
from gantlet.api.schema import SCHEMAS, schema
from gantlet.errors import UnknownName
from gantlet.requests.study_file import StudyFile
from gantlet.studies.store import Store

ROOT = Path(__file__).resolve().parents[2]
HEAD = 'task = "ring8"\nmethods = ["vanilla"]\n'


@pytest.fixture(scope="module")
def study() -> dict[str, Any]:
    return schema()


def fits(known: dict[str, Any], text: str) -> bool:
    return Draft202012Validator(known).is_valid(tomllib.loads(text))


def test_both_are_schemas_and_another_file_has_none() -> None:
    for name in SCHEMAS:
        Draft202012Validator.check_schema(schema(name))
    with pytest.raises(UnknownName, match=r"There is no schema called 'study\.yaml'"):
        schema("study.yaml")


def test_the_files_of_the_documentation_fit(study: dict[str, Any]) -> None:
    texts = [page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md"))]
    found = [file for text in texts for file in re.findall(r"(?ms)^```toml[^\n]*\n(.*?)^```", text) if "task =" in file]
    assert found
    assert [file for file in found if not fits(study, file)] == []


@pytest.mark.parametrize(
    "lines",
    [
        "seeds = [1, 4, 9]\n",
        'seeds = "6:10"\n',
        'preset = ["seed"]\nroute = ""\n',
        '[settings]\nlr = [1e-3, 2e-3]\nalpha_d = [0.3, inf]\n"alpha_d+alpha_g" = 0.7\nalpha_g = "0.5:1:0.5"\n',
        '[settings]\nflips = true\nlambda_gp = 10\ninit = "orthogonal"\n',
        '[slurm]\ngpus = 1\nsetup = ["module load x"]\n',
    ],
)
def test_what_a_study_file_may_hold_fits(study: dict[str, Any], lines: str) -> None:
    assert StudyFile.model_validate(tomllib.loads(HEAD + lines))
    assert fits(study, HEAD + lines)


@pytest.mark.parametrize(
    "text",
    [
        'task = "ring8"\n',
        HEAD + "sedes = 3\n",
        HEAD + "seeds = 1.5\n",
        HEAD + 'route = "fast"\n',
        HEAD + "[settings]\nlr = {a = 1}\n",
        HEAD + "[settings]\nlr_g = 0.0\n",
        HEAD + "[settings]\nlr_g = [1e-3, -1.0]\n",
        HEAD + "[settings]\nflips = 3\n",
    ],
)
def test_what_is_wrong_does_not_fit(study: dict[str, Any], text: str) -> None:
    assert not fits(study, text)


def test_every_name_and_key_is_offered_with_words(study: dict[str, Any]) -> None:
    known = study["properties"]
    assert known["task"]["anyOf"][0]["enum"] == catalogue.names("task")
    several = next(kind for kind in known["methods"]["anyOf"] if kind.get("type") == "array")
    assert several["items"]["anyOf"][0]["enum"] == catalogue.names("method")
    settings = known["settings"]["properties"]
    assert {"lr", "lr_g", "penalty_weight", "alpha_d", "flips", "network", "n_critic"} <= settings.keys()
    for entry in (*known.values(), *settings.values()):
        assert len(entry["description"]) > 5
        assert "``" not in entry["description"]
    assert '"enum": ["adam"' in json.dumps(settings["optimiser"])


def test_the_record_of_a_study_fits_its_schema(finished: Store) -> None:
    known = schema("study.json")
    record = json.loads((finished.folder / "study.json").read_text(encoding="utf-8"))
    assert list(Draft202012Validator(known).iter_errors(record)) == []
    assert all(entry.get("description") for entry in known["properties"].values() if "const" not in entry)
    del record["plan"]
    assert not Draft202012Validator(known).is_valid(record)


def test_the_command_prints_it() -> None:
    done = terminal.gantlet("schema")
    assert (done.status, json.loads(done.out)) == (0, schema())
    done = terminal.gantlet("schema", "setup.cfg")
    assert done.status == 2
    assert "study.json, study.toml" in done.err
