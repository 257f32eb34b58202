"""The version of the package: here alone, where the build and every part of the package read it."""

__all__ = ["VERSION"]

VERSION = "0.2.0"
