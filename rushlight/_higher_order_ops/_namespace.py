"""`torch.ops.higher_order`: the operators themselves."""

from __future__ import annotations

from types import SimpleNamespace

from .associative_scan import associative_scan_op
from .cond import cond_op
from .map import map_impl
from .scan import scan_op
from .while_loop import while_loop_op

higher_order = SimpleNamespace(
    associative_scan=associative_scan_op,
    cond=cond_op,
    map_impl=map_impl,
    scan=scan_op,
    while_loop=while_loop_op,
)
