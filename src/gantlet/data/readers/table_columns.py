"""Which column of a table holds the images, which the labels, and what the classes are called."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa  # ships no types: schemas, types and columns are Any

from gantlet.errors import BadData

__all__ = ["Columns", "columns_of"]

_PICTURES = ("image", "img", "images", "picture", "pixels", "x", "jpg", "png")
_LABELS = ("label", "labels", "fine_label", "class", "category", "cls", "target", "y")


@dataclass(frozen=True)
class Columns:
    """The columns' names; ``label`` is empty where there is none, ``classes`` where they have only numbers."""

    picture: str
    label: str
    classes: Sequence[str]


def columns_of(schema: Any, source: str) -> Columns:
    """Choose the columns, by the features that Hugging Face writes into a schema, else by name and type.

    Example:
        >>> columns_of(pa.schema([("img", pa.binary()), ("label", pa.int64())]), "faces.parquet")
        Columns(picture='img', label='label', classes=())

    Raises:
        BadData: No column or several could hold the images.
    """
    features = _features(schema)
    labels = [name for name in schema.names if _type(features, name) == "ClassLabel"]
    usable = [field.name for field in schema if pa.types.is_integer(field.type) or _is_text(field.type)]
    label = next((name for name in _LABELS if name in labels), labels[0] if labels else "")
    label = label if label in usable else next((name for name in _LABELS if name in usable), "")
    return Columns(_picture(schema, features, source), label, _classes(features.get(label)))


def _picture(schema: Any, features: Mapping[str, Any], source: str) -> str:
    able = [field.name for field in schema if _holds_images(field.type)]
    said = [name for name in able if _type(features, name) == "Image"]
    usual = [name for name in able if name.lower() in _PICTURES]
    for choice in (said, usual, able):
        if len(choice) == 1:
            return choice[0]
        if choice:
            raise BadData(f"{source} has several columns of images ({', '.join(choice)}); keep one of them.")
    columns = ", ".join(f"{field.name} ({field.type})" for field in schema)[:300]
    raise BadData(
        f"{source} has no column of images (bytes, a struct of bytes and path, or lists of uint8): {columns}."
    )


def _holds_images(kind: Any) -> bool:
    kind = _storage(kind)
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" and _is_bytes(field.type) for field in kind)
    depth = 0
    while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind, depth = _storage(kind.value_type), depth + 1
    return _is_bytes(kind) if depth == 0 else depth in (2, 3) and pa.types.is_uint8(kind)


def _storage(kind: Any) -> Any:
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _is_bytes(kind: Any) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _is_text(kind: Any) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _features(schema: Any) -> Mapping[str, Any]:
    """What ``datasets`` notes of the columns; nothing where it did not write the table."""
    try:
        noted = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = noted["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return features if isinstance(features, dict) else {}


def _type(features: Mapping[str, Any], name: str) -> str:
    feature = features.get(name)
    return str(feature.get("_type", "")) if isinstance(feature, dict) else ""


def _classes(feature: Any) -> Sequence[str]:
    """The names of a ClassLabel, a list or an object by number."""
    names = feature.get("names") if isinstance(feature, dict) else None
    if isinstance(names, dict):
        names = [names.get(str(code), "") for code in range(len(names))]
    return [str(name) for name in names] if isinstance(names, list) and all(names) else ()
