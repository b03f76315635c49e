"""Audience, event, profile state, membership, access: plain Python, no I/O."""
