"""Passes over graphs of torch.ops.aten."""
