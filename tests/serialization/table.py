"""Objects of every kind that a checkpoint may hold, built by either library, and their content."""

from collections import Counter, OrderedDict, defaultdict
from itertools import count

NUMBERS = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool".split()
COMPLEX = "complex64 complex128 complex32".split()
UNSIGNED = "uint16 uint32 uint64".split()
FLOAT8 = "float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu".split()
SHAPES = [(), (0,), (1,), (5,), (2, 3), (3, 0, 2), (2, 1, 3, 2), (1, 1, 1, 1, 2)]


def _bits(m, dtype, shape, seed=0):
    """A tensor of any dtype with many different bit patterns, none of them a nan's."""
    total = 1
    for size in shape:
        total *= size
    kind = getattr(m, dtype)
    if dtype == "bool":
        return m.tensor([(i + seed) % 3 == 0 for i in range(total)]).reshape(shape)
    if dtype in FLOAT8:
        data = [(17 * i + seed) % 120 for i in range(total)]
        return m.tensor(data, dtype=m.uint8).view(kind).reshape(shape)
    data = [((37 * i + seed) % 101) * (1 if dtype.startswith("u") else -1) for i in range(total)]
    if dtype.startswith("complex"):
        wide = m.complex128 if dtype == "complex128" else m.complex64
        values = m.tensor([complex(x, 0.25 * x) for x in data], dtype=wide).reshape(shape)
        return values.to(kind)
    return m.tensor(data, dtype=m.int64).reshape(shape).to(kind)


def _tensors(m):
    for dtype in NUMBERS + COMPLEX + UNSIGNED + FLOAT8:
        for shape in SHAPES:
            yield f"{dtype} {shape}", _bits(m, dtype, shape)
    for dtype in ("float32", "int64", "bfloat16", "complex64", "bool"):
        base = _bits(m, dtype, (4, 6), 3)
        views = {
            "row": base[2], "column": base[:, 3], "steps": base[::2, 1::2], "turned": base.t(),
            "expanded": base[:1].expand(4, 6), "one": base[2, 3], "none": base[4:],
            "strided": base.as_strided((3, 2, 2), (6, 2, 1), 1), "flat": base.view(-1)[5:19],
            "windows": base.unfold(1, 3, 2), "diagonal": base.diagonal(), "unit": base[:, None],
        }  # fmt: skip
        for name, view in views.items():
            yield f"view {dtype} {name}", view
        yield f"views {dtype}", [base, *views.values()]
    images = _bits(m, "float32", (2, 3, 4, 5))
    yield "channels last", images.contiguous(memory_format=m.channels_last)
    yield "transposed 0-size", m.zeros(0, 3).t()
    for value in ("inf", "-inf", "nan", "-0.0", "1e-45", "3.4e38"):
        for dtype in ("float64", "float32", "float16", "bfloat16"):
            yield f"special {dtype} {value}", m.tensor([float(value)], dtype=getattr(m, dtype))
    whole = _bits(m, "float32", (16,))
    yield "seen as other dtypes", [whole, whole.view(m.int32), whole.view(m.uint8), whole[3:]]


def _leaves(m):
    for dtype in ("float32", "float64", "float16", "bfloat16", "complex64"):
        values = _bits(m, dtype, (2, 3))
        yield f"leaf {dtype}", values.clone().requires_grad_()
        yield f"parameter {dtype}", m.nn.Parameter(values.clone())
        yield f"frozen {dtype}", m.nn.Parameter(values.clone(), requires_grad=False)
    yield "parameter of integers", m.nn.Parameter(m.arange(3), requires_grad=False)
    weight = m.nn.Parameter(m.arange(4.0))
    yield "tied parameters", {"a": weight, "b": weight, "data": weight.data, "part": weight[1:]}
    marked = m.nn.Parameter(m.arange(2.0))
    marked.origin = "somewhere"
    marked.sizes = [1, (2, 3)]
    yield "parameter with attributes", marked
    tagged = m.arange(3.0)
    tagged.note = {"x": m.ones(1)}
    yield "tensor with attributes", tagged
    yield "buffer", m.nn.Buffer(m.arange(3.0))
    yield "result", (m.ones(2, requires_grad=True) * 2).detach()


def _sparse(m):
    dense = m.tensor([[0.0, 2.0, 0.0], [3.0, 0.0, 4.0]])
    coo = dense.to_sparse()
    yield "coo", coo
    yield "coo uncoalesced", m.sparse_coo_tensor([[0, 0, 1], [1, 1, 2]], [1.0, 2.0, 3.0], (2, 4))
    yield "coo hybrid", m.sparse_coo_tensor([[0, 1]], m.arange(6.0).reshape(2, 3), (4, 3))
    yield "coo empty", m.sparse_coo_tensor(size=(3, 2))
    yield "coo int", dense.long().to_sparse()
    yield "csr", dense.to_sparse_csr()
    yield "csc", dense.to_sparse_csc()
    blocks = m.arange(16.0).reshape(4, 4)
    yield "bsr", blocks.to_sparse_bsr((2, 2))
    yield "bsc", blocks.to_sparse_bsc((2, 2))
    yield "sparse in a dict", {"c": coo, "r": dense.to_sparse_csr(), "d": dense}


def _plain(m):
    shared = [1, 2]
    loop = [1]
    loop.append(loop)
    ring = {"name": "ring"}
    ring["self"] = ring
    values = {
        "None": None, "true": True, "int": 5, "minus": -7, "byte": 255, "short": 65535,
        "word": -(2**31), "long": 2**40, "huge": 10**300, "minus huge": -(2**2100), "float": 2.5,
        "nan": float("nan"), "inf": float("-inf"), "minus zero": -0.0, "complex": 1 - 2j,
        "text": "text", "chinese": "\u4e2d\u6587", "surrogate": "\ud800", "emoji": "\U0001f600",
        "long text": "x" * 70_000, "empty text": "", "bytes": b"\x00\xff", "no bytes": b"",
        "long bytes": b"y" * 300, "bytearray": bytearray(b"ab"), "empty": [(), [], {}, set()],
        "tuples": [(1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)], "set": {1, "a", (2, 3)},
        "frozenset": frozenset([1, 2]), "nested": {"a": [{"b": ({"c": [None]},)}]},
        "many": list(range(2500)), "large dict": {i: str(i) for i in range(2500)},
        "deep": _deep(200), "shared list": [shared, shared, {"again": shared}], "loop": loop,
        "ring": ring, "mixed keys": {1: "a", "b": 2, (1, 2): 3, None: 4, 2.5: 5, b"x": 7},
        "ordered": OrderedDict([("z", 1), ("a", 2)]), "counter": Counter("hello"),
    }  # fmt: skip
    yield from values.items()
    marked = OrderedDict(a=m.ones(1))
    marked._metadata = OrderedDict([("", {"version": 1})])
    yield "ordered with attributes", marked
    yield "tensors among others", [m.ones(2), "x", {"y": m.zeros(1)}, (m.ones(3),)]
    one = m.ones(2)
    yield "one tensor twice", [one, one, {"x": one}]


def _deep(levels):
    made = []
    for _ in range(levels):
        made = [made, {"k": 1}]
    return made


def _own(m):
    for dtype in NUMBERS + COMPLEX + UNSIGNED + FLOAT8:
        yield f"dtype {dtype}", getattr(m, dtype)
    for size in ((), (1,), (2, 3, 4)):
        yield f"size {size}", m.Size(size)
    for device in ("cpu", "cuda", "cuda:1", "meta", "mps"):
        yield f"device {device}", m.device(device)
    for layout in ("strided", "sparse_coo", "sparse_csr"):
        yield f"layout {layout}", getattr(m, layout)
    for name in ("contiguous_format", "channels_last", "preserve_format", "channels_last_3d"):
        yield f"memory format {name}", getattr(m, name)
    yield "rng state", m.Generator().manual_seed(3).get_state()
    yield "sizes", [m.ones(2, 3).shape, {"s": m.Size([4])}]


def _storages(m):
    base = m.arange(6.0)
    yield "untyped storage", base.untyped_storage()
    yield "storage and tensor", [base, base.untyped_storage()]
    yield "empty storage", m.UntypedStorage(0)
    yield "typed storage", m.storage.TypedStorage([1, 2, 3], dtype=m.int32, _internal=True)


def _state_dicts(m):
    nn = m.nn
    for name, model in models(m):
        yield f"state dict {name}", model.state_dict()
    weight = nn.Parameter(m.arange(6.0).reshape(2, 3))
    options = {"SGD": {"momentum": 0.9, "lr": 0.1}, "Rprop": {"lr": 0.1}, "ASGD": {"lr": 0.1}}
    names = "SGD Adam AdamW RMSprop Adagrad Adadelta Adamax NAdam RAdam Rprop ASGD LBFGS".split()
    for name in names:
        optimizer = getattr(m.optim, name)([weight], **options.get(name, {}))

        def closure(optimizer=optimizer):
            optimizer.zero_grad()
            loss = (weight * weight).sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        yield f"optimizer {name}", optimizer.state_dict()
        with m.no_grad():
            weight.copy_(m.arange(6.0).reshape(2, 3))
    optimizer = m.optim.SGD([weight], lr=0.1)
    schedule = m.optim.lr_scheduler.StepLR(optimizer, 2)
    yield "scheduler", schedule.state_dict()
    model = nn.Linear(2, 2)
    fill(m, model)
    yield "training", {"epoch": 3, "model": model.state_dict(), "loss": 0.5, "best": None}


def fill(m, model) -> None:
    """Give every parameter and buffer values that do not depend on a generator."""
    with m.no_grad():
        for tensor in model.state_dict().values():
            if tensor.dtype == m.float32:
                tensor.copy_(m.arange(float(tensor.numel())).reshape(tensor.shape) / 64)


def models(m):
    """Modules of many families by name."""
    nn = m.nn
    made = {
        "linear": nn.Linear(3, 2), "no bias": nn.Linear(3, 2, bias=False),
        "conv": nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU()),
        "conv1d": nn.Conv1d(2, 2, 3, padding="same"), "turned": nn.ConvTranspose2d(2, 2, 2, 2),
        "embedding": nn.Embedding(5, 3, padding_idx=0), "lstm": nn.LSTM(3, 4, 2),
        "gru": nn.GRU(3, 4, bidirectional=True), "cell": nn.LSTMCell(2, 3),
        "attention": nn.MultiheadAttention(4, 2), "norm": nn.LayerNorm(4),
        "group": nn.GroupNorm(2, 4), "encoder": nn.TransformerEncoderLayer(4, 2, 8),
        "decoder": nn.TransformerDecoderLayer(4, 2, 8), "prelu": nn.PReLU(3),
        "bilinear": nn.Bilinear(2, 3, 2), "bag": nn.EmbeddingBag(4, 2), "rms": nn.RMSNorm(3),
        "list": nn.ModuleList([nn.Linear(2, 2), nn.Dropout(0.3)]), "drop": nn.Dropout(0.2),
        "dict": nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.Identity()}),
        "loss": nn.CrossEntropyLoss(weight=m.ones(3), label_smoothing=0.1),
        "pool": nn.MaxPool2d(2), "instance": nn.InstanceNorm1d(2, affine=True),
        "spectral": nn.utils.parametrizations.orthogonal(nn.Linear(2, 2)),
    }  # fmt: skip
    tied = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    tied[1].weight = tied[0].weight
    made["tied"] = tied
    for name, model in made.items():
        if name != "spectral":
            fill(m, model)
            yield name, model.eval() if name in ("conv", "encoder") else model


def by_name(m) -> dict:
    """Every object of the table that plain data can be: what `weights_only=True` must read."""
    found = {}
    for family in (_tensors, _leaves, _sparse, _plain, _own, _storages, _state_dicts):
        for name, obj in family(m):
            assert name not in found, name
            found[name] = obj
    return found


def trusted_by_name(m) -> dict:
    """What only `weights_only=False` reads."""
    found = {f"module {name}": model for name, model in models(m)}
    found["default dict"] = defaultdict(list, a=[m.ones(1)])
    found["range"] = range(3)
    found["slice"] = slice(1, None, 2)
    found["ellipsis"] = [..., NotImplemented]
    found["function"] = m.nn.functional.relu
    found["class"] = m.nn.Linear
    found["optimizer"] = m.optim.SGD([m.nn.Parameter(m.arange(2.0))], lr=0.1, momentum=0.9)
    found["generator-free data set"] = m.utils.data.TensorDataset(m.arange(3.0), m.ones(3))
    found["subset"] = m.utils.data.Subset(m.utils.data.TensorDataset(m.arange(3.0)), [0, 2])
    return found


class Content:
    """Describes an object so that equal content and equal sharing give equal descriptions."""

    def __init__(self, m):
        self._m = m
        self._kept = []
        self._seen: dict[int, int] = {}
        self._storages: dict[int, int] = {}
        self._numbers = count()

    def __call__(self, obj):
        m = self._m
        if isinstance(obj, (type(None), bool, int, str, bytes, complex)):
            return (type(obj).__name__, obj)
        if isinstance(obj, float):
            return ("float", repr(obj))
        if type(obj) in (m.dtype, m.device, m.layout, m.memory_format):
            return (type(obj).__name__, str(obj))
        if id(obj) in self._seen:
            return ("again", self._seen[id(obj)])
        self._kept.append(obj)
        self._seen[id(obj)] = next(self._numbers)
        return self._compound(obj)

    def _compound(self, obj):
        m = self._m
        if isinstance(obj, m.Tensor):
            return self._tensor(obj)
        if isinstance(obj, m.UntypedStorage):
            return ("untyped", self._place(obj), obj.device.type, obj.tolist())
        if type(obj).__name__ == "TypedStorage":
            untyped = obj.untyped() if hasattr(obj, "untyped") else obj
            return ("typed", str(obj.dtype), self._place(untyped), untyped.tolist())
        if isinstance(obj, dict):
            items = [(self(k), self(v)) for k, v in obj.items()]
            extra = self(vars(obj)) if getattr(obj, "__dict__", None) else None
            return (type(obj).__name__, items, extra)
        if isinstance(obj, (list, tuple)):
            return (type(obj).__name__, [self(item) for item in obj])
        if isinstance(obj, (set, frozenset)):
            return (type(obj).__name__, sorted(map(repr, obj)))
        if isinstance(obj, bytearray):
            return ("bytearray", bytes(obj))
        if isinstance(obj, m.nn.Module):
            names = [(n, self(p)) for n, p in [*obj.named_parameters(), *obj.named_buffers()]]
            return (type(obj).__name__, repr(obj), obj.training, names)
        return (getattr(obj, "__name__", type(obj).__name__), repr(obj).split(" at 0x")[0])

    def _place(self, storage) -> int:
        self._kept.append(storage)
        return self._storages.setdefault(storage._cdata, len(self._storages))

    def _tensor(self, t):
        m = self._m
        head = (type(t).__name__, str(t.dtype), tuple(t.shape), t.requires_grad, str(t.device))
        state = {k: v for k, v in vars(t).items() if not k.startswith("_")}
        head += (self(state) if state else None, str(t.layout))
        t = t.detach()
        if t.device.type == "meta":
            return (*head, tuple(t.stride()))
        if t.layout == m.sparse_coo:
            parts = t._indices(), t._values()
            return (*head, t.is_coalesced(), [self._alone(p) for p in parts])
        if t.layout != m.strided:
            columns = str(t.layout)[-3:] in ("csc", "bsc")
            ways = ("ccol_indices", "row_indices") if columns else ("crow_indices", "col_indices")
            return (*head, [self._alone(getattr(t, way)()) for way in (*ways, "values")])
        storage = t.untyped_storage()
        offset = t.storage_offset() if t.numel() else 0
        place = (self._place(storage), offset, tuple(t.stride()), storage.nbytes())
        return (*head, place, self._values(t))

    def _alone(self, t):
        return (str(t.dtype), tuple(t.shape), self._values(t))

    def _values(self, t):
        m = self._m
        if not t.numel():
            return []
        if str(t.dtype).startswith("torch.float8"):
            return t.contiguous().view(m.uint8).tolist()
        if t.dtype == m.complex32:
            return m.view_as_real(t).contiguous().view(m.int16).tolist()
        return repr(t.tolist())
