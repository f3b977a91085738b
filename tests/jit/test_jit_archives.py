"""torch.jit.save and load: what comes back, from memory, files and other processes; bad files."""

import io
import os
import pathlib
import pickle
import subprocess
import sys
import zipfile
from typing import Dict, List, NamedTuple, Optional, Tuple  # noqa: UP035

import pytest

import rushlight as torch
from rushlight import nn

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
FROM_PYTORCH = pathlib.Path(__file__).parent / "data" / "from_pytorch.pt"
ROOT = pathlib.Path(__file__).parents[2]


class Point(NamedTuple):
    at: torch.Tensor
    name: str


class Counter:
    def __init__(self, start: int):
        self.count = start

    def up(self, by: int) -> int:
        self.count += by
        return self.count


class Everything(nn.Module):
    factor: torch.jit.Final[float]

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 3), nn.ReLU()])
        self.register_buffer("seen", torch.zeros(1, dtype=torch.int64))
        self.ints = [1, 2, 3]
        self.words = ["a", "b"]
        self.table = {"x": 1.5}
        self.pair = (1, "one")
        self.factor = 0.5
        self.big = 2**40
        self.low = -7

    def forward(self, x, turns: int = 2, extra: Optional[torch.Tensor] = None):  # noqa: UP045
        for layer in self.layers:
            x = layer(x)
        self.seen += 1
        while turns > 0:
            x = x * self.factor + float(self.ints[turns % 3])
            turns -= 1
        if extra is not None:
            x = x + extra
        counter = Counter(self.low)
        counter.up(3)
        return Point(x, self.words[0]), counter.count + self.big, self.table["x"], self.pair


def round_trip(module, **options):
    buffer = io.BytesIO()
    torch.jit.save(module, buffer)
    buffer.seek(0)
    return torch.jit.load(buffer, **options)


def test_a_module_comes_back_with_all_it_holds():
    torch.manual_seed(0)
    made = torch.jit.script(Everything())
    again = round_trip(made)
    x = torch.randn(4, 3)
    for args in ((x,), (x, 5), (x, 0, torch.ones(3))):
        mine, theirs = made(*args), again(*args)
        assert torch.equal(mine[0].at, theirs[0].at) and mine[0].name == theirs[0].name
        assert mine[1:] == theirs[1:]
    assert again.seen.item() == 3 and again.ints == [1, 2, 3] and again.pair == (1, "one")
    assert again.factor == 0.5 and str(again.layers).startswith("RecursiveScriptModule(")
    assert list(again.state_dict()) == list(made.state_dict())
    assert round_trip(again).code == again.code


def test_a_traced_function_comes_back():
    def program(x):
        y = x.clone()
        y[0] = 1
        return torch.cat([y, x.sum(1, keepdim=True)], 1) / 2, y.to(torch.float64)

    made = torch.jit.trace(program, torch.randn(2, 3))
    again = round_trip(made)
    x = torch.randn(5, 3)
    for mine, theirs in zip(again(x), program(x), strict=True):
        assert torch.equal(mine, theirs)
    assert again.original_name == "PlaceholderModule"


def test_it_trains_after_loading():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
    again = round_trip(torch.jit.script(net))
    assert again.training and not again.eval().training
    optimizer = torch.optim.SGD(again.parameters(), 0.1)
    x, before = torch.randn(16, 3), None
    for _ in range(20):
        optimizer.zero_grad()
        loss = (again(x) - 1).square().mean()
        loss.backward()
        optimizer.step()
        before = loss.item() if before is None else before
    assert loss.item() < before / 2


def test_tensors_that_share_memory_still_do():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(2, 2, bias=False)
            self.b = nn.Linear(2, 2, bias=False)
            self.b.weight = self.a.weight
            self.register_buffer("row", torch.arange(6.0).view(2, 3)[:, 1])

        def forward(self, x):
            return self.b(self.a(x)) + self.row

    again = round_trip(torch.jit.script(Tied()))
    with torch.no_grad():
        again.a.weight.fill_(2.0)
    assert again.b.weight.sum().item() == 8.0 and again.row.stride() == (3,)


def test_a_module_in_two_places_becomes_two():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(2, 2)
            self.b = self.a

        def forward(self, x):
            return self.b(self.a(x))

    net = Twice()
    again = round_trip(torch.jit.trace(net, torch.ones(1, 2)))
    assert torch.equal(again(torch.ones(3, 2)), net(torch.ones(3, 2)))
    assert list(again.state_dict()) == ["a.weight", "a.bias", "b.weight", "b.bias"]


def test_defaults_of_sizes_are_written_out():
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.Sequential(nn.MaxPool2d(2))), file)
    with zipfile.ZipFile(file) as archive:
        (code,) = [n for n in archive.namelist() if n.endswith("nn/functional.py")]
        text = archive.read(code).decode()
    assert "padding: List[int]=[0, 0],\n    dilation: List[int]=[1, 1]," in text


def test_helpers_have_names_of_torch():
    layers = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.LSTM(4, 3))
    buffer = io.BytesIO(torch.jit.script(layers).save_to_buffer())
    with zipfile.ZipFile(buffer) as archive:
        code = [n for n in archive.namelist() if n.endswith(".py")]
        text = "".join(archive.read(n).decode() for n in code)
    assert "torch.nn.functional._stride" in text and "library" not in "".join([text, *code])


class Half(nn.Module):
    @torch.jit.ignore
    def outside(self, x, n: int):
        # type: (torch.Tensor, int) -> Tuple[torch.Tensor, int]
        return (x * n if n else x), (n if n < 9 else "many")

    def forward(self, x, n: int):
        return self.outside(x, n)


def test_functions_that_stay_python():
    made = torch.jit.script(Half())
    assert "= ^outside[]()(%self, %x" in str(made.graph) and "^outside()(self, x, n)" in made.code
    assert made(torch.ones(1), 3) == (torch.full((1,), 3.0), 3)
    with pytest.raises(RuntimeError, match="Unable to cast Python instance of type <class 'str'>"):
        made(torch.ones(1), 9)
    with pytest.raises(RuntimeError, match="Could not export Python function call 'outside'"):
        made.save_to_buffer()


def test_texts_beside_the_module(tmp_path):
    made = torch.jit.trace(lambda x: x + 1, torch.ones(1))
    path = tmp_path / "net.pt"
    made.save(str(path), _extra_files={"a.txt": "first", "b.bin": b"\x00\x01"})
    found = {"a.txt": "", "b.bin": "", "none": "kept"}
    torch.jit.load(path, _extra_files=found)
    assert found == {"a.txt": b"first", "b.bin": b"\x00\x01", "none": "kept"}
    assert made.save_to_buffer()[:2] == b"PK"


def test_plain_load_hands_over():
    with pytest.raises(RuntimeError, match="Cannot use ``weights_only=True`` with TorchScript"):
        torch.load(FROM_PYTORCH)
    with pytest.warns(UserWarning, match="dispatching to 'torch.jit.load'"):
        net = torch.load(FROM_PYTORCH, weights_only=False)
    assert net(torch.ones(2, 3))[1] == "a"


def test_map_location():
    made = torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2))
    asked = []

    def place(storage, where):
        asked.append(where)
        return storage

    round_trip(made, map_location=place)
    assert asked == ["cpu", "cpu"]
    assert round_trip(made, map_location="cpu").weight.device.type == "cpu"


def test_an_archive_of_pytorch():
    found = {"note.txt": ""}
    net = torch.jit.load(FROM_PYTORCH, _extra_files=found)
    assert found["note.txt"] == b"made by PyTorch"
    expected = [0.2786372900009155, -0.74962317943573, 1.4713068008422852, 0.5447654724121094]
    out, name = net(torch.ones(2, 3))
    assert name == "a" and torch.allclose(out, torch.tensor([expected, expected]), atol=1e-6)
    assert net.names == ["a", "b"] and net.table == {"a": 1.5} and net.training
    assert net.code == (
        "def forward(self,\n"
        "    x: Tensor,\n"
        "    turns: int=2) -> Tuple[Tensor, str]:\n"
        "  inner = self.inner\n"
        "  _0 = (inner).forward(x, )\n"
        "  scale = self.scale\n"
        "  x0 = torch.mul(_0, scale)\n"
        "  x1 = x0\n"
        "  for i in range(turns):\n"
        "    if bool(torch.gt(torch.sum(x1), 0)):\n"
        "      table = self.table\n"
        '      x2 = torch.sub(x1, table["a"])\n'
        "    else:\n"
        "      x2 = torch.add(x1, float(i))\n"
        "    x1 = x2\n"
        "  names = self.names\n"
        "  return (x1, names[0])\n"
    )
    out.sum().backward()
    assert net.inner.weight.grad.shape == (4, 3)
    with pytest.raises(RuntimeError, match=r'serialized code.*\n  File "code/__torch__'):
        net(torch.ones(2, 5))


def test_another_process_needs_no_class(tmp_path):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    path, program = tmp_path / "net.pt", tmp_path / "use.py"
    torch.jit.trace(net, torch.ones(1, 3)).save(path)
    program.write_text(
        "import sys, torch\n"
        "net = torch.jit.load(sys.argv[1])\n"
        "print(net(torch.ones(2, 3)).sum().item())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "rushlight", str(program), str(path)],
        capture_output=True, text=True, env=environment, cwd=tmp_path, check=True,
    )  # fmt: skip
    assert float(done.stdout) == pytest.approx(net(torch.ones(2, 3)).sum().item())


# -- what is refused -------------------------------------------------------------------------------


def test_what_cannot_be_saved_or_found(tmp_path):
    with pytest.raises(AttributeError, match="torch.jit.save takes what"):
        torch.jit.save(nn.Linear(1, 1), io.BytesIO())
    with pytest.raises(ValueError, match="does not exist"):
        torch.jit.load(str(tmp_path / "none.pt"))
    with pytest.raises(ValueError, match="is a directory"):
        torch.jit.load(str(tmp_path))
    made = torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2))
    with pytest.raises(RuntimeError, match="does not have a __getstate__ method"):
        pickle.dumps(made)
    torch.save({"a": 1}, tmp_path / "plain.pt")
    with pytest.raises(RuntimeError, match="no TorchScript module"):
        torch.jit.load(tmp_path / "plain.pt")


def archive(name: str, change) -> io.BytesIO:
    """An archive of a small module with one of its records replaced; `code` is its source."""
    made = torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2))
    source = zipfile.ZipFile(io.BytesIO(made.save_to_buffer()))
    out, changed = io.BytesIO(), 0
    with zipfile.ZipFile(out, "w") as target:
        for path in source.namelist():
            short, data = path.partition("/")[2], source.read(path)
            if short == name or (name == "code" and short.startswith("code/")):
                data, changed = change(data) if callable(change) else change, changed + 1
            target.writestr(path, data)
    assert changed == 1
    out.seek(0)
    return out


def code(body: str):
    """A change that puts another body into forward."""
    return lambda data: data[: data.index(b"    bias = ")] + f"    {body}\n".encode()


class Evil:
    def __reduce__(self):
        return os.system, ("echo broken > /dev/null",)


@pytest.mark.parametrize(
    "name, change",
    [
        ("data.pkl", pickle.dumps(Evil(), 2)),
        ("constants.pkl", pickle.dumps(Evil(), 2)),
        ("data.pkl", b"\x80\x02cbuiltins\neval\nX\x03\x00\x00\x001+1\x85R."),
        ("data.pkl", b"\x80\x02}."),
        ("data.pkl", lambda data: data[: len(data) // 2]),
        ("code", b"import os\nos.system('x')\n"),
        ("code", b"\xff\xfe"),
        ("code", b"class Linear(Module):\n  weight : Nothing\n"),
        ("version", b"99\n"),
        ("version", b"many\n"),
        ("byteorder", b"middle"),
        ("data/0", b"\x00" * 3),
    ],
)
def test_broken_and_hostile_archives_are_refused(name, change):
    with pytest.raises(RuntimeError):
        torch.jit.load(archive(name, change))


@pytest.mark.parametrize(
    "body",
    [
        "return __import__('os').system('x')",
        "return eval('1')",
        "return torch.os.system('x')",
        "return ops.builtins.eval('1')",
        "return open('x')",
        "return input.__class__",
        "return (lambda: 1)()",
        "return [i for i in range(3)]",
        "import os",
        "global x",
        "return CONSTANTS.c99",
        "return __torch__.torch.nothing(input, )",
        "return torch.no_such_operator(input)",
        "exec('1')",
        "torch.save(input, 'x')",
        "return torch.from_file('/etc/passwd')",
        "torch.import_ir_module(input, 'x')",
        "torch.set_printoptions()",
    ],
)
def test_code_can_only_call_operators(body):
    with pytest.raises(RuntimeError):
        net = torch.jit.load(archive("code", code(body)))
        net(torch.ones(1, 2))


def test_any_cut_or_changed_byte_is_an_error_or_harmless():
    data = bytearray(torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)).save_to_buffer())
    for at in range(0, len(data), 37):
        changed = bytearray(data)
        changed[at] ^= 0x55
        for broken in (changed, data[:at]):
            try:
                net = torch.jit.load(io.BytesIO(bytes(broken)))
                net(torch.ones(1, 2))
            except (RuntimeError, ValueError):
                pass


def test_annotations_of_the_file_itself():
    def holder(a: List[int], b: Dict[str, float], c: Tuple[int, str]):  # noqa: UP006
        return a[0] + int(b["x"]) + c[0]

    again = round_trip(torch.jit.script(holder))
    assert again([1], {"x": 2.0}, (3, "y")) == 6
    assert "List[int]" in again.code and "Dict[str, float]" in again.code
