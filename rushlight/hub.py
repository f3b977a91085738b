"""Models from GitHub repositories that have a `hubconf.py`, and downloads of their weights.

A repository's code runs when it is loaded: only trusted ones are, or those the user agrees to.
Files arrive under another name and are renamed when whole and checked (`_download`).
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path
from urllib.parse import urlparse

import rushlight as torch

from ._download import LARGEST_UNPACKED, fetch, unpack_zip

__all__ = [
    "download_url_to_file",
    "get_dir",
    "help",
    "list",
    "load",
    "load_state_dict_from_url",
    "set_dir",
]

_CONFIG = "hubconf.py"
# Owners whose repositories are trusted without a question, as PyTorch does.
_TRUSTED_OWNERS = ("facebookresearch", "facebookincubator", "pytorch", "fairinternal")
HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")

_hub_dir: str | None = None


# -- where things are kept -------------------------------------------------------------------


def get_dir() -> str:
    """The folder of downloads: `set_dir`'s, or $TORCH_HOME/hub, or ~/.cache/torch/hub."""
    if _hub_dir is not None:
        return _hub_dir
    return os.path.join(_get_torch_home(), "hub")


def _get_torch_home() -> str:
    cache = os.getenv("XDG_CACHE_HOME", "~/.cache")
    return os.path.expanduser(os.getenv("TORCH_HOME", os.path.join(cache, "torch")))


def set_dir(d: str | os.PathLike) -> None:
    """Keep downloads in folder `d`."""
    global _hub_dir
    _hub_dir = os.path.expanduser(os.fspath(d))


# -- downloads -------------------------------------------------------------------------------


def download_url_to_file(
    url: str, dst: str, hash_prefix: str | None = None, progress: bool = True
) -> None:
    """Download `url` to file `dst`, whole or not at all.

    `hash_prefix` is how the SHA-256 of the content must begin, in hexadecimal digits; another
    content raises RuntimeError. `progress` draws a bar where tqdm is installed.
    """
    fetch(url, os.path.expanduser(dst), sha256=hash_prefix, progress=progress)


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location=None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> dict:
    """Load the weights at `url`, downloaded once into `model_dir` (the hub's `checkpoints`).

    With `check_hash` the file's name holds the first digits of its SHA-256 (name-<digits>.pth).
    Nothing in the file is executed unless `weights_only=False`, which PyTorch has as its default.
    """
    model_dir = os.path.join(get_dir(), "checkpoints") if model_dir is None else model_dir
    os.makedirs(model_dir, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    cached = os.path.join(model_dir, name)
    if not os.path.exists(cached):
        sys.stdout.write(f'Downloading: "{url}" to {cached}\n')
        digits = HASH_REGEX.search(name) if check_hash else None
        download_url_to_file(url, cached, digits and digits.group(1), progress=progress)
    if _is_zipped_alone(cached):
        return _load_zipped(cached, model_dir, map_location, weights_only)
    return torch.load(cached, map_location=map_location, weights_only=weights_only)


def _is_zipped_alone(path: str) -> bool:
    """Whether it is an old file: one checkpoint inside a plain zip archive."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return len(archive.infolist()) == 1


def _load_zipped(path: str, model_dir: str, map_location, weights_only: bool):
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory(dir=model_dir) as folder:
        _unpack(archive, folder)
        inner = os.path.join(folder, archive.infolist()[0].filename)
        return torch.load(inner, map_location=map_location, weights_only=weights_only)


def _unpack(archive: zipfile.ZipFile, folder: str) -> None:
    unpack_zip(archive, folder, LARGEST_UNPACKED)


# -- repositories ----------------------------------------------------------------------------


def _parse_repo(github: str) -> tuple[str, str, str]:
    """ "owner/name[:ref]" as its parts; without a ref, main if there is one, else master."""
    repo, colon, ref = github.partition(":")
    owner, name = repo.split("/")
    if colon:
        return owner, name, ref
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    try:
        with urlopen(f"https://github.com/{owner}/{name}/tree/main/"):
            return owner, name, "main"
    except HTTPError as error:
        if error.code == 404:
            return owner, name, "master"
        raise
    except URLError as error:  # offline: what was downloaded before will do
        for ref in ("main", "master"):
            if os.path.exists(f"{get_dir()}/{owner}_{name}_{ref}"):
                return owner, name, ref
        raise RuntimeError(
            f"It looks like there is no internet connection and the repo could not be found in "
            f"the cache ({get_dir()})"
        ) from error


def _zip_url(owner: str, name: str, ref: str) -> str:
    return f"https://github.com/{owner}/{name}/zipball/{ref}"


def _fetch_repo(github, force_reload: bool, trust_repo, calling: str, verbose: bool) -> str:
    """The folder of a repository, downloaded unless it is there."""
    owner, name, ref = _parse_repo(github)
    os.makedirs(get_dir(), exist_ok=True)
    normal = "_".join(part.replace("/", "_") for part in (owner, name, ref))
    folder = os.path.join(get_dir(), normal)
    _check_trust(owner, name, trust_repo, calling)
    if os.path.exists(folder) and not force_reload:
        if verbose:
            sys.stderr.write(f"Using cache found in {folder}\n")
        return folder
    url = _zip_url(owner, name, ref)
    sys.stdout.write(f'Downloading: "{url}" to {folder}.zip\n')
    with tempfile.TemporaryDirectory(dir=get_dir()) as work:
        packed = os.path.join(work, "repository.zip")
        download_url_to_file(url, packed, progress=False)
        with zipfile.ZipFile(packed) as archive:
            _unpack(archive, os.path.join(work, "unpacked"))
        (inner,) = Path(work, "unpacked").iterdir()
        if os.path.exists(folder):
            shutil.rmtree(folder)
        os.replace(inner, folder)
    return folder


def _check_trust(owner: str, name: str, trust_repo, calling: str) -> None:
    """Raise unless the repository is trusted, or the user types yes."""
    listed = Path(get_dir(), "trusted_list")
    known = listed.read_text().split() if listed.exists() else []
    repo = f"{owner}_{name}"
    trusted = repo in known or owner in _TRUSTED_OWNERS
    if trust_repo == "check":
        trust_repo = trusted
        if not trusted:
            _ask(owner, name)
            trust_repo = True
    elif trust_repo is None:
        if not trusted:
            warnings.warn(
                "You are about to download and run code from an untrusted repository. In a future "
                f"release, this won't be allowed. To add the repository to your trusted list, "
                f"change the command to {calling}(..., trust_repo=False) and a command prompt will "
                f"appear asking for an explicit confirmation of trust, or "
                f"{calling}(..., trust_repo=True), which will assume that the prompt is to be "
                "answered with 'yes'.",
                stacklevel=4,
            )
        return
    elif trust_repo is False and repo not in known:
        _ask(owner, name)
        trust_repo = True
    if trust_repo and repo not in known:
        listed.write_text("".join(f"{item}\n" for item in [*known, repo]))


def _ask(owner: str, name: str) -> None:
    answer = input(
        f"The repository {owner}_{name} does not belong to the list of trusted repositories and "
        "as such cannot be downloaded. Do you trust this repository and wish to add it to the "
        "trusted list of repositories (y/N)?"
    )
    if answer.lower() not in ("y", "yes"):
        raise Exception("Untrusted repository.")  # PyTorch's class


def _import_config(folder: str):
    """The module `hubconf.py` of a repository, which may import its neighbours."""
    path = os.path.join(folder, _CONFIG)
    sys.path.insert(0, folder)
    try:
        spec = importlib.util.spec_from_file_location(_CONFIG, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    return module


def _check_dependencies(module) -> None:
    missing = [
        name
        for name in getattr(module, "dependencies", None) or ()
        if importlib.util.find_spec(name) is None
    ]
    if missing:
        raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")


def _entry(module, model):
    if not isinstance(model, str):
        raise ValueError("Invalid input: model should be a string of function name")
    _check_dependencies(module)
    found = module.__dict__.get(model)
    if not callable(found):
        raise RuntimeError(f"Cannot find callable {model} in hubconf")
    return found


def list(github, force_reload=False, skip_validation=False, trust_repo="check", verbose=True):
    """The names of the models that repository "owner/name[:ref]" offers."""
    folder = _fetch_repo(github, force_reload, trust_repo, "list", verbose)
    found = vars(_import_config(folder)).items()
    return [name for name, f in found if callable(f) and not name.startswith("_")]


def help(github, model, force_reload=False, skip_validation=False, trust_repo="check"):
    """The docstring of a model of a repository."""
    folder = _fetch_repo(github, force_reload, trust_repo, "help", True)
    return _entry(_import_config(folder), model).__doc__


def load(
    repo_or_dir,
    model,
    *args,
    source="github",
    trust_repo="check",
    force_reload=False,
    verbose=True,
    skip_validation=False,
    **kwargs,
):
    """What function `model` of a repository's `hubconf.py` returns for the other arguments.

    `source`: "github" for "owner/name[:ref]", or "local" for a folder. The repository's code
    runs. `trust_repo`: True, False (ask), "check" (ask unless it is trusted), None (only warn).
    """
    source = source.lower()
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    if source == "github":
        repo_or_dir = _fetch_repo(repo_or_dir, force_reload, trust_repo, "load", verbose)
    return _load_local(os.path.expanduser(repo_or_dir), model, *args, **kwargs)


def _load_local(folder: str, model, *args, **kwargs):
    module = _import_config(folder)
    sys.path.insert(0, folder)
    try:
        return _entry(module, model)(*args, **kwargs)
    finally:
        sys.path.remove(folder)
