"""Segments as code: the documents under `rules/`, compared with what is published, pushed there and pulled from there."""
