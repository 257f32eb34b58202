"""Readers: where images are stored, one file per layout. None of them imports torch, so that worker processes start quickly."""

__all__: list[str] = []
