"""Arrangements of processes: types that nothing is an instance of, in a build without them."""

from ._absent import refused
from .tensor import DeviceMesh

init_device_mesh = refused("init_device_mesh")

__all__ = ["DeviceMesh", "init_device_mesh"]
