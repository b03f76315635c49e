"""Small faults put into the language one at a time: `make mutants` shows that the conformance cases notice each."""
