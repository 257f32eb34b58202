"""Searching settings with a budget: trials judged over seeds, hopeless ones left early, the best confirmed on fresh seeds.

A search is an ordinary study whose record says what is searched (:mod:`gantlet.studies.search.state`); what comes next follows
from the record and the results alone (:mod:`gantlet.studies.search.loop`), so that a search that was interrupted goes on.
"""
