"""What a user asks of Slurm: read from words, tables and mappings, and held against what can stand in a script."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from gantlet.errors import BadValue, UnknownName
from gantlet.requests.slurm_options import SlurmOptions, minutes_of, parse_slurm


def test_words_tables_and_mappings_say_the_same() -> None:
    typed = parse_slurm(
        ["partition=gpu time=4:00:00 gpus=a100:2", "setup=module load cuda", "mem=16G", "setup=ulimit -n 9"]
    )
    table = {
        "partition": "gpu",
        "time": "4:00:00",
        "gpus": "a100:2",
        "mem": "16G",
        "setup": ["module load cuda", "ulimit -n 9"],
    }
    assert typed == parse_slurm(table)
    assert typed.lines == ("module load cuda", "ulimit -n 9")
    assert typed.uses_gpu
    assert not parse_slurm({"gpus": 0}).uses_gpu
    assert parse_slurm({"time": 90, "setup": "true"}) == parse_slurm(["time=90", "setup=true"])


def test_what_is_given_later_replaces_what_was_there() -> None:
    before = parse_slurm(["partition=a time=5", "setup=one"])
    assert parse_slurm(["partition=b", "setup=two"], before) == parse_slurm(["partition=b time=5", "setup=two"])
    assert parse_slurm(["partition="], before).partition == ""


@pytest.mark.parametrize(
    ("given", "kind", "sentence"),
    [
        (["partion=gpu"], UnknownName, "There is no Slurm option called 'partion'. Did you mean 'partition'"),
        (["gpu"], BadValue, "--slurm gpu is not KEY=VALUE"),
        (["gpus=many"], BadValue, "gpus='many' is not GPUs of a job"),
        (["cpus=0"], BadValue, "cpus=0 is not at least 1"),
        (["cpus=two"], BadValue, "cpus=two is not a whole number"),
        (["max_jobs=-1"], BadValue, "max_jobs=-1 is not a whole number"),
        (["time=soon"], BadValue, "time='soon' is not a time limit"),
        (["time=0:30"], BadValue, "less than a minute"),
        (["time=1"], BadValue, "grace=90 leaves no second of time=1"),
        (["mem=16 G"], BadValue, "is not KEY=VALUE"),
        (["mem=lots"], BadValue, "mem='lots' is not memory"),
        (["time=5 time=6"], BadValue, "--slurm gives time twice"),
        (["sbatch=--output=x"], BadValue, "gantlet sets output itself"),
        (["partition='"], BadValue, "cannot be read"),
        ({"partition": "a\n#SBATCH --wrap=evil"}, BadValue, "is not a name of the cluster's"),
        ({"setup": ["one\ntwo"]}, BadValue, "is not one line of shell"),
        ({"partition": True}, BadValue, "is not a text or a whole number"),
        ({"setup": {"a": 1}}, BadValue, "is not a text, or a list of texts"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(given: Any, kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind) as error:
        parse_slurm(given)
    assert sentence in str(error.value)


def test_no_option_can_end_a_line_of_a_script() -> None:
    for each in fields(SlurmOptions):
        if each.type != "int":
            with pytest.raises(BadValue):
                parse_slurm({each.name: "a\nb"})


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("1", 1), ("90:00", 90), ("90:01", 91), ("0:01:00", 1), ("1-0", 1440), ("2-3:04", 3064), ("2-3:04:05", 3065)],
)
def test_times_are_those_of_slurms_manual(text: str, minutes: int) -> None:
    assert minutes_of(text) == minutes
