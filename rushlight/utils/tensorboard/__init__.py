"""torch.utils.tensorboard: what TensorBoard shows, written as a program runs.

Needs the tensorboard package, whose writer makes the files: `pip install rushlight[tensorboard]`.
"""

from __future__ import annotations

try:
    from tensorboard.summary.writer.record_writer import RecordWriter
except ImportError as error:
    raise ImportError(
        "torch.utils.tensorboard needs the tensorboard package: pip install rushlight[tensorboard]"
    ) from error

from .writer import FileWriter, SummaryWriter

__all__ = ["FileWriter", "RecordWriter", "SummaryWriter"]
