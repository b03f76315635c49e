"""Bringing segments over from other systems: converters that say exactly what they cannot carry."""
