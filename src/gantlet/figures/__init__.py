"""Figures: samples and decision maps as images, recorded during training, and joined to animations."""
