"""Puts failed records of the event stream back on it, once what made them fail is mended."""

from .failures import Replayed, replay

__all__ = ["Replayed", "replay"]
