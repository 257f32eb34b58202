"""Training: keyed randomness, stacks of networks, optimisers, the step, and fleets of members.

Read in this order: ``randomness``, ``stack``, ``optimisers``, ``update_schedule``, ``batch_loader``, ``blueprint``, ``step``,
``fleet``, ``checkpoint``.
"""

__all__: list[str] = []
