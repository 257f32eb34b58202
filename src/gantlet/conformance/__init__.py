"""Known-answer tests of anybody's losses and penalties, in any framework: what ``gantlet conform`` runs."""
