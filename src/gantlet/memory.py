"""Whether an error says that memory ran out, of whatever library it is."""

from __future__ import annotations

__all__ = ["out_of_memory"]

_WORDS = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")


def out_of_memory(error: BaseException) -> bool:
    """Python's own, NumPy's, that of torch's CPU allocator (a ``RuntimeError`` like others) or that of a GPU.

    Example:
        >>> out_of_memory(MemoryError()), out_of_memory(RuntimeError("CUDA out of memory.")), out_of_memory(OSError("no"))
        (True, True, False)
    """
    words = str(error).lower()
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"  # torch's
    return named or any(part in words for part in _WORDS)
