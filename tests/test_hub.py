"""torch.hub against a real HTTP server on this machine: downloads, hashes, repositories."""

import hashlib
import http.server
import io
import os
import threading
import zipfile
from urllib.error import HTTPError

import pytest

import rushlight as torch
from rushlight import hub

HUBCONF = '''
dependencies = ["math"]
from neighbour import double

def linear(size, *, scale=1):
    """A small model."""
    return double(size) * scale

def _hidden():
    pass

number = 3
'''


def repository(names=None) -> bytes:
    files = names or {
        "repo-1/hubconf.py": HUBCONF,
        "repo-1/neighbour.py": "def double(x):\n    return 2 * x",
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()


class Handler(http.server.BaseHTTPRequestHandler):
    files: dict = {}

    def do_GET(self):
        content = self.files.get(self.path)
        self.send_response(200 if content is not None else 404)
        length = len(content or b"") + (5 if self.path == "/short" else 0)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *args):
        return


@pytest.fixture
def site(tmp_path, monkeypatch):
    """(address, {path: content}) of a server, with the hub's folder in `tmp_path`."""
    monkeypatch.setattr(hub, "_hub_dir", str(tmp_path / "hub"))
    monkeypatch.setattr(Handler, "files", {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(hub, "_zip_url", lambda owner, name, ref: f"{address}/{owner}/{name}/{ref}")
    yield address, Handler.files
    server.shutdown()
    server.server_close()


def test_a_download_is_whole_or_not_there(site, tmp_path):
    address, files = site
    files["/a"] = content = os.urandom(300_000)
    digest = hashlib.sha256(content).hexdigest()
    target = tmp_path / "a"
    hub.download_url_to_file(f"{address}/a", str(target), digest[:8], progress=False)
    assert target.read_bytes() == content
    with pytest.raises(RuntimeError, match="invalid hash value"):
        hub.download_url_to_file(f"{address}/a", str(tmp_path / "b"), "0" * 8, progress=False)
    with pytest.raises(HTTPError):
        hub.download_url_to_file(f"{address}/missing", str(tmp_path / "b"), progress=False)
    files["/short"] = b"half"
    with pytest.raises(Exception, match="stopped at|IncompleteRead"):
        hub.download_url_to_file(f"{address}/short", str(target), progress=False)
    assert target.read_bytes() == content  # the failed download left the old file
    assert os.listdir(tmp_path) == ["a"]


def test_weights_are_downloaded_once(site, tmp_path, capsys):
    address, files = site
    saved = io.BytesIO()
    torch.save({"w": torch.arange(3.0)}, saved)
    name = f"net-{hashlib.sha256(saved.getvalue()).hexdigest()[:8]}.pth"
    files["/" + name] = saved.getvalue()
    for _ in range(2):
        state = hub.load_state_dict_from_url(f"{address}/{name}", check_hash=True, progress=False)
        assert torch.equal(state["w"], torch.arange(3.0))
        files.clear()
    assert capsys.readouterr().out.count("Downloading") == 1
    assert os.listdir(tmp_path / "hub" / "checkpoints") == [name]


def test_old_checkpoints_zipped_alone(site):
    address, files = site
    saved, packed = io.BytesIO(), io.BytesIO()
    torch.save([torch.ones(2)], saved, _use_new_zipfile_serialization=False)
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("old.pth", saved.getvalue())
    files["/old.zip"] = packed.getvalue()
    (loaded,) = hub.load_state_dict_from_url(f"{address}/old.zip", progress=False)
    assert torch.equal(loaded, torch.ones(2))


def test_repositories(site, monkeypatch):
    address, files = site
    files["/someone/nets/v1"] = repository()
    monkeypatch.setattr("builtins.input", lambda question: "n")
    with pytest.raises(Exception, match="Untrusted repository"):
        hub.load("someone/nets:v1", "linear", 3)
    assert hub.load("someone/nets:v1", "linear", 3, scale=5, trust_repo=True) == 30
    files.clear()  # kept, and trusted from now on
    assert hub.load("someone/nets:v1", "linear", 2) == 4
    assert hub.list("someone/nets:v1") == ["double", "linear"]
    assert hub.help("someone/nets:v1", "linear") == "A small model."
    with pytest.raises(RuntimeError, match="Cannot find callable number in hubconf"):
        hub.load("someone/nets:v1", "number")


def test_an_archive_that_leads_outside_is_refused(site, tmp_path):
    address, files = site
    files["/someone/evil/v1"] = repository({"repo/hubconf.py": "", "../../outside.py": "x = 1"})
    with pytest.raises(RuntimeError, match="leads out of the archive"):
        hub.list("someone/evil:v1", trust_repo=True)
    assert not list(tmp_path.rglob("outside.py"))


def test_local_folders(tmp_path):
    (tmp_path / "hubconf.py").write_text("dependencies = ['no_such_package_x']\ndef f(): return 1")
    with pytest.raises(RuntimeError, match="Missing dependencies: no_such_package_x"):
        hub.load(str(tmp_path), "f", source="local")
    with pytest.raises(ValueError, match='Unknown source: "ftp"'):
        hub.load(str(tmp_path), "f", source="ftp")


def test_the_folder_follows_the_environment(monkeypatch):
    monkeypatch.setattr(hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", "/some/where")
    assert hub.get_dir() == "/some/where/hub"
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert hub.get_dir() == "/cache/torch/hub"
