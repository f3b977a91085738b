"""Downloads, archives and checks of arguments for datasets."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, urlparse

from ..._download import digest, fetch, unpack_one, unpack_tar, unpack_zip

USER_AGENT = "pytorch/vision"


def calculate_md5(fpath: str | os.PathLike, chunk_size: int = 1024 * 1024) -> str:
    """The MD5 of a file's content."""
    return digest(os.fspath(fpath), "md5", chunk_size)


def check_md5(fpath: str | os.PathLike, md5: str, **kwargs: Any) -> bool:
    """Whether a file has that MD5."""
    return md5 == calculate_md5(fpath, **kwargs)


def check_integrity(fpath: str | os.PathLike, md5: str | None = None) -> bool:
    """Whether there is such a file, with that MD5 where one is given."""
    return os.path.isfile(fpath) and (md5 is None or check_md5(fpath, md5))


def _drive_id(url: str) -> str | None:
    """The file that an address of Google Drive names."""
    parts = urlparse(url)
    if not re.match(r"(drive|docs)[.]google[.]com", parts.netloc):
        return None
    found = re.match(r"/file/d/(?P<id>[^/]*)", parts.path)
    if found:
        return found["id"]
    return next(iter(parse_qs(parts.query).get("id", ())), None)


def download_url(
    url: str,
    root: str | os.PathLike,
    filename: str | os.PathLike | None = None,
    md5: str | None = None,
    max_redirect_hops: int = 3,
) -> None:
    """Download `url` into folder `root`, unless the file is there with the right MD5."""
    root = os.path.expanduser(root)
    name = os.fspath(filename or os.path.basename(urlparse(url).path))
    path = os.path.join(root, name)
    os.makedirs(root, exist_ok=True)
    if check_integrity(path, md5):
        return
    drive = _drive_id(url)
    if drive is not None:
        download_file_from_google_drive(drive, root, name, md5)
        return
    fetch(url, path, md5=md5, agent=USER_AGENT)


def download_file_from_google_drive(
    file_id: str,
    root: str | os.PathLike,
    filename: str | os.PathLike | None = None,
    md5: str | None = None,
) -> None:
    """Download a file of Google Drive into folder `root`, named by its id unless told."""
    root = os.path.expanduser(root)
    path = os.path.join(root, os.fspath(filename or file_id))
    os.makedirs(root, exist_ok=True)
    if check_integrity(path, md5):
        return
    url = f"https://drive.usercontent.google.com/download?id={file_id}&export=download&confirm=t"
    fetch(url, path, md5=md5, agent=USER_AGENT)
    with open(path, "rb") as file:
        page = file.read(1024).lstrip().lower()
    if page.startswith((b"<!doctype html", b"<html")):
        os.unlink(path)
        raise RuntimeError(
            f"Google Drive sent a page instead of file {file_id}: its daily quota of downloads is "
            "probably used up; try later"
        )


# -- archives --------------------------------------------------------------------------------


def _extract_tar(path: str, folder: str, kind: str | None) -> None:
    import tarfile

    mode: Any = f"r:{kind[1:]}" if kind else "r:"
    with tarfile.open(path, mode) as archive:
        unpack_tar(archive, folder)


def _extract_zip(path: str, folder: str, kind: str | None) -> None:
    import zipfile

    with zipfile.ZipFile(path) as archive:
        unpack_zip(archive, folder)


_ARCHIVES: dict[str, Callable] = {".tar": _extract_tar, ".zip": _extract_zip}
_COMPRESSIONS = {".bz2": "bz2", ".gz": "gzip", ".xz": "lzma"}
_ALIASES = {".tbz": (".tar", ".bz2"), ".tbz2": (".tar", ".bz2"), ".tgz": (".tar", ".gz")}


def _file_type(path: str) -> tuple[str, str | None, str | None]:
    """(suffix, archive's suffix or None, compression's suffix or None) of a file name."""
    suffixes = re.findall(r"\.[^.]+", os.path.basename(path).lstrip("."))
    if not suffixes:
        raise RuntimeError(
            f"File '{path}' has no suffixes that could be used to detect the archive type and "
            "compression."
        )
    last = suffixes[-1]
    if last in _ALIASES:
        return last, *_ALIASES[last]
    if last in _ARCHIVES:
        return last, last, None
    if last in _COMPRESSIONS:
        before = suffixes[-2] if len(suffixes) > 1 else None
        if before in _ARCHIVES:
            return before + last, before, last
        return last, None, last
    known = sorted({*_ALIASES, *_ARCHIVES, *_COMPRESSIONS})
    raise RuntimeError(
        f"Unknown compression or archive type: '{last}'.\nKnown suffixes are: '{known}'."
    )


def extract_archive(
    from_path: str | os.PathLike,
    to_path: str | os.PathLike | None = None,
    remove_finished: bool = False,
) -> str | os.PathLike:
    """Unpack an archive or a compressed file, and return where it is.

    `to_path` is a folder for archives and a file for single files; names that lead out of it and
    damaged archives raise RuntimeError.
    """
    import tarfile
    import zipfile
    import zlib
    from importlib import import_module
    from lzma import LZMAError

    path = os.fspath(from_path)
    suffix, archive, compression = _file_type(path)
    try:
        if archive:
            to_path = os.path.dirname(path) if to_path is None else to_path
            _ARCHIVES[archive](path, os.fspath(to_path), compression)
        else:
            to_path = path[: -len(suffix)] if to_path is None else to_path
            with import_module(_COMPRESSIONS[compression]).open(path, "rb") as source:
                unpack_one(source, os.fspath(to_path))
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError) as error:
        raise RuntimeError(f"{path}: the archive is damaged: {error}") from error
    except OSError as error:
        if "gzip" in str(error) or "Invalid data stream" in str(error):
            raise RuntimeError(f"{path}: the archive is damaged: {error}") from error
        raise
    if remove_finished:
        os.remove(path)
    return to_path


def download_and_extract_archive(
    url: str,
    download_root: str | os.PathLike,
    extract_root: str | os.PathLike | None = None,
    filename: str | os.PathLike | None = None,
    md5: str | None = None,
    remove_finished: bool = False,
) -> None:
    """Download an archive into a folder and unpack it, there or in `extract_root`."""
    download_root = os.path.expanduser(download_root)
    name = os.fspath(filename or os.path.basename(url))
    download_url(url, download_root, name, md5)
    archive = os.path.join(download_root, name)
    folder = download_root if extract_root is None else extract_root
    if not _file_type(archive)[1]:  # one file: it goes into the folder
        folder = os.path.join(folder, os.path.splitext(name)[0])
    extract_archive(archive, folder, remove_finished)


# -- names -----------------------------------------------------------------------------------


def list_dir(root: str | os.PathLike, prefix: bool = False) -> list[str]:
    """The names of the folders in a folder, with its path where `prefix`."""
    root = os.path.expanduser(root)
    found = [name for name in os.listdir(root) if os.path.isdir(os.path.join(root, name))]
    return [os.path.join(root, name) for name in found] if prefix else found


def list_files(root: str | os.PathLike, suffix: Any, prefix: bool = False) -> list[str]:
    """The names of the files in a folder that end in `suffix`, with its path where `prefix`."""
    root = os.path.expanduser(root)
    found = [
        name
        for name in os.listdir(root)
        if os.path.isfile(os.path.join(root, name)) and name.endswith(suffix)
    ]
    return [os.path.join(root, name) for name in found] if prefix else found


def makedir_exist_ok(dirpath: str | os.PathLike) -> None:
    """Make a folder unless it is there."""
    os.makedirs(dirpath, exist_ok=True)


def iterable_to_str(iterable: Iterable) -> str:
    """'a', 'b', 'c'."""
    return "'" + "', '".join(str(item) for item in iterable) + "'"


def verify_str_arg(
    value: Any,
    arg: str | None = None,
    valid_values: Iterable[str] | None = None,
    custom_msg: str | None = None,
) -> Any:
    """The value, if it is text and one of the valid ones; else ValueError."""
    if not isinstance(value, str):
        of = "" if arg is None else f" for argument {arg}"
        raise ValueError(f"Expected type str{of}, but got type {type(value)}.")
    if valid_values is None or value in valid_values:
        return value
    if custom_msg is None:
        valid = iterable_to_str(valid_values)
        custom_msg = f"Unknown value '{value}' for argument {arg}. Valid values are {{{valid}}}."
    raise ValueError(custom_msg)
