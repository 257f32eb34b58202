"""Tasks: experiments, one file per data family."""

__all__: list[str] = []
