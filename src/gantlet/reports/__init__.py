"""Reports: the page about one study or several, and the summary table for a terminal or a program."""
