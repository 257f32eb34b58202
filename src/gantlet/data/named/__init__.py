"""Named data sets: one card each. A new one is its card and one line in the catalogue."""

__all__: list[str] = []
