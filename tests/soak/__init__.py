"""A steady mixed stream through the embedded cloud with faults, and what must be true in the end."""
