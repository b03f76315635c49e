"""The command line, `segmentation`: rules as files, the management API, the local cloud."""
