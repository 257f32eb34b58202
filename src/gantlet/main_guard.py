"""Whether a script of a user's own may be imported: one that does its work without a main guard would do it again."""

from __future__ import annotations

import ast
from pathlib import Path

__all__ = ["only_defines"]


def only_defines(script: Path) -> bool:
    """Whether importing a script does nothing but define things: its work stands in functions or behind a main guard."""
    plain = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
    try:
        body = ast.parse(script.read_text(encoding="utf-8")).body
    except (OSError, SyntaxError, ValueError):
        return False
    return all(
        isinstance(node, plain)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        or (isinstance(node, ast.If) and "__name__" in ast.unparse(node.test))
        or (isinstance(node, ast.Assign | ast.AnnAssign) and not any(isinstance(n, ast.Call) for n in ast.walk(node)))
        for node in body
    )
