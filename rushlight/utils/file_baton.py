"""A file that one process creates and others wait for: one of them works at a time."""

from __future__ import annotations

import os
import time
import warnings


class FileBaton:
    """The process that creates the file has the baton, until it removes the file."""

    def __init__(
        self,
        lock_file_path: str,
        wait_seconds: float = 0.1,
        warn_after_seconds: float | None = None,
    ):
        self.lock_file_path = lock_file_path
        self.wait_seconds = wait_seconds
        self.warn_after_seconds = warn_after_seconds
        self.fd: int | None = None

    def try_acquire(self) -> bool:
        """Take the baton; False when somebody else has it."""
        try:
            self.fd = os.open(self.lock_file_path, os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            return False
        return True

    def wait(self) -> None:
        """Wait until nobody has it; warns once after `warn_after_seconds`."""
        start, warned = time.monotonic(), False
        while os.path.exists(self.lock_file_path):
            time.sleep(self.wait_seconds)
            limit = self.warn_after_seconds
            if limit is not None and not warned and time.monotonic() - start > limit:
                warned = True
                warnings.warn(
                    f"Waited on lock file {self.lock_file_path!r} for {limit} seconds: remove it "
                    "if no other process is at work",
                    stacklevel=2,
                )

    def release(self) -> None:
        """Give it back."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None
        os.remove(self.lock_file_path)
