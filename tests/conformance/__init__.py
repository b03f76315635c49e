"""The conformance suite: every case of rules/conformance, through every reading of the language."""
