"""What the service does: one use case a function, same verb; each takes ports."""
