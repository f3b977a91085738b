"""Write docs/api.md: which public names of PyTorch are here, and what each operator can do.

    python tools/api_page.py

It runs where PyTorch is installed, since the names to look for are PyTorch's; torchvision's too,
where that is. `tests/test_api_page.py` holds the page to the truth without either.
"""

from __future__ import annotations

import importlib
import types
import warnings
from pathlib import Path

from rushlight.op import operators

PAGE = Path(__file__).parent.parent / "docs" / "api.md"

SPACES = """
torch torch.Tensor torch.nn torch.nn.functional torch.nn.init torch.nn.utils torch.nn.utils.rnn
torch.nn.attention torch.linalg torch.fft torch.special torch.sparse torch.masked
torch.signal.windows torch.autograd torch.autograd.functional torch.autograd.forward_ad
torch.autograd.profiler torch.func torch.optim torch.optim.lr_scheduler torch.optim.swa_utils
torch.distributions torch.distributions.constraints torch.distributions.transforms
torch.distributions.kl torch.random torch.utils.data torch.utils.checkpoint torch.utils.benchmark
torch.utils.cpp_extension torch.utils.dlpack torch.utils.flop_counter torch.utils.tensorboard
torch.multiprocessing torch.hub torch.serialization torch.amp torch.cpu torch.cuda
torch.accelerator torch.backends torch.testing torch.library torch.overrides torch.futures
torch.profiler torch.jit torch.compiler torch.export torch.onnx torch.fx torch.package
torch.distributed torch.quantization torch.nested torchvision.datasets torchvision.transforms
torchvision.transforms.functional torchvision.transforms.v2 torchvision.transforms.v2.functional
torchvision.models torchvision.models.detection torchvision.models.segmentation
torchvision.models.video torchvision.models.optical_flow torchvision.ops torchvision.io
torchvision.utils torchvision.tv_tensors
""".split()

HEAD = """# Names, and what operators can do

Written by `tools/api_page.py`, held to the truth by `tests/test_api_page.py`; [gaps.md](gaps.md)
says the same in words and what to use instead.
"""


def find(path: str):
    """The object at a dotted path of modules and attributes, or None."""
    first, *rest = path.split(".")
    try:
        found = importlib.import_module(first)
        for part in rest:
            if isinstance(found, types.ModuleType) and not hasattr(found, part):
                found = importlib.import_module(f"{found.__name__}.{part}")
            else:
                found = getattr(found, part)
    except (ImportError, AttributeError):
        return None
    return found


def ours(path: str):
    """What stands in for `path` of PyTorch or torchvision."""
    first, _, rest = path.partition(".")
    home = "rushlight" if first == "torch" else "rushlight.vision"
    return find(f"{home}.{rest}" if rest else home)


def names_of(space) -> list[str]:
    """The public names of a class or module: __all__, or what it defines itself."""
    listed = getattr(space, "__all__", None)
    warnings.simplefilter("ignore")  # asking for a deprecated name is no use of it
    if listed is None and isinstance(space, types.ModuleType):
        listed = [
            name
            for name, value in vars(space).items()
            if (getattr(value, "__module__", None) or "").startswith(space.__name__)
        ]
    return sorted({n for n in listed or dir(space) if not n.startswith("_") and hasattr(space, n)})


def has(home, name: str) -> bool:
    try:
        return home is not None and hasattr(home, name)
    except Exception:  # a property of the class that raises is there
        return True


def name_lines() -> list[str]:
    """One line a namespace that the oracle has: the count, and what is missing."""
    lines = ["## Names", "", "| namespace | names | here | missing |", "|---|---|---|---|"]
    for path in SPACES:
        theirs = find(path)
        if theirs is None:
            print(f"left out, since it does not import here: {path}")
            continue
        names, home = names_of(theirs), ours(path)
        missing = [n for n in names if not has(home, n)]
        told = "all" if home is None else " ".join(f"`{n}`" for n in missing)
        lines.append(f"| {path} | {len(names)} | {len(names) - len(missing)} | {told} |")
    return lines


def family(op) -> str:
    """The file of an operator's block, without the folder."""
    return op.declaration.__module__.rpartition(".")[2]


def operator_lines() -> list[str]:
    """One line a family: its operators; starred where only NumPy or LAPACK computes them."""
    families: dict[str, list] = {}
    for op in operators.values():
        families.setdefault(family(op), []).append(op)
    lines = [
        "## Operators",
        "",
        "The primitives; everything else is written from them. In *italics*: no gradient, either",
        "because the result has none (comparisons, indices) or because PyTorch has none.",
        "",
        "| file in `rushlight/ops` | | operators |",
        "|---|---|---|",
    ]
    for name in sorted(families):
        told = [
            op.declaration.__name__ if differentiable(op) else f"*{op.declaration.__name__}*"
            for op in sorted(families[name], key=lambda op: op.declaration.__name__)
        ]
        lines.append(f"| {name} | {len(told)} | {', '.join(told)} |")
    return lines


def differentiable(op) -> bool:
    return any(n == "backward" or n.startswith("grad_") for n in vars(op.declaration))


def load_all() -> None:
    """Every namespace: some declare operators of their own when they load."""
    for path in SPACES:
        ours(path)


def main() -> None:
    load_all()
    PAGE.write_text("\n".join([HEAD, *name_lines(), "", *operator_lines(), ""]))


if __name__ == "__main__":
    main()
