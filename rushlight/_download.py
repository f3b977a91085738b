"""Files from the network: whole and checked, or not there; and archives unpacked in safety.

A file arrives as `<name>.partial`, locked while a process writes it, and is renamed when it is
whole. A broken connection is taken up where it broke; with a checksum, also by the next call.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from typing import IO, Any

_CHUNK = 128 * 1024
_TRIES = 3
LARGEST_UNPACKED = 8 << 30  # bytes: no repository of model code is near it


def fetch(
    url: str,
    target: str,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    progress: bool = True,
    agent: str = "torch.hub",
) -> None:
    """Download `url` to file `target`, whole or not at all.

    `sha256` is how the content's SHA-256 must begin, `md5` its MD5, in hexadecimal digits;
    RuntimeError for another content. Two processes at once: one downloads, the other waits.
    `progress` draws a bar where tqdm is installed.
    """
    before = _stamp(target)
    with _claimed(target) as part:
        if _stamp(target) not in (None, before) and not _difference(target, sha256, md5):
            _remove(part.name)  # another process has brought it in the meantime
            return
        wrong = None
        try:
            _fill(part, url, bool(sha256 or md5), progress, agent)
            wrong = _difference(part.name, sha256, md5)
            if wrong and part.resumed:  # the beginning was of another file
                part.truncate()
                _fill(part, url, False, progress, agent)
                wrong = _difference(part.name, sha256, md5)
            if wrong:
                raise RuntimeError(wrong)
        except BaseException as error:
            full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
            empty = not os.path.getsize(part.name)
            if wrong or full or empty or not (sha256 or md5):  # nothing to go on from
                _remove(part.name)
            raise
        os.chmod(part.name, 0o666 & ~_umask())
        os.replace(part.name, target)


class _Part:
    """The file that a download is written to."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.name = file.name
        self.resumed = False

    def truncate(self) -> None:
        """Begin again."""
        self.file.seek(0)
        self.file.truncate()
        self.resumed = False


@contextlib.contextmanager
def _claimed(target: str) -> Iterator[_Part]:
    """The partial file of a target, for this process alone."""
    try:
        import fcntl
    except ImportError:  # no locks: a file of our own, which nobody can take up later
        handle, name = tempfile.mkstemp(dir=os.path.dirname(target) or ".", suffix=".partial")
        with open(name, "r+b") as file:
            os.close(handle)
            yield _Part(file)
        return
    name = target + ".partial"
    while True:
        with open(name, "ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # Whoever had the lock before may have renamed or removed what was opened here.
            if not _names(name, file):
                continue
            yield _Part(file)
            return


def _names(path: str, file: IO[bytes]) -> bool:
    """Whether the path still leads to the open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_ino


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _difference(path: str, sha256: str | None, md5: str | None) -> str | None:
    """What is wrong with a file's content; None where nothing is."""
    for name, wanted in (("sha256", sha256), ("md5", md5)):
        if not wanted:
            continue
        found = digest(path, name)
        if not found.startswith(wanted):
            return f'invalid hash value (expected "{wanted}", got "{found}")'
    return None


def digest(path: str, name: str, chunk_size: int = 1 << 20) -> str:
    """The digest `name` of a file's content, in hexadecimal digits."""
    made = hashlib.new(name, usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(chunk_size):
            made.update(chunk)
    return made.hexdigest()


def _fill(part: _Part, url: str, resume: bool, progress: bool, agent: str) -> None:
    """Write the content of `url` to the part, in several requests where a connection breaks."""
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError

    if not resume:
        part.truncate()
    validator = None
    for attempt in range(1, _TRIES + 1):
        try:
            validator = _request(part, url, resume, validator, progress, agent)
            return
        except HTTPError:
            raise
        except (HTTPException, ConnectionError, TimeoutError, _Short) as error:
            resume = resume or getattr(error, "validator", None) is not None
            validator = getattr(error, "validator", None)
            if attempt == _TRIES:
                raise
            time.sleep(0.1 * attempt)
        except URLError as error:
            raise URLError(
                f"{error.reason} ({url} cannot be reached; without a connection, put the file at "
                f"{part.name.removesuffix('.partial')} yourself)"
            ) from error


class _Short(RuntimeError):
    """The content ended too early."""

    validator: str | None = None


def _request(
    part: _Part, url: str, resume: bool, validator: str | None, progress: bool, agent: str
) -> str | None:
    """One request for what is missing; the content's validator, for the next one."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    start = part.file.seek(0, os.SEEK_END) if resume else 0
    headers = {"User-Agent": agent}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator:
            headers["If-Range"] = validator
    try:
        response = urlopen(Request(url, headers=headers))
    except HTTPError as error:
        if error.code != 416 or not start:
            raise
        part.truncate()  # there is no such place: what we have is not its beginning
        return _request(part, url, False, None, progress, agent)
    with response as source:
        if start and (source.status or 200) != 206:  # it begins at the beginning
            start = 0
        if not start:
            part.truncate()
        part.resumed = part.resumed or start > 0
        validator = source.headers.get("ETag") or source.headers.get("Last-Modified")
        length = source.headers.get("Content-Length")
        total = int(length) + start if length else None
        received = _copy(source, part.file, start, total, progress)
    if total is not None and received != total:
        error = _Short(f"download of {url} stopped at {received} of {total} bytes")
        error.validator = validator
        raise error
    return validator


def _copy(source: Any, target: IO[bytes], start: int, total: int | None, progress: bool) -> int:
    from http.client import IncompleteRead

    received = start
    with _bar(total, start, progress) as bar:
        while True:
            try:
                chunk = source.read(_CHUNK)
            except IncompleteRead as error:
                chunk = error.partial
            if not chunk:
                break
            target.write(chunk)
            received += len(chunk)
            bar.update(len(chunk))
    target.flush()
    return received


class _NoBar:
    """Stands in for tqdm's bar."""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return None

    def update(self, count: int) -> None:
        """Nothing is drawn."""


def _bar(total: int | None, start: int, wanted: bool):
    if not wanted:
        return _NoBar()
    try:
        from tqdm import tqdm
    except ImportError:
        return _NoBar()
    return tqdm(total=total, initial=start, unit="B", unit_scale=True, unit_divisor=1024)


# -- archives --------------------------------------------------------------------------------


def check_inside(names: Any, folder: str, archive: str) -> None:
    """RuntimeError for a name that leads out of the folder."""
    root = os.path.realpath(folder)
    for name in names:
        target = os.path.realpath(os.path.join(root, name))
        if target != root and not target.startswith(root + os.sep):
            raise RuntimeError(f"{archive}: {name!r} leads out of the archive")


def unpack_zip(archive: Any, folder: str, largest: int | None = None) -> None:
    """Extract a ZipFile into `folder`, refusing names that lead out and sizes beyond reason."""
    items = archive.infolist()
    if largest is not None and sum(item.file_size for item in items) > largest:
        raise RuntimeError(f"{archive.filename}: unpacks to more than {largest} bytes")
    check_inside((item.filename for item in items), folder, archive.filename)
    with _whole(folder) as inside:
        archive.extractall(inside)


def unpack_tar(archive: Any, folder: str) -> None:
    """Extract a TarFile into `folder`: files, folders and links that stay inside, no devices."""
    members = archive.getmembers()
    name = str(archive.name)
    check_inside((m.name for m in members), folder, name)
    for m in members:
        if m.issym():
            check_inside([os.path.join(os.path.dirname(m.name), m.linkname)], folder, name)
        elif m.islnk():
            check_inside([m.linkname], folder, name)
        elif not (m.isfile() or m.isdir()):
            raise RuntimeError(f"{name}: {m.name!r} is neither a file nor a folder nor a link")
    with _whole(folder) as inside:
        if hasattr(__import__("tarfile"), "data_filter"):
            archive.extractall(inside, members, filter="data")
        else:
            archive.extractall(inside, members)


@contextlib.contextmanager
def _whole(folder: str) -> Iterator[str]:
    """A folder whose content moves to `folder` when it is complete, and goes if it will not be.

    Otherwise the folders of a damaged archive would pass for a whole dataset the next time.
    """
    os.makedirs(folder, exist_ok=True)
    inside = tempfile.mkdtemp(dir=folder, prefix=".unpacking-")
    try:
        yield inside
        _merge(inside, folder)
    finally:
        shutil.rmtree(inside, ignore_errors=True)


def _merge(source: str, target: str) -> None:
    """Move what is in `source` into `target`, over files of the same names."""
    for entry in list(os.scandir(source)):
        there = os.path.join(target, entry.name)
        if entry.is_dir(follow_symlinks=False) and os.path.isdir(there):
            _merge(entry.path, there)
        else:
            os.replace(entry.path, there)


def unpack_one(source: IO[bytes], target: str) -> None:
    """Write what a compressed file holds, whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(target) or ".", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            shutil.copyfileobj(source, file, _CHUNK)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    except BaseException:
        _remove(temporary)
        raise
