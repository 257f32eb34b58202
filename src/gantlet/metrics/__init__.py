"""Part of gantlet."""
