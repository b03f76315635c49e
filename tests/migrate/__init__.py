"""Converters from other systems."""
