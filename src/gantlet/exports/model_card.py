"""The card of a model folder, ``README.md``: what the model is, how it was trained and judged, and how to sample from it.

Both examples in it run as they stand, in the folder: one with gantlet, one without.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from gantlet._version import VERSION
from gantlet.data.dataset_card import card_or_none
from gantlet.requests.resolve import Resolved
from gantlet.statistics.summary import summarise
from gantlet.studies.members import StudyMember
from gantlet.studies.model_record import ModelConfig

from .check import Check

__all__ = ["CardFacts", "model_card", "sampling_with_gantlet", "sampling_without_gantlet"]

_FOLDERS = re.compile(r"(?<![\w./])/(?:[^\s/,;'\"]+/)+")
_OF_FILES = {"digits": "mnist"}
"""Readers whose images are a part of a named data set."""


@dataclass(frozen=True)
class CardFacts:
    """What a card tells.

    Attributes:
        member: The member that was exported.
        runs: One row per member of its study.
        config: The folder's ``config.json``.
        checks: What the comparisons found.
        pictured: Whether there is a ``samples.png``.
    """

    member: StudyMember
    runs: pd.DataFrame
    config: ModelConfig
    checks: tuple[Check, ...]
    pictured: bool


def model_card(facts: CardFacts) -> str:
    """The whole file, Markdown with YAML in front."""
    config, resolved = facts.config, facts.member.resolved
    title = f"{config.method} on {config.task}"
    parts = [
        _front(config),
        f"# {title}",
        _lead(facts),
        "![Samples](samples.png)" if facts.pictured else "",
        "## Sample",
        "With gantlet, in this folder (Python imports modules that lie where it is started: of a stranger's folder, give the path):",
        f"```python\n{sampling_with_gantlet(config)}\n```",
        "With PyTorch alone:",
        f"```python\n{sampling_without_gantlet(config)}\n```",
        _units(config),
        "## Method",
        *_method(resolved),
        "## Settings that differ from the defaults",
        _settings(resolved),
        "## Data",
        *_data(facts.member),
        "## Metrics",
        *_metrics(facts),
        "## Checked",
        "\n".join(f"- {check}." for check in facts.checks),
        f"Exported by gantlet {VERSION}.",
        "## Limits",
        "\n".join(f"- {line}" for line in _limits(facts)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def sampling_with_gantlet(config: ModelConfig) -> str:
    """Lines that draw 16 samples with gantlet, in the folder."""
    trust = ", trust=True" if config.network.own or ":" in config.network.name else ""
    return f'import gantlet\n\ngenerator = gantlet.load("."{trust})\nsamples = generator.sample(16, seed=1)'


def sampling_without_gantlet(config: ModelConfig) -> str:
    """Lines that draw 16 samples with PyTorch alone, in the folder."""
    space = config.space
    drawn = f"torch.randn(16, {space.dimension})"
    if space.prior == "uniform":
        drawn = f"torch.rand(16, {space.dimension}) * 2 - 1"
    lines = ["import torch", "", 'generator = torch.export.load("model.pt2").module()', f"latents = {drawn}"]
    if space.makers == 1:
        return "\n".join([*lines, "samples = generator(latents)"])
    picked = f"torch.randint({space.makers}, (16,))"
    if space.weights:
        shares = ", ".join(f"{share:.6g}" for share in space.weights)
        picked = f"torch.multinomial(torch.tensor([{shares}]), 16, replacement=True)"
    return "\n".join(
        [*lines, f"which = {picked}  # of the {space.makers} generators", "samples = generator(latents, which)"]
    )


def _front(config: ModelConfig) -> str:
    images = config.pictures == "images"
    lines = ["---", "library_name: gantlet", "tags:", "- gan", f"- {_word(config.method)}", f"- {_word(config.task)}"]
    return "\n".join([*lines, *(["pipeline_tag: unconditional-image-generation"] if images else []), "---"])


def _word(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name.rpartition("/")[2]).strip("-") or "own"


def _lead(facts: CardFacts) -> str:
    config, task = facts.config, facts.member.record.task
    shape = "×".join(map(str, config.sample.shape))
    kind = f"{shape} images" if config.pictures == "images" else f"samples of {shape} numbers"
    team = "" if config.generators == 1 else f", a team of {config.generators} generators ({config.team})"
    weights = "an exponential moving average of the weights" if config.weights == "average" else "the last weights"
    return (
        f"The generator of a generative adversarial network{team}: {kind} from latents of {config.latent_dim} numbers. "
        f"Task `{task.name}`: {task.summary or 'the author’s own'}. Method `{config.method}`, setting `{config.setting}`, "
        f"seed {config.seed}, {config.step:,} steps, {weights}."
    )


def _units(config: ModelConfig) -> str:
    shape = ", ".join(map(str, config.sample.shape))
    low, high = config.sample.pixel_range
    prior = "N(0, 1)" if config.prior == "normal" else "U[-1, 1]"
    words = f"Latents are drawn from {prior}. Samples are float32 `[N, {shape}]`"
    if config.pictures == "images":
        return f"{words}, black is {low:g} and white {high:g}."
    columns = f", columns {', '.join(config.sample.columns)}" if config.sample.columns else ""
    return f"{words} in the units of the data{columns}."


def _method(resolved: Resolved) -> Iterator[str]:
    method = resolved.method
    paper = f"[{method.paper}]({method.url})" if method.url else method.paper
    yield f"{_sentence(method.summary)} {paper}"
    named = [f"{player} = {loss}" for player, loss in zip(("L_D", "L_G"), method.formulas, strict=True) if loss]
    if named:
        lines = "\n".join(named)
        yield f"```text\n{lines}\n```"
        yield "l: score, s = σ(l); r: real, f: fake; E: mean over the batch; natural logarithms."
    parts = [f"objective `{_word(method.objective)}`", *(f"penalty `{_word(name)}`" for name in method.penalties)]
    if method.constraint:
        parts.append(f"constraint `{_word(method.constraint)}`")
    yield f"Parts: {', '.join(parts)}; network `{_word(resolved.training.network)}`."
    if method.differs:
        yield "Differs from the paper:\n\n" + "\n".join(f"- {line}" for line in method.differs)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:].rstrip('.')}." if words else ""


def _settings(resolved: Resolved) -> str:
    keys, rows = resolved.parts.keys, list[tuple[str, str, str]]()
    for name, value in resolved.values.items():
        source = resolved.sources.get(name, "")
        if source.startswith("default"):
            continue
        shown = _portable(str(value)) if keys[name].setting.path else _shown(value)
        rows.append((f"`{name}`", shown, source))
    return _table(("key", "value", "decided by"), rows) if rows else "None."


def _data(member: StudyMember) -> Iterator[str]:
    facts: Any = member.record.data_of(member.setting)
    source: Any = member.resolved.source
    named = card_or_none(str(getattr(source, "card", "")) or _OF_FILES.get(str(getattr(source, "reader", "")), ""))
    words = _portable(str(facts.get("source", member.record.task.name)))
    yield f"{_sentence(words)} {_count(facts.get('train'))} to train on, {_count(facts.get('test'))} held out."
    if named is not None:
        yield f"{named.title}: {named.paper} {named.home}"
        yield f"Licence of the data: {named.licence}"
    elif member.record.task.pictures == "points" and "drawn" in words:
        yield "The data are drawn from a known distribution; nobody holds rights in them."
    else:
        yield "The data are the author's own; their licence is the author's to state here."


def _metrics(facts: CardFacts) -> Iterator[str]:
    member = facts.member
    known = {name: entry for name, entry in member.record.metrics.items() if name in facts.runs.columns}
    label, task = member.resolved.label, member.resolved.task.name
    same = facts.runs[(facts.runs["setting"] == label) & (facts.runs["task"] == task)]
    numeric = [name for name in known if pd.api.types.is_numeric_dtype(same[name]) and same[name].notna().any()]
    numeric = [name for name in numeric if not pd.api.types.is_bool_dtype(same[name])]
    mine = same[same["seed"] == member.seed]
    if not numeric or mine.empty:
        yield "None was measured."
        return
    row: Mapping[Any, Any] = summarise(same, metrics=numeric).iloc[0].to_dict()
    rows = [
        (
            f"`{name}`",
            _number(mine.iloc[0][name]),
            _number(row[f"{name}_mean"]),
            f"{_number(row[f'{name}_low'])} … {_number(row[f'{name}_high'])}",
            known[name].better or "",
            known[name].help,
        )
        for name in numeric
    ]
    seeds = ", ".join(str(seed) for seed in sorted(same["seed"]))
    yield (
        f"This file is of seed {member.seed}. The mean and its 95 % bootstrap interval are over the seeds {seeds} of the "
        f"same setting ({int(row['finished'])} finished, {int(row['diverged'])} diverged)."
    )
    end = mine.iloc[0].get("generator_steps")
    if end is not None and pd.notna(end) and int(end) != facts.config.step:  # a table's numbers are NumPy's
        yield f"The weights are those of step {facts.config.step:,}; the numbers are those of the end, step {int(end):,}."
    yield _table(("metric", "this seed", "mean", "95 % interval", "better", "what it is"), rows)


def _limits(facts: CardFacts) -> Iterator[str]:
    label, task = facts.member.resolved.label, facts.member.resolved.task.name
    seeds = int(((facts.runs["setting"] == label) & (facts.runs["task"] == task)).sum())
    yield "It makes samples like its training data and of nothing else; what these lack or over-represent, it does too."
    if seeds == 1:
        yield "One seed was trained: the numbers above say nothing of how another seed would do."
    else:
        yield f"It is one of {seeds} seeds; another seed of the same setting can be better or worse by the interval above."
    yield "Samples can resemble training samples; whether any is a copy was not checked here."
    yield "`model.pt2` is a program: load one only from somebody you trust. `gantlet.load` reads the weights and `config.json`."


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '¦') for cell in line)} |" for line in lines)


def _portable(words: str) -> str:
    """A text without the folders of this machine.

    Example:
        >>> _portable("folder:/home/me/cats, 3 files"), _portable("/data/a/b.npy"), _portable("https://a.org/b/c")
        ('folder:cats, 3 files', 'b.npy', 'https://a.org/b/c')
    """
    return _FOLDERS.sub("", words)


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "an unknown number"


def _number(value: Any) -> str:
    return f"{float(value):.4g}" if math.isfinite(float(value)) else "–"
