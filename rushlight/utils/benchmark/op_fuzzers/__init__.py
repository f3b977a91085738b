"""Random tensors for operators of one kind."""
