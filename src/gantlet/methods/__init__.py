"""Methods: one file per paper, each a recipe of objective, penalties, constraint, optimiser and schedule."""

__all__: list[str] = []
