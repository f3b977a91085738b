"""What `torch.save` and `torch.load` do where their arguments leave it open; see `patch`."""

from ...serialization._config import load, patch, save

__all__ = ["load", "patch", "save"]
