"""Files travel between rushlight and PyTorch, both ways."""

import io
import pickle
import zipfile
from collections import OrderedDict

import pytest

import rushlight as torch

theirs = pytest.importorskip("torch")
DTYPES = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128"


def save(module, obj, **options) -> io.BytesIO:
    buffer = io.BytesIO()
    module.save(obj, buffer, **options)
    buffer.seek(0)
    return buffer


def same(a, b):
    return str(a.dtype) == str(b.dtype) and a.tolist() == b.tolist()


def checkpoint(module):
    base = module.arange(12.0)
    named = OrderedDict(x=module.ones(2, 3), n=1)
    named._metadata = {"": {"version": 1}}
    value = {
        "base": base,
        "view": base.reshape(3, 4)[1:, ::2],
        "parameter": module.nn.Parameter(module.arange(3.0)),
        "frozen": module.nn.Parameter(module.arange(3.0), requires_grad=False),
        "leaf": module.ones(2, requires_grad=True),
        "empty": module.zeros(0, 3),
        "scalar": module.tensor(2.5, dtype=module.float64),
        "named": named,
        "dtype": module.bfloat16,
        "size": module.Size([1, 2]),
        "device": module.device("cpu"),
        "plain": [1, 2.5, "text", b"bytes", None, True, (1, 2), {1, 2}, 10**20],
    }
    for name in DTYPES.split():
        value[name] = module.tensor([0, 1, 1]).to(getattr(module, name))
    return value


def check(a, b):
    assert type(a).__name__ == type(b).__name__
    if isinstance(a, (torch.Tensor, theirs.Tensor)):
        assert same(a, b) and a.requires_grad == b.requires_grad
        assert tuple(a.stride()) == tuple(b.stride())
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            check(a[key], b[key])
        assert getattr(a, "_metadata", None) == getattr(b, "_metadata", None)
    elif isinstance(a, (list, tuple)):
        for x, y in zip(a, b, strict=True):
            check(x, y)
    else:
        assert str(a) == str(b)


@pytest.mark.parametrize("protocol", [2, 4])
def test_pytorch_reads_ours_as_data(protocol):
    # PyTorch's restricted reader knows protocol 2 only.
    buffer = save(torch, checkpoint(torch), pickle_protocol=protocol)
    loaded = theirs.load(buffer, weights_only=protocol == 2)
    check(loaded, checkpoint(theirs))
    loaded["base"][6] = 100.0
    assert loaded["view"][0, 1].item() == 100.0


def test_we_read_pytorchs_as_data():
    loaded = torch.load(save(theirs, checkpoint(theirs)))
    check(loaded, checkpoint(torch))
    loaded["base"][6] = 100.0
    assert loaded["view"][0, 1].item() == 100.0


def test_mapped_both_ways(tmp_path):
    for writer, reader in ((torch, theirs), (theirs, torch)):
        path = tmp_path / "x.pt"
        writer.save({"x": writer.arange(100.0), "y": writer.ones(3)}, path)
        loaded = reader.load(path, mmap=True)
        assert loaded["x"].sum().item() == 4950.0 and loaded["y"].tolist() == [1.0, 1.0, 1.0]


def records(buffer):
    with zipfile.ZipFile(buffer) as file:
        return {n: file.read(n) for n in file.namelist()}, [
            (i.filename, i.header_offset, i.CRC) for i in file.infolist()
        ]


def assorted(m):
    """Tensors whose encodings differ: in sizes, offsets, sharing, dtype, gradient."""
    base = m.arange(70_000.0)
    value = {"a": m.arange(10.0), "b": [m.ones(3), 1], "base": base, "part": base[66_000:]}
    value |= {f"n{n}": m.zeros(tuple(range(1, n + 1))) for n in range(6)}
    value |= {"long": m.ones(300).long(), "leaf": m.ones(2, requires_grad=True), "again": base}
    value |= {"far": base[300:310], "turned": base.view(7, 10_000).t(), "e": m.zeros(0)}
    value |= {"other": m.ones(3).long(), "p": m.nn.Parameter(m.ones(2))}
    return value


def test_files_are_laid_out_alike():
    ours, theirs_ = (records(save(m, assorted(m))) for m in (torch, theirs))
    assert [n for n, _, _ in ours[1]] == [n for n, _, _ in theirs_[1]]
    assert [o for _, o, _ in ours[1]] == [o for _, o, _ in theirs_[1]]
    for name, content in theirs_[0].items():
        if not name.endswith("serialization_id"):
            assert ours[0][name] == content, name


def test_archive_is_named_after_the_file(tmp_path):
    for module in (torch, theirs):
        path = tmp_path / "model.v1.pt"
        module.save(module.ones(1), path)
        with zipfile.ZipFile(path) as file:
            assert file.namelist()[0] == "model.v1/data.pkl"


def models(module):
    nn = module.nn
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(1, 3, 3, padding=1),
            norm=nn.BatchNorm2d(3),
            act=nn.ReLU(),
            pool=nn.MaxPool2d(2),
            flat=nn.Flatten(),
            drop=nn.Dropout(0.5),
            linear=nn.Linear(12, 5),
        )
    ).eval()


def test_state_dicts_travel():
    for writer, reader in ((torch, theirs), (theirs, torch)):
        source, target = models(writer), models(reader)
        target.load_state_dict(reader.load(save(writer, source.state_dict())))
        x = [[[[float(i * j % 5) for i in range(4)] for j in range(4)]]]
        a = source(writer.tensor(x)).flatten().tolist()
        b = target(reader.tensor(x)).flatten().tolist()
        assert a == pytest.approx(b, abs=1e-6)


def test_whole_modules_travel():
    for writer, reader in ((torch, theirs), (theirs, torch)):
        source = models(writer)
        target = reader.load(save(writer, source), weights_only=False)
        assert type(target).__module__.startswith(reader.__name__ + ".nn")
        x = [[[[float(i + j) for i in range(4)] for j in range(4)]]]
        a = source(writer.tensor(x)).flatten().tolist()
        b = target(reader.tensor(x)).flatten().tolist()
        assert a == pytest.approx(b, abs=1e-6)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_optimizer_states_travel(name):
    for writer, reader in ((torch, theirs), (theirs, torch)):
        state = {}
        for module in (writer, reader):
            p = module.nn.Parameter(module.tensor([1.0, 2.0]))
            options = {"momentum": 0.9} if name == "SGD" else {}
            optimizer = getattr(module.optim, name)([p], lr=0.1, **options)
            if module is writer:
                (p * p).sum().backward()
                optimizer.step()
                state = module.optim.Optimizer.state_dict(optimizer)
            else:
                optimizer.load_state_dict(reader.load(save(writer, state)))
                assert optimizer.param_groups[0]["lr"] == 0.1
                assert len(optimizer.state) == 1


@pytest.mark.parametrize("trusted", [False, True])
def test_old_format_is_read(trusted):
    value = {"base": theirs.arange(6.0), "view": theirs.arange(6.0)[2:], "n": [1, "x"]}
    value["view"] = value["base"][2:]
    buffer = save(theirs, value, _use_new_zipfile_serialization=False)
    loaded = torch.load(buffer, weights_only=not trusted)
    assert loaded["base"].tolist() == [0, 1, 2, 3, 4, 5] and loaded["n"] == [1, "x"]
    loaded["base"][3] = 50.0
    assert loaded["view"].tolist() == [2, 50, 4, 5]
    buffer.seek(0)
    mapped = torch.load(buffer, map_location=lambda storage, place: storage)
    assert mapped["view"].tolist() == [2, 3, 4, 5]


def test_old_format_truncated_everywhere():
    whole = save(theirs, theirs.arange(6.0), _use_new_zipfile_serialization=False).getvalue()
    for length in range(0, len(whole), 3):
        with pytest.raises((pickle.UnpicklingError, EOFError, RuntimeError)):
            torch.load(io.BytesIO(whole[:length]))


def test_checksums_left_out_are_accepted():
    theirs.serialization.set_crc32_options(False)
    try:
        buffer = save(theirs, theirs.arange(3.0))
    finally:
        theirs.serialization.set_crc32_options(True)
    assert torch.load(buffer).tolist() == [0, 1, 2]


def test_big_endian_files_are_swapped():
    buffer = save(torch, {"x": torch.tensor([1.0, 2.0]), "c": torch.tensor([1 + 2j])})
    content, _ = records(buffer)
    swapped = io.BytesIO()
    with zipfile.ZipFile(swapped, "w") as file:
        for name, data in content.items():
            if name == "archive/byteorder":
                data = b"big"
            elif "/data/" in name:
                data = b"".join(data[i : i + 4][::-1] for i in range(0, len(data), 4))
            file.writestr(name, data)
    swapped.seek(0)
    loaded = torch.load(swapped)
    assert loaded["x"].tolist() == [1.0, 2.0] and loaded["c"].tolist() == [1 + 2j]


def test_modules_are_named_as_pytorch_names_them():
    from rushlight.serialization._names import file_name, find_object

    checked = 0
    for name in theirs.nn.modules.__all__:
        known, ours = getattr(theirs.nn, name), getattr(torch.nn, name, None)
        if ours is None:
            continue
        checked += 1
        spelled = file_name(ours.__module__, ours.__qualname__)
        assert spelled == (known.__module__, known.__qualname__)
        assert find_object(*spelled) is ours
    assert checked > 100


def test_containers_and_attention_travel():
    for writer, reader in ((torch, theirs), (theirs, torch)):
        nn = writer.nn
        model = nn.ModuleDict(
            {
                "list": nn.ParameterList([nn.Parameter(writer.ones(2))]),
                "dict": nn.ParameterDict({"a": nn.Parameter(writer.ones(1))}),
                "attention": nn.MultiheadAttention(4, 2),
                "rnn": nn.LSTM(3, 4, 2),
                "embedding": nn.Embedding(5, 3),
            }
        ).eval()
        loaded = reader.load(save(writer, model), weights_only=False)
        assert [n for n, _ in loaded.named_parameters()] == [n for n, _ in model.named_parameters()]
        x = [[[0.1, 0.2, 0.3, 0.4]], [[0.5, 0.6, 0.7, 0.8]]]
        a, b = writer.tensor(x), reader.tensor(x)
        a, b = model["attention"](a, a, a)[0], loaded["attention"](b, b, b)[0]
        assert a.flatten().tolist() == pytest.approx(b.flatten().tolist(), abs=1e-6)
        a, b = writer.tensor(x)[..., :3], reader.tensor(x)[..., :3]
        a, b = model["rnn"](a)[0], loaded["rnn"](b)[0]
        assert a.flatten().tolist() == pytest.approx(b.flatten().tolist(), abs=1e-6)


def test_whole_files_are_equal_but_for_their_id():
    ours, theirs_ = (save(m, assorted(m)).getvalue() for m in (torch, theirs))
    assert len(ours) == len(theirs_)
    # The identifier occurs in its record and in its two checksums.
    different = [i for i in range(len(ours)) if ours[i] != theirs_[i]]
    assert len(different) <= 48
    head = ours.index(b"archive/.data/serialization_id")
    assert min(different) > head
