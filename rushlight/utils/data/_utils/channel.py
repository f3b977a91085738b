"""Objects between two processes over a socket; what is large travels as shared memory.

A block of shared memory has no name: its descriptor is sent beside the message, and the
system frees it with its last user. Nothing can leak, however a process ends. Small messages
bound what waits in the socket, so that neither side ever blocks while the other sends.
"""

from __future__ import annotations

import os
import pickle
import select
import socket
from contextlib import suppress
from io import BytesIO
from multiprocessing.reduction import ForkingPickler
from struct import Struct
from typing import Any

import rushlight as torch

from .... import _C, Tensor

# From here on sharing pages is cheaper than copying bytes through the socket.
_SHARE_FROM = 65536
# Longer streams go through shared memory too, to leave the socket's buffer free.
_STREAM_MOST = 8192
_HEADER = Struct("<QI")
_DESCRIPTORS_AT_ONCE = 250


class _Pickler(ForkingPickler):
    """Takes tensors as their bytes, and large buffers out of the stream."""

    def reducer_override(self, value):
        if type(value) is Tensor and value.device.type == "cpu":
            if value.requires_grad:
                from ....multiprocessing.reductions import check_leaf

                check_leaf(value)
            return _rebuild_tensor, (*_parts(value), value.requires_grad)
        return NotImplemented


def _parts(t):
    """The bytes of a tensor, its dtype's name, shape and strides."""
    t = t.detach()
    if not _is_dense(t):
        t = t.contiguous()
    memory = memoryview(_C.storage_bytes(t))
    start = t.storage_offset() * t.element_size()
    memory = memory[start : start + t.numel() * t.element_size()]
    name = str(t.dtype).partition(".")[2]
    return pickle.PickleBuffer(memory), name, tuple(t.shape), tuple(t.stride())


def _is_dense(t):
    """Whether the elements fill their stretch of memory, in whatever order."""
    if t.is_contiguous():
        return True
    expected = 1
    for stride, size in sorted(zip(t.stride(), t.shape, strict=True)):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


def _rebuild_tensor(memory, dtype, shape, strides, requires_grad):
    if 0 in shape:
        t = torch.empty(shape, dtype=getattr(torch, dtype))
    else:
        t = _C.from_buffer(memory, getattr(torch, dtype), shape, strides, 0)
        if not isinstance(memory, (bytes, bytearray)):
            _C.set_shared(t)
    return t.requires_grad_() if requires_grad else t


def _write_block(memory):
    """A new block of shared memory with these bytes; returns its descriptor."""
    descriptor = _C.shared_memory(len(memory))
    try:
        done = 0
        while done < len(memory):
            done += os.write(descriptor, memory[done:])
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _dumps(value):
    """A stream of bytes and the descriptors of the blocks that go beside it."""
    descriptors = []

    def in_stream(buffer):
        memory = buffer.raw()
        if len(memory) < _SHARE_FROM:
            return True
        descriptors.append(_write_block(memory))
        return False

    try:
        stream = BytesIO()
        _Pickler(stream, 5, True, in_stream).dump(value)
    except BaseException:
        _close(descriptors)
        raise
    return stream.getbuffer(), descriptors


def _close(descriptors):
    for descriptor in descriptors:
        os.close(descriptor)


class Channel:
    """One end of a connection between two processes."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self.socket.fileno()

    def close(self) -> None:
        """Give up this process's hold of the end; others may have theirs."""
        self.socket.close()

    def hang_up(self) -> None:
        """End the connection for everybody, whoever else has copies of this end."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def send(self, value: Any) -> None:
        """Send one object. What cannot be pickled raises before anything is sent."""
        stream, descriptors = _dumps(value)
        try:
            if len(stream) > _STREAM_MOST:
                descriptors.append(_write_block(stream))
                stream = b""
            header = _HEADER.pack(len(stream), len(descriptors))
            first = descriptors[:_DESCRIPTORS_AT_ONCE]
            if first:
                socket.send_fds(self.socket, [header], first)
            else:
                self.socket.sendall(header)
            for i in range(_DESCRIPTORS_AT_ONCE, len(descriptors), _DESCRIPTORS_AT_ONCE):
                part = descriptors[i : i + _DESCRIPTORS_AT_ONCE]
                socket.send_fds(self.socket, [b"\0"], part)
            self.socket.sendall(stream)
        finally:
            _close(descriptors)

    def receive(self) -> Any:
        """The next object; EOFError when the other end is gone."""
        header, descriptors = self._receive_header()
        try:
            length, count = _HEADER.unpack(header)
            while len(descriptors) < count:
                more = self._with_descriptors(1)[1]
                if not more:
                    raise EOFError
                descriptors += more
            stream = self._receive_exactly(length)
            blocks = [_C.map_shared(descriptor) for descriptor in descriptors]
        finally:
            _close(descriptors)
        if not length:
            stream = _C.buffer(blocks.pop())
        return pickle.loads(stream, buffers=[_C.buffer(block) for block in blocks])

    def _with_descriptors(self, size):
        try:
            data, descriptors, *_ = socket.recv_fds(self.socket, size, _DESCRIPTORS_AT_ONCE)
        except ConnectionError:
            raise EOFError from None
        if not data:
            raise EOFError
        return data, list(descriptors)

    def _receive_header(self):
        header, descriptors = self._with_descriptors(_HEADER.size)
        return header + self._receive_exactly(_HEADER.size - len(header)), descriptors

    def _receive_exactly(self, size):
        received = bytearray(size)
        view = memoryview(received)
        while len(view):
            try:
                count = self.socket.recv_into(view)
            except ConnectionError:
                raise EOFError from None
            if not count:
                raise EOFError
            view = view[count:]
        return received

    def poll(self, timeout: float) -> bool:
        """Whether something arrives, or the other end goes, within some seconds."""
        poller = select.poll()
        poller.register(self.socket, select.POLLIN)
        return bool(poller.poll(timeout * 1000))


def channel_pair() -> tuple[Channel, Channel]:
    """Two connected ends."""
    return tuple(Channel(end) for end in socket.socketpair())
