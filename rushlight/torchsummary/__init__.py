"""What the package torchsummary offers: `summary(model, input_size)`."""

from .torchsummary import summary

__all__ = ["summary"]
