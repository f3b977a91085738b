"""Checkpoints damaged on purpose, at every level of their formats; `python mutate.py COUNT SEED`.

Whatever comes of it must be an object or one of EXPECTED, soon, and within memory of the order of
the file's size. Run as a program it reports how many files of each kind loaded, the most memory and
the longest time.
"""

import gc
import io
import json
import os
import pickle
import pickletools
import random
import re
import resource
import struct
import sys
import time
import warnings
import zipfile
from collections import Counter
from pathlib import Path

import rushlight as torch
from rushlight.serialization import safetensors

sys.path.insert(0, str(Path(__file__).parent))

from table import by_name  # noqa: E402

EXPECTED = (pickle.UnpicklingError, RuntimeError, EOFError, ValueError)
NUMBERS = [
    0, 1, -1, 2, 3, 7, 8, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1,
    2**63, 2**64, -(2**31), -(2**63), 10**30,
]  # fmt: skip
NAMES = [
    "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor_v3",
    "torch._utils _rebuild_tensor", "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_parameter_with_state", "torch._utils _rebuild_sparse_tensor",
    "torch._tensor _rebuild_from_type_v2", "torch.nn.parameter Parameter", "torch Tensor",
    "torch Size", "torch device", "torch float32", "torch complex64", "torch FloatStorage",
    "torch LongStorage", "torch.storage UntypedStorage", "torch.storage TypedStorage",
    "torch.serialization _get_layout", "collections OrderedDict", "collections Counter",
    "builtins set", "builtins bytearray", "builtins bytes", "builtins complex",
    "builtins frozenset", "builtins eval", "os system", "_codecs encode", "torch load",
    "torch.nn Module",
    "torch._utils _rebuild_meta_tensor_no_storage",
]  # fmt: skip
TEXTS = [
    "", "0", "1", "storage", "module", "cpu", "cuda:0", "meta", "../../etc/passwd", "torch.strided",
    "torch.sparse_coo", "latin1", "hex", "\x00", "x" * 300, "data", "__class__", "conj", "neg",
]  # fmt: skip
CODES = b"()]}l[dtae2\x85\x86\x87\x8f\x90\x91\x93\x94\x81\x92RbQNKIsu0.\x88\x89hjqr1o\x97\x98"


# Bytes.


def damaged_bytes(rng, data: bytes) -> bytes:
    """A few bytes changed, removed, repeated or added, or the end cut off."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        if not out:
            break
        at = rng.randrange(len(out))
        size = rng.choice((1, 2, 4, 8, 40, 300))
        kind = rng.randrange(8)
        if kind < 3:
            out[at] = rng.randrange(256)
        elif kind == 3:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 4:
            del out[at : at + size]
        elif kind == 5:
            out[at:at] = out[at : at + size]
        elif kind == 6:
            number = rng.choice(NUMBERS) % 2**64
            wide = number.to_bytes(8, "little")[: rng.choice((2, 4, 8))]
            out[at : at + len(wide)] = wide
        else:
            del out[at:]
    return bytes(out)


# Pickles.


def _argument(rng, opcode, argument, place: bytes) -> bytes:
    """The opcode's code again, with another argument of the same kind."""
    name = opcode.name
    if name in ("BININT", "BININT1", "BININT2", "LONG1", "INT", "LONG"):
        number = rng.choice(NUMBERS) if rng.random() < 0.7 else argument + rng.choice((-1, 1, 8))
        data = pickle.encode_long(number)
        return b"\x8a" + len(data).to_bytes(1, "little") + data
    if name in ("BINUNICODE", "SHORT_BINUNICODE"):
        data = rng.choice(TEXTS).encode()
        return b"X" + struct.pack("<I", len(data)) + data
    if name == "GLOBAL":
        return b"c" + rng.choice(NAMES).replace(" ", "\n").encode() + b"\n"
    if name in ("BINGET", "BINPUT"):
        return place[:1] + bytes([rng.randrange(256) if rng.random() < 0.3 else rng.randrange(20)])
    return rng.choice((place, bytes([rng.choice(CODES)])))


def damaged_pickle(rng, data: bytes) -> bytes:
    """Opcodes removed, repeated, exchanged, added, or given other arguments."""
    try:
        found = list(pickletools.genops(data))
    except Exception:
        return damaged_bytes(rng, data)
    places = [place for _, _, place in found] + [len(data)]
    parts = [data[a:b] for a, b in zip(places, places[1:], strict=False)]
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        at = rng.randrange(len(parts))
        kind = rng.randrange(10)
        if kind < 5:
            at = min(at, len(found) - 1)
            parts[at] = _argument(rng, found[at][0], found[at][1], parts[at])
        elif kind == 5:
            del parts[at]
        elif kind == 6:
            parts.insert(at, parts[rng.randrange(len(parts))])
        elif kind == 7:
            other = rng.randrange(len(parts))
            parts[at], parts[other] = parts[other], parts[at]
        elif kind == 8:
            parts.insert(at, bytes([rng.choice(CODES)]) * rng.choice((1, 1, 2, 50)))
        else:
            start = rng.randrange(len(parts))
            parts[at:at] = parts[start : start + rng.randrange(1, 30)]
        if not parts:
            break
    return b"".join(parts)


# Containers.


def _packed(records, **options) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as file:
        for name, data in records:
            file.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def _records(data: bytes) -> list:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return [(name, file.read(name)) for name in file.namelist()]


def damaged_zip_pickle(rng, data: bytes) -> bytes:
    """Another pickle under the right checksum."""
    records = _records(data)
    return _packed([(n, damaged_pickle(rng, d) if n.endswith(".pkl") else d) for n, d in records])


def damaged_records(rng, data: bytes) -> bytes:
    """Records renamed, removed, exchanged, resized, or repeated."""
    records = _records(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(records))
        name, content = records[at]
        kind = rng.randrange(6)
        if kind == 0:
            folder, _, last = name.rpartition("/")
            last = rng.choice(("../../x", "data.pkl", "0", "1", "byteorder", "version", "/x", last))
            records[at] = (f"{folder}/{last}", content)
        elif kind == 1 and len(records) > 1:
            del records[at]
        elif kind == 2:
            other = rng.randrange(len(records))
            records[at], records[other] = (name, records[other][1]), (records[other][0], content)
        elif kind == 3:
            records[at] = (name, damaged_bytes(rng, content))
        elif kind == 4:
            records.append((name + rng.choice(("", "x")), content))
        else:
            records[at] = (name, content + bytes(rng.choice((1, 4, 1000))))
    return _packed(records)


_FIELDS = {
    b"PK\x01\x02": ((8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (42, 4)),
    b"PK\x03\x04": ((6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)),
    b"PK\x05\x06": ((8, 2), (10, 2), (12, 4), (16, 4), (20, 2)),
    b"PK\x06\x06": ((24, 8), (32, 8), (40, 8), (48, 8)),
    b"PK\x06\x07": ((8, 8),),
}  # fmt: skip


def damaged_directory(rng, data: bytes) -> bytes:
    """Sizes, offsets, counts and flags of the zip structures changed."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        mark = rng.choice(list(_FIELDS))
        places = [found.start() for found in re.finditer(re.escape(mark), out[:-56])]
        if not places:
            continue
        start = rng.choice(places)
        offset, size = rng.choice(_FIELDS[mark])
        old = int.from_bytes(out[start + offset : start + offset + size], "little")
        new = rng.choice((*NUMBERS, old + 1, old - 1, old * 2, len(data), old ^ 0xFF))
        out[start + offset : start + offset + size] = (new % 256**size).to_bytes(size, "little")
    return bytes(out)


def damaged_old(rng, data: bytes) -> bytes:
    """The object's pickle of the old format damaged, with the storages behind it whole."""
    ends, at = [], 0
    for _ in range(5):
        for _, _, place in pickletools.genops(data[at:]):
            last = place
        at += last + 1
        ends.append(at)
    which = rng.choice((3, 3, 3, 4, 2))
    start = ends[which - 1]
    return data[:start] + damaged_pickle(rng, data[start : ends[which]]) + data[ends[which] :]


def damaged_table(rng, data: bytes) -> bytes:
    """A safetensors header with other values, or another length."""
    size = int.from_bytes(data[:8], "little")
    table = json.loads(data[8 : 8 + size])
    name = rng.choice(list(table))
    entry = table[name]
    kind = rng.randrange(8)
    strange = rng.choice((*NUMBERS, 1.5, None, "x", [], {}, [1], True))
    if kind == 0:
        entry["data_offsets"][rng.randrange(2)] = strange
    elif kind == 1:
        entry["shape"] = [*entry["shape"], strange]
    elif kind == 2:
        entry["dtype"] = rng.choice((strange, "F64", "I8", "BOOL", "C64", "F4", "F16"))
    elif kind == 3:
        table[name] = strange
    elif kind == 4:
        del entry[rng.choice(list(entry))]
    elif kind == 5:
        table[rng.choice(("", "y", "__metadata__"))] = entry
    header = json.dumps(table).encode()
    if kind == 6:
        header = damaged_bytes(rng, header)
    length = len(header) if kind != 7 else rng.choice(NUMBERS) % 2**64
    return length.to_bytes(8, "little") + header + data[8 + size :]


ZIP_WAYS = (damaged_bytes, damaged_zip_pickle, damaged_zip_pickle, damaged_records)
WAYS = {
    "zip": (*ZIP_WAYS, damaged_directory),
    "old": (damaged_bytes, damaged_old, damaged_old),
    "safetensors": (damaged_bytes, damaged_table),
}  # fmt: skip


def corpus(modules) -> list[tuple[str, bytes]]:
    """(format, bytes) of small whole files, written by each of `modules`."""
    found = []
    for module in modules:
        for obj in by_name(module).values():
            for name, new in (("zip", True), ("old", False)):
                buffer = io.BytesIO()
                try:
                    module.save(obj, buffer, _use_new_zipfile_serialization=new)
                except (RuntimeError, TypeError):
                    continue  # PyTorch cannot pickle its memory formats, nor memory of two dtypes
                if len(buffer.getvalue()) < 8000:
                    found.append((name, buffer.getvalue()))
    tables = (
        {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(0), "c": torch.tensor(True)},
        {"x": torch.arange(3)},
        {"h": torch.ones(2, 2).half(), "z": torch.tensor([1j])},
    )
    found += [("safetensors", safetensors.save(table)) for table in tables for _ in range(40)]
    return found


def use(obj) -> None:
    """Read every tensor within an object that was loaded."""
    waiting, seen = [obj], set()
    while waiting:
        obj = waiting.pop()
        if id(obj) in seen:
            continue
        seen.add(id(obj))
        if isinstance(obj, torch.Tensor):
            read(obj)
        elif isinstance(obj, (dict, list, tuple)):
            waiting += list(obj.values() if isinstance(obj, dict) else obj)[:200]


def read(tensor) -> None:
    """Look at every element, unless they are many more than the file can hold."""
    if tensor.numel() < 100_000:
        repr(tensor)
        if tensor.layout is not torch.strided:
            tensor.to_dense()
        elif tensor.dtype.is_floating_point or tensor.dtype.is_complex:
            tensor.detach().clone()


def attempt(kind: str, data: bytes, mapped: Path | None = None) -> bool:
    """Whether damaged data loads; any error that is not EXPECTED passes through."""
    try:
        if mapped is not None and kind != "old":
            mapped.write_bytes(data)
            if kind == "zip":
                use(torch.load(mapped, mmap=True))
            else:
                use(safetensors.load_file(mapped))
        elif kind == "safetensors":
            use(safetensors.load(data))
        else:
            use(torch.load(io.BytesIO(data)))
    except EXPECTED:
        return False
    return True


def once(rng, files, mapped: Path | None = None) -> tuple[str, bool]:
    """Damage one file and try it; (what was done, whether it loaded)."""
    kind, data = rng.choice(files)
    way = rng.choice(WAYS[kind])
    loaded = attempt(kind, way(rng, data), mapped if rng.random() < 0.05 else None)
    return f"{kind} {way.__name__}", loaded


def limit_memory(extra: int) -> None:
    """Let this process have `extra` more bytes of address space; asking for more fails."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + extra, resource.RLIM_INFINITY))


def main() -> None:
    amount, seed = int(sys.argv[1]), int(sys.argv[2])
    warnings.simplefilter("ignore")
    modules = [torch]
    try:
        import torch as theirs

        modules.append(theirs)
    except ImportError:
        theirs = None
    files = corpus(modules)
    rng = random.Random(seed)
    for _ in range(2000):
        once(rng, files)
    limit_memory(256 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{len(files)} files, seed {seed}, {before >> 10} MiB at the start", flush=True)
    done, whole, longest = Counter(), Counter(), 0.0
    mapped = Path("/dev/shm") / f"mutated-{os.getpid()}"
    begin = time.perf_counter()
    for i in range(amount):
        rng = random.Random(seed * 10**9 + i)
        start = time.perf_counter()
        try:
            what, loaded = once(rng, files, mapped)
        except BaseException as error:
            print(f"number {i}: {type(error).__name__}: {str(error)[:300]}", flush=True)
            if isinstance(error, KeyboardInterrupt):
                raise
            continue
        longest = max(longest, time.perf_counter() - start)
        done[what] += 1
        whole[what] += loaded
        if i % 50_000 == 0:
            gc.collect()
            now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print(f"{i}: {time.perf_counter() - begin:.0f} s, {now >> 10} MiB at most", flush=True)
    mapped.unlink(missing_ok=True)
    for what in sorted(done):
        print(f"{what}: {done[what]}, of which {whole[what]} still load")
    now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{sum(done.values())} files, {now - before >> 10} MiB more, longest {longest:.2f} s")


if __name__ == "__main__":
    main()
