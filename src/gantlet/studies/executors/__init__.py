"""Executors: who trains the fleets of a study; one file each, by name in the catalogue.

The protocol is in :mod:`gantlet.studies.executors.base`; :mod:`gantlet.studies.executors.fake` is for tests of what runs
executors.
"""

from gantlet.families import Family

_FAMILY = Family("executor")
get, names = _FAMILY.get, _FAMILY.names

__all__ = ["get", "names"]
