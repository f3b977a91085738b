"""Objects between two processes over a socket; what is large travels in blocks of shared memory.

Small messages bound what waits in the socket, so that neither side ever blocks while the other
sends. A message is a header, facts about its blocks, and a pickle; descriptors of blocks that the
other side does not know yet go beside it.
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
from .blocks import OwnBlocks, TheirBlocks

# From here on sharing pages is cheaper than copying bytes through the socket.
SHARE_FROM = 65536
# Longer streams go through shared memory too, to leave the socket's buffer free.
_STREAM_MOST = 8192
_HEADER = Struct("<III")
_DESCRIPTORS_AT_ONCE = 250


class _Parts:
    """The parts of a message that are in blocks: number of the block, first byte and how many.

    A tensor that lies in a block of ours stays where it is; other memory is copied into one.
    """

    def __init__(self, own):
        self.own = own
        self.all = []
        self._placed = {}  # buffers over a block: themselves, to keep their id, and the part
        self._kept = []  # no block is taken twice while its tensor is here

    def __call__(self, buffer):
        """Whether a buffer stays in the stream."""
        memory = buffer.raw()
        placed = self._placed.get(id(memory.obj))
        if placed is not None:
            self.all.append(placed[1])
            return False
        if len(memory) < SHARE_FROM:
            return True
        self.all.append(self.copy(memory))
        return False

    def copy(self, memory):
        """The part of a block that holds these bytes now."""
        block = self.own.empty((len(memory),), torch.uint8)
        memoryview(_C.buffer(block))[:] = memory
        self._kept.append(block)
        return self.own.number_of(block), 0, len(memory)

    def of_tensor(self, t):
        """The bytes of a tensor, its dtype's name, shape and strides."""
        t = t.detach()
        if not _is_dense(t):
            t = t.contiguous()
        start, nbytes = t.storage_offset() * t.element_size(), t.numel() * t.element_size()
        memory, number = _C.storage_bytes(t), self.own.number_of(t)
        if number is not None and nbytes:
            self._placed[id(memory)] = memory, (number, start, nbytes)
        else:
            memory = memoryview(memory)[start : start + nbytes]
        name = str(t.dtype).partition(".")[2]
        return pickle.PickleBuffer(memory), name, tuple(t.shape), tuple(t.stride())


class _Pickler(ForkingPickler):
    """Takes tensors as their bytes, and large buffers out of the stream."""

    def __init__(self, stream, parts):
        super().__init__(stream, 5, True, parts)
        self.parts = parts

    def reducer_override(self, value):
        if type(value) is Tensor and value.device.type == "cpu" and value.layout is torch.strided:
            if value.requires_grad:
                from ....multiprocessing.reductions import check_leaf

                check_leaf(value)
            return _rebuild_tensor, (*self.parts.of_tensor(value), value.requires_grad)
        return NotImplemented


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


def _close(descriptors):
    for descriptor in descriptors:
        os.close(descriptor)


class Channel:
    """One end of a connection between two processes."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self.own, self.theirs = OwnBlocks(), TheirBlocks()

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self.socket.fileno()

    def close(self) -> None:
        """Give up this process's hold of the end; others may have theirs."""
        self.socket.close()
        self.own.close()
        self.theirs.close()

    def hang_up(self) -> None:
        """End the connection for everybody, whoever else has copies of this end."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.close()

    def send(self, value: Any) -> None:
        """Send one object. What cannot be pickled raises before anything is sent."""
        file, parts = BytesIO(), _Parts(self.own)
        _Pickler(file, parts).dump(value)
        stream, where = file.getbuffer(), None
        if len(stream) > _STREAM_MOST:
            stream, where = b"", parts.copy(stream)
        used = {part[0] for part in (*parts.all, where) if part}
        fresh = self.own.unsent(used)
        known = [number for number, _ in fresh], self.own.dropped, *self.theirs.returned()
        self.own.dropped = []
        facts = pickle.dumps((where, parts.all, *known))
        header = _HEADER.pack(len(facts), len(stream), len(fresh))
        descriptors = [descriptor for _, descriptor in fresh]
        self._send_with(header, descriptors[:_DESCRIPTORS_AT_ONCE])
        for i in range(_DESCRIPTORS_AT_ONCE, len(descriptors), _DESCRIPTORS_AT_ONCE):
            self._send_with(b"\0", descriptors[i : i + _DESCRIPTORS_AT_ONCE])
        self.socket.sendall(facts)
        self.socket.sendall(stream)
        self.own.sent(used)

    def _send_with(self, data, descriptors):
        if descriptors:
            socket.send_fds(self.socket, [data], descriptors)
        else:
            self.socket.sendall(data)

    def receive(self) -> Any:
        """The next object; EOFError when the other end is gone."""
        header, descriptors = self._receive_header()
        try:
            length, size, count = _HEADER.unpack(header)
            while len(descriptors) < count:
                descriptors += self._with_descriptors(1)[1]
            facts = pickle.loads(self._receive_exactly(length))
            where, parts, fresh, dropped, back, lost = facts
            self.theirs.learn(fresh, descriptors)
        finally:
            _close(descriptors)
        stream = self._receive_exactly(size)
        self.own.came_back(back, lost)
        leases = {}
        for number in {part[0] for part in (*parts, where) if part}:
            leases[number] = _C.buffer(self.theirs.lease(number))
        self.theirs.forget(dropped)

        def memory(part):
            number, start, nbytes = part
            return memoryview(leases[number])[start : start + nbytes]

        if where:
            stream = memory(where)
        return pickle.loads(stream, buffers=map(memory, parts))

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
