"""What the management API takes and answers: the shapes that requests are read into and the OpenAPI document shows."""
