"""gantlet: train and compare generative adversarial networks, many seeds at once, judged with error bars."""

__version__ = "0.1.0"
