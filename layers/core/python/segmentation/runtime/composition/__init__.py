"""The composition root: one module a function, so that each imports only the adapters that it uses.

Built at cold start, by the first invocation; nothing is read or connected at import.
"""
