"""The hash of an ONNX file with the files beside it in which its weights lie.

Exporters put weights into a second file (``net.onnx.data``), and the first one names it by a pair of texts, ``location`` and
the file's name. The pair is found by its bytes: fields 1 and 2 of a message of protocol buffers, each with its length
before it. So neither onnx nor onnxruntime is needed, where it is asked whether a file is still the one that was trusted.

Reference:
    | ONNX, onnx.proto: TensorProto.external_data, StringStringEntryProto
"""

from __future__ import annotations

import hashlib
import mmap
import re
from contextlib import suppress
from pathlib import Path

from gantlet.files import file_digest

__all__ = ["onnx_digest"]

_ENTRY = re.compile(
    rb"\n\x08location\x12([\x01-\x7f]|[\x80-\xff][\x01-\x7f])", re.DOTALL
)  # the length: one byte or two


def onnx_digest(path: Path) -> str:
    """SHA-256 of the file or, where its weights lie in others, of the hashes of all; hexadecimal.

    Raises:
        OSError: The file cannot be read; others that cannot are left out, as what runs the file says so.
    """
    found = [file_digest(path)]
    for name in _elsewhere(path):
        with suppress(OSError, ValueError):
            if (path.parent / name).is_file():
                found.append(file_digest(path.parent / name))
    return found[0] if len(found) == 1 else hashlib.sha256(" ".join(found).encode()).hexdigest()


def _elsewhere(path: Path) -> list[str]:
    """The names of the files that hold weights, in order."""
    if not path.stat().st_size:
        return []
    names: list[str] = []
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for entry in _ENTRY.finditer(content):
            low, *high = entry[1]
            length = (low & 0x7F) + (high[0] << 7 if high else 0)
            names.append(content[entry.end() : entry.end() + length].decode(errors="replace"))
    return list(dict.fromkeys(names))
