"""The JSON schemas of ``study.toml`` and ``study.json``, by which editors complete and check these files.

Names and keys are those of the catalogue: ``settings`` offers every key of every task and method with its help, its range and
its default. Keys and names that a schema cannot know (files and packages of one's own, other names of keys) are let through;
``gantlet run study.toml --dry-run`` checks them.

Reference:
    | JSON Schema, draft 2020-12, https://json-schema.org
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from gantlet import catalogue
from gantlet.errors import UnknownName
from gantlet.requests.aliases import PLAYERS
from gantlet.requests.parts import keys_of
from gantlet.requests.study_file import StudyFile
from gantlet.settings import Setting
from gantlet.studies.record import StudyRecord
from gantlet.studies.trackers import TRACKERS

__all__ = ["SCHEMAS", "schema"]

SCHEMAS = {"study.toml": StudyFile, "study.json": StudyRecord}
"""The files that have one."""

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_TYPES = {bool: "boolean", int: "integer", float: "number"}
_ATTRIBUTE = re.compile(r"(?m)^ {4}(\w+): (.+(?:\n {8}.+)*)")


def schema(name: str = "study.toml") -> dict[str, Any]:
    """The schema of a file.

    Arguments:
        name: ``study.toml`` or ``study.json``.

    Raises:
        UnknownName: Another file.

    Example:
        >>> schema("study.toml")["properties"]["settings"]["properties"]["lr_g"]["description"]
        'learning rate of the generators; 0 < lr_g; default 0.0002'
    """
    if name not in SCHEMAS:
        raise UnknownName("schema", name, SCHEMAS)
    found: dict[str, Any] = {"$schema": _DRAFT, **SCHEMAS[name].model_json_schema()}
    for part in (found, *found.get("$defs", {}).values()):
        _describe(part)
    if name == "study.json":
        found["properties"]["seal"] = {
            "type": "string",
            "description": "SHA-256 of all else; it tells damage and edits.",
        }
    if name == "study.toml":
        known = found["properties"]
        known["settings"]["properties"] = _settings()
        _offer(known["task"], catalogue.names("task"))
        _offer(known["methods"], catalogue.names("method"))
        _offer(known["executor"], catalogue.names("executor"))
        _offer(known["tracker"], ("", *TRACKERS))
    return found


def _describe(part: dict[str, Any]) -> None:
    """Give each property the words of its class's docstring, and drop the titles that only repeat the names."""
    words, _, attributes = str(part.get("description", "")).partition("Attributes:")
    told = dict(_ATTRIBUTE.findall(attributes))
    if words:
        part["description"] = _plain(words)
    for key, entry in part.get("properties", {}).items():
        entry.pop("title", None)
        if sentence := entry.get("description") or told.get(key):
            entry["description"] = _plain(sentence)


def _plain(words: str) -> str:
    """A docstring's words on one line, without the marks of reStructuredText."""
    text = re.sub(r":\w+:`~?([^`<]+)(?: <[^>]+>)?`", r"\1", words)
    return " ".join(text.replace("``", "`").split())


def _offer(entry: dict[str, Any], names: Iterable[str]) -> None:
    """Let an editor offer names, wherever a text is asked for; other texts stay valid."""
    offered = {"enum": list(names)}
    kinds = entry.pop("anyOf", None) or [{"type": entry.pop("type")}]
    for kind in kinds:
        if kind["type"] == "array":
            kind["items"] = {"anyOf": [offered, kind["items"]]}
    entry["anyOf"] = [offered, *kinds]


def _settings() -> dict[str, Any]:
    """Every key of every task and method, and the short keys that set both players."""
    found: dict[str, dict[Setting, None]] = {}
    pairs = [(task, "vanilla") for task in catalogue.names("task")]
    pairs += [("digits", method) for method in catalogue.names("method")]
    for task, method in pairs:
        for key, entry in keys_of(task, method).items():
            found.setdefault(key, {})[entry.setting] = None
    for short, both in PLAYERS.items():
        found[short] = found[both[0]]
    return {key: _setting(list(known)) for key, known in sorted(found.items())}


def _setting(known: Sequence[Setting]) -> dict[str, Any]:
    """One value or several, of what any part means by a key; a text may be a range, such as ``0.5:1:0.5``."""
    values = [{"type": "string"}, *(value for setting in known for value in _values(setting))]
    values = [value for place, value in enumerate(values) if value not in values[:place]]
    words = dict.fromkeys(_plain(f"{each.help}; {each.range()}{_default(each)}") for each in known)
    return {"description": " | ".join(words), "anyOf": [*values, {"type": "array", "items": {"anyOf": values}}]}


def _values(known: Setting) -> list[dict[str, Any]]:
    if known.choices:
        return [{"enum": list(known.choices)}]
    if known.kind is str:
        return [{"type": "boolean"}, {"type": "number"}]  # beside text: true and 0.5 are read as texts
    value: dict[str, Any] = {"type": _TYPES[known.kind]}
    if known.low is not None:
        value["exclusiveMinimum" if known.open_low else "minimum"] = known.low
    if known.high is not None:
        value["exclusiveMaximum" if known.open_high else "maximum"] = known.high
    return [value]


def _default(known: Setting) -> str:
    shown = str(known.default).lower() if known.kind is bool else str(known.default)
    return f"; default {shown}" if shown else ""
