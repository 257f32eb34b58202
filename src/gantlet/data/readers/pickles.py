"""Pickled dictionaries of arrays, lists and strings, read without ever running what a file asks for.

A pickle is a program. Before it runs, its opcodes are looked through: only those that build plain values are let
pass, and no length or memo number may exceed the file. While it runs, the few names that a pickled array needs stand
for objects of this module, which remember their arguments; NumPy is called afterwards, on a checked buffer. Every
other name is refused.

Reference:
    | PEP 3154, Pickle protocol version 4 (Pitrou, 2011), https://peps.python.org/pep-3154/
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import BadData

__all__ = ["load_pickle"]

_PLAIN = (
    "PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT INT STRING "
    "SHORT_BINSTRING BINSTRING SHORT_BINBYTES BINBYTES BINBYTES8 BYTEARRAY8 SHORT_BINUNICODE BINUNICODE UNICODE "
    "EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT DICT SETITEM SETITEMS "
    "PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BUILD"
)
_OPCODES = frozenset(_PLAIN.split())
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_TUPLES = frozenset({"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"})
_MOST_TUPLES = 24  # two arrays need 14; each nesting doubles the time that a hash of tuples can take

_ARRAY, _DTYPE, _ENCODE, _BUFFER, _TYPE = "array", "dtype", "encode", "buffer", "ndarray"
_NAMES = {
    ("numpy", "ndarray"): _TYPE,
    ("numpy", "dtype"): _DTYPE,
    ("numpy.core.multiarray", "_reconstruct"): _ARRAY,
    ("numpy._core.multiarray", "_reconstruct"): _ARRAY,
    ("numpy.core.numeric", "_frombuffer"): _BUFFER,
    ("numpy._core.numeric", "_frombuffer"): _BUFFER,
    ("_codecs", "encode"): _ENCODE,
}
_KINDS = {"u1", "i1", "i2", "i4", "i8", "u2", "u4", "u8"}


def load_pickle(content: bytes, source: str) -> dict[str, Any]:
    """The dictionary in a pickle of Python 2 or 3, with text for keys and arrays of whole numbers among its values.

    Strings of Python 2 stay bytes, but for the keys.

    Example:
        >>> load_pickle(pickle.dumps({b"labels": [3, 1], "data": np.array([[7]], np.uint8)}), "batch")
        {'labels': [3, 1], 'data': array([[7]], dtype=uint8)}
        >>> load_pickle(pickle.dumps({"run": print}), "batch")
        Traceback (most recent call last):
        gantlet.errors.BadData: batch asks for 'builtins.print', which is refused: it was not made by saving images.

    Raises:
        BadData: The file is truncated, corrupt or not a pickle, or it asks for anything beyond such values.
    """
    _check_opcodes(content, source)
    try:
        loaded = _Restricted(io.BytesIO(content), encoding="bytes").load()
    except _RefusedName as error:
        raise BadData(f"{source} asks for '{error}', which is refused: it was not made by saving images.") from None
    except Exception as error:  # a damaged program raises whatever its values raise
        raise BadData(f"{source} is a corrupt pickle ({type(error).__name__}: {str(error)[:100]}).") from None
    if not isinstance(loaded, dict):
        raise BadData(f"{source} holds a {type(loaded).__name__}; expected a dictionary.")
    return {_text(key): _plain(value, source) for key, value in loaded.items()}


class _RefusedName(pickle.UnpicklingError):
    pass


class _Name:
    """A name that a pickle may ask for. Without ``__dict__``, so that no state can be put on it."""

    __slots__ = ("role",)

    def __init__(self, role: str) -> None:
        self.role = role

    def __call__(self, *given: Any) -> Any:
        if self.role == _ENCODE:
            text, encoding = given
            if encoding != "latin1" or not isinstance(text, str):
                raise pickle.UnpicklingError("an unexpected encoding")
            return text.encode("latin1")
        return _Made(self.role, given)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("state for a name")


class _Made:
    """What such a name was called with, and the state it was given afterwards."""

    __slots__ = ("given", "role", "state")

    def __init__(self, role: str, given: tuple[Any, ...]) -> None:
        self.role = role
        self.given = given
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Restricted(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        role = _NAMES.get((module_name, global_name))
        if role is None:
            raise _RefusedName(f"{module_name}.{global_name}"[:100])
        return _Name(role)


def _check_opcodes(content: bytes, source: str) -> None:
    with warnings.catch_warnings():  # of odd escapes in what may be no pickle at all
        warnings.simplefilter("ignore", DeprecationWarning)
        _look_through(content, source)


def _look_through(content: bytes, source: str) -> None:
    tuples, most = 0, len(content)
    end = -1
    try:
        for opcode, argument, place in pickletools.genops(content):
            if opcode.name not in _OPCODES:
                raise BadData(f"{source} holds the pickle opcode {opcode.name}, which saved images do not need.")
            tuples += opcode.name in _TUPLES
            if tuples > _MOST_TUPLES or (opcode.name in _PUTS and not 0 <= int(argument or 0) <= most):
                raise BadData(f"{source} is a corrupt pickle (at byte {place}).")
            end = place or 0
    except ValueError as error:  # what pickletools raises where the file ends early or makes no sense
        raise BadData(f"{source} is truncated, corrupt, or not a pickle ({str(error)[:100]}).") from None
    if end + 1 != len(content):
        raise BadData(f"{source} has {len(content) - end - 1} bytes after its end; it is corrupt.")


def _plain(value: Any, source: str) -> Any:
    return _as_array(value, source) if isinstance(value, _Made) else value


def _as_array(made: _Made, source: str) -> NDArray[Any]:
    """The array of which a pickle said: type, shape, order, bytes."""
    try:
        if made.role == _BUFFER:
            raw, kind, shape, order = made.given
            fortran = order == "F"
        else:
            _, shape, kind, fortran, raw = made.state
        dtype = _dtype(kind)
        sizes = tuple(int(size) for size in shape)
        if isinstance(raw, str):
            raw = raw.encode("latin1")
        if min(sizes, default=0) < 0 or math.prod(sizes) * dtype.itemsize != len(raw) or len(sizes) > 8:
            raise ValueError(f"{list(sizes)} of {dtype} in {len(raw)} bytes")
        return np.frombuffer(raw, dtype).reshape(sizes, order="F" if fortran else "C")
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BadData(f"{source} holds a corrupt array ({str(error)[:100]}).") from None


def _dtype(made: Any) -> np.dtype[Any]:
    if not isinstance(made, _Made) or made.role != _DTYPE:
        raise ValueError("no type")
    code = _text(made.given[0])
    if code not in _KINDS:
        raise ValueError(f"values of the type {code[:20]}")
    order = _text(made.state[1]) if made.state else "|"
    return np.dtype(code).newbyteorder(order if order in ("<", ">") else "|")


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)[:200]
