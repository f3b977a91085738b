"""What `torch.use_deterministic_algorithms` does besides."""

from __future__ import annotations

# Whether new tensors without content are filled while it is on; here they never are.
fill_uninitialized_memory = True
