"""Other engines asked whether they read the compiled SQL as the local one does: `make cross-check`."""
