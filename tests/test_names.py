"""Public names that are no operators, or that say why they are not offered."""

from __future__ import annotations

import mmap
import struct

import numpy as np
import pytest

import rushlight as torch


def test_gradient_takes_every_form_of_spacing():
    x = torch.arange(24.0).reshape(2, 3, 4) ** 2
    array = x.numpy()
    for edge_order in (1, 2):
        for got, want in zip(
            torch.gradient(x, dim=(1, 2), edge_order=edge_order),
            np.gradient(array, axis=(1, 2), edge_order=edge_order),
            strict=True,
        ):
            np.testing.assert_allclose(got.numpy(), want, rtol=1e-5)
    places = torch.tensor([0.0, 1.0, 3.0, 3.5])
    for edge_order in (1, 2):
        (got,) = torch.gradient(x, spacing=(places,), dim=-1, edge_order=edge_order)
        want = np.gradient(array, places.numpy(), axis=-1, edge_order=edge_order)
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-4)
    assert torch.equal(
        torch.gradient(x, spacing=2.0, dim=1)[0], torch.gradient(x, spacing=[2.0], dim=1)[0]
    )
    assert torch.gradient(torch.tensor(1.0)) == ()


@pytest.mark.parametrize(
    "error, arguments",
    [
        (RuntimeError, {"edge_order": 3}),
        (RuntimeError, {"edge_order": 2, "dim": 0}),
        (RuntimeError, {"dim": (1, 1)}),
        (IndexError, {"dim": 5}),
        (RuntimeError, {"spacing": [1.0]}),
        (RuntimeError, {"spacing": (torch.ones(3, 1),), "dim": 1}),
        (TypeError, {"spacing": "a"}),
    ],
)
def test_gradient_refuses(error, arguments):
    with pytest.raises(error):
        torch.gradient(torch.ones(2, 3), **arguments)


def test_gradient_is_differentiable_in_values_and_coordinates():
    x = torch.rand(5, dtype=torch.float64, requires_grad=True)
    places = torch.rand(5, dtype=torch.float64).cumsum(0).requires_grad_()
    for order in (1, 2):
        assert torch.autograd.gradcheck(
            lambda a, b, order=order: torch.gradient(a, spacing=(b,), edge_order=order)[0],
            (x, places),
        )


def test_the_gradient_of_a_strided_scatter_is_that_of_what_stays():
    x = torch.rand(3, 3, dtype=torch.float64, requires_grad=True)
    src = torch.rand(2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda a, b: torch.as_strided_scatter(a, b, (2, 2), (1, 2), 1), (x, src)
    )


def test_shapes_over_given_memory():
    x = torch.arange(6.0).reshape(2, 3)
    wide = torch.broadcast_to(x, (2, 2, 3))
    assert wide.shape == (2, 2, 3) and wide.data_ptr() == x.data_ptr()
    assert x.broadcast_to(2, 2, 3).shape == x.broadcast_to(size=(2, 2, 3)).shape == (2, 2, 3)
    whole = torch.arange(12.0).reshape(4, 3)
    assert torch.equal(torch.slice_inverse(whole[1:3], whole, 0, 1, 3), whole)
    assert torch.as_strided_(torch.arange(6.0), (2, 2), (2, 1)).tolist() == [[0, 1], [2, 3]]
    assert torch.resize_as_(torch.zeros(1), x).shape == (2, 3)
    pairs = torch.view_as_real_copy(torch.tensor([1 + 2j]))
    assert pairs.tolist() == [[1, 2]]
    assert torch.view_as_complex_copy(pairs).tolist() == [1 + 2j]


def test_binomial_counts_follow_the_law():
    torch.manual_seed(0)
    for count, prob in ((5, 0.3), (100, 0.05), (1000, 0.7)):
        drawn = torch.binomial(torch.full((4000,), float(count)), torch.tensor(prob))
        assert drawn.min() >= 0 and drawn.max() <= count
        deviation = (count * prob * (1 - prob)) ** 0.5
        assert abs(float(drawn.mean()) - count * prob) < 5 * deviation / 4000**0.5
        assert abs(float(drawn.std()) / deviation - 1) < 0.1
    edges = torch.binomial(torch.tensor([7.0, 7.0, -1.0]), torch.tensor([0.0, 1.0, 0.5]))
    assert edges.tolist() == [0, 7, 0]
    with pytest.raises(ValueError, match="floating-point"):
        torch.binomial(torch.tensor([1]), torch.tensor([0.5]))
    with pytest.raises(ValueError, match="count"):
        torch.binomial(torch.tensor([float("inf")]), torch.tensor([0.5]))


@pytest.mark.parametrize("count, prob", [(5, 0.3), (100, 0.3), (1000, 0.7), (1e6, 0.5)])
def test_binomial_draws_pytorchs_numbers(count, prob):
    theirs = pytest.importorskip("torch")
    drawn = []
    for library in (torch, theirs):
        library.manual_seed(3)
        drawn.append(library.binomial(library.full((50,), float(count)), library.full((50,), prob)))
    assert drawn[0].tolist() == drawn[1].tolist()


def test_hashes_are_exclusive_ors_of_64_bit_patterns():
    numbers = torch.arange(6.0).reshape(2, 3)
    assert torch.hash_tensor(numbers).item() == 4610560118520545280
    assert torch.hash_tensor(numbers, 1).tolist() == [9218868437227405312, 4615063718147915776]
    assert torch.hash_tensor(torch.tensor([-1], dtype=torch.int8)).item() == 2**64 - 1
    assert torch.hash_tensor(numbers.half(), (0, 1), keepdim=True).tolist() == [
        [torch.hash_tensor(numbers).item()]
    ]
    assert numbers.hash_tensor().dtype is torch.uint64
    # The name NumPy itself gives the type: other libraries know no other.
    assert numbers.hash_tensor().numpy().dtype.char == np.dtype("uint64").char
    with pytest.raises(RuntimeError, match="mode"):
        torch.hash_tensor(numbers, mode=1)
    with pytest.raises(RuntimeError, match="reduction dim"):
        torch.hash_tensor(numbers[:0])
    with pytest.raises(IndexError):
        torch.hash_tensor(numbers, 2)


def test_rounding_to_few_bits_passes_gradients_inside_the_range():
    x = torch.tensor([-1.0, 0.04, 0.26, 0.25, 100.0], requires_grad=True)
    y = torch.fake_quantize_per_tensor_affine(x, 0.1, 2, 0, 255)
    np.testing.assert_allclose(y.detach().numpy(), [-0.2, 0.0, 0.3, 0.2, 25.3], atol=1e-6)
    y.sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 0]
    rows = torch.ones(2, 3)
    scale, zero = torch.tensor([0.3, 0.7]), torch.zeros(2, dtype=torch.int32)
    got = torch.fake_quantize_per_channel_affine(rows, scale, zero, 0, 0, 255)
    np.testing.assert_allclose(got[:, 0].numpy(), [0.9, 0.7], rtol=1e-6)
    with pytest.raises(RuntimeError):
        torch.fake_quantize_per_tensor_affine(x, 0.1, -1, 0, 255)


def test_batch_statistics_move_the_running_ones():
    x = torch.arange(6.0).reshape(2, 3)
    mean, var = torch.zeros(3), torch.ones(3)
    got = torch.batch_norm_update_stats(x, mean, var, 0.1)
    np.testing.assert_allclose(got[0].numpy(), [1.5, 2.5, 3.5])
    np.testing.assert_allclose(got[1].numpy(), [2.25] * 3)
    np.testing.assert_allclose(mean.numpy(), [0.15, 0.25, 0.35], rtol=1e-6)
    np.testing.assert_allclose(var.numpy(), [1.35] * 3, rtol=1e-6)


def test_modes_and_facts():
    for mode, number in (("warn", 1), (2, 2), ("default", 0)):
        torch.set_deterministic_debug_mode(mode)
        assert torch.get_deterministic_debug_mode() == number
    for wrong, error in ((7, RuntimeError), ("x", RuntimeError), (1.5, TypeError)):
        with pytest.raises(error):
            torch.set_deterministic_debug_mode(wrong)
    torch.set_anomaly_enabled(True, False)
    assert torch.is_anomaly_enabled() and not torch.is_anomaly_check_nan_enabled()
    torch.set_anomaly_enabled(False)
    assert not torch.is_anomaly_enabled() and torch.is_anomaly_check_nan_enabled()
    assert torch.has_lapack and torch.has_openmp and not torch.has_mkl


def test_arithmetic_on_sizes():
    assert torch.sym_int(-3.7) == -3 and torch.sym_float(3) == 3.0
    assert torch.sym_max(3, 2.5) == 3.0 and isinstance(torch.sym_max(3, 2.5), float)
    assert torch.sym_min(1, 2) == 1 and torch.sym_not(0) and torch.sym_sqrt(4) == 2
    assert torch.sym_sum([1, 2]) == 3 and torch.sym_ite(True, 1, 2) == 1
    with pytest.raises(RuntimeError, match="Invalid value range"):
        torch.sym_constrain_range(3, min=1, max=2)
    torch.sym_constrain_range_for_size(1, min=0)
    assert not isinstance(3, (torch.SymInt, torch.SymFloat, torch.SymBool))
    with pytest.raises(TypeError, match="plain numbers"):
        torch.SymInt(3)


def test_streams_of_the_cpu_have_always_finished():
    stream, event = torch.Stream("cpu"), torch.Event()
    assert stream.query() and stream == torch.Stream()
    assert repr(stream) == "torch.Stream device_type=cpu, device_index=-1, stream_id=0"
    assert event.query() and event.wait() is None
    with pytest.raises(RuntimeError, match="doesn't support events"):
        event.record()
    with pytest.raises(RuntimeError):
        torch.Stream("cuda")


def test_tensors_over_files(tmp_path):
    path = tmp_path / "numbers"
    path.write_bytes(struct.pack("4i", 1, 2, 3, 4))
    kept = torch.from_file(str(path), size=3, dtype=torch.int32)
    kept += 1
    assert kept.tolist() == [2, 3, 4]
    shared = torch.from_file(str(path), shared=True, size=mmap.PAGESIZE, dtype=torch.int32)
    assert shared[:4].tolist() == [1, 2, 3, 4] and int(shared.sum()) == 10
    shared[0] = 9
    assert path.read_bytes()[:4] == struct.pack("i", 9)
    with pytest.raises(RuntimeError, match="smaller than the required"):
        torch.from_file(str(path), size=10**6)
    with pytest.raises(RuntimeError, match="unable to open"):
        torch.from_file(str(tmp_path / "none"), size=1)


def test_loops_over_elements_in_python():
    x = torch.arange(3.0)
    assert x.clone().apply_(lambda v: v * 2).tolist() == [0, 2, 4]
    assert torch.tensor([1, 2]).apply_(lambda v: v * 2.7).tolist() == [2, 5]
    assert torch.ones(2, 3).map_(x, lambda a, b: a + b).tolist() == [[1, 2, 3]] * 2
    assert x.clone().map2_(x, x, lambda a, b, c: a + b + c).tolist() == [0, 3, 6]
    with pytest.raises(TypeError, match="expected torch.FloatTensor"):
        x.map_(torch.arange(3), lambda a, b: a)
    with pytest.raises(TypeError, match="not callable"):
        x.apply_(1)
    with pytest.raises(RuntimeError, match="requires grad"):
        x.clone().requires_grad_().apply_(abs)


def test_methods_of_older_programs():
    x = torch.arange(6.0)
    assert x.new().shape == (0,) and x.new(2, 3).shape == (2, 3)
    assert x.new([1, 2]).tolist() == x.new((1, 2)).tolist() == [1, 2]
    assert x.new(torch.Size([1, 2])).shape == (1, 2)
    assert x.new(x.storage()).tolist() == x.tolist()
    assert x.resize(2, 3).shape == x.resize_as(torch.ones(2, 3)).shape == (2, 3)
    with pytest.raises(RuntimeError, match="6 elements"):
        x.resize(7)
    assert x.__div__(2).tolist() == (x / 2).tolist()
    assert torch.tensor(2.7).__long__() == 2 and torch.tensor(1).__nonzero__() is True
    assert x.storage_type() is torch.FloatStorage and x.const_data_ptr() == x.data_ptr()
    y = torch.zeros(6)
    assert y.module_load(x) is not y and y.tolist() == x.tolist()
    z = torch.zeros(2)
    z.__setstate__((x.untyped_storage(), 1, (2,), (1,)))
    assert z.tolist() == [1, 2]
    for name, error in (("xpu", AssertionError), ("mtia", AssertionError), ("ipu", RuntimeError)):
        with pytest.raises(error):
            getattr(x, name)()
    with pytest.raises(RuntimeError, match=r"torch\.linalg\.eigh"):
        x.symeig()


def test_what_is_not_offered_names_the_alternative():
    x = torch.ones(2)
    for call, words in (
        (lambda: torch.quantize_per_tensor(x, 0.1, 0, None), "fake_quantize_per_tensor_affine"),
        (lambda: x.q_scale(), "fake_quantize_per_tensor_affine"),
        (lambda: torch.nested.nested_tensor([x]), "pad_sequence"),
        (lambda: x.to_padded_tensor(0.0), "pad_sequence"),
        (lambda: torch.batch_norm_stats(x, 1e-5), "CPU backend"),
        (lambda: torch.native_norm(x), "vector_norm"),
    ):
        with pytest.raises(NotImplementedError, match=words):
            call()


class Logged(torch.Tensor):
    """A subclass that keeps the names of the functions it was asked for."""

    seen: list = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.seen.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs or {})


def test_overrides_ask_and_can_be_switched_off():
    x = torch.ones(2).as_subclass(Logged)
    assert torch.overrides.has_torch_function([x])
    assert not torch.overrides.has_torch_function([torch.ones(2), torch.nn.Parameter(x[:0])][:1])
    assert torch.nn.functional.has_torch_function_unary(x)
    assert torch.overrides.is_tensor_like(x) and not torch.overrides.is_tensor_like(3)
    Logged.seen.clear()
    assert type(x + 1) is Logged and Logged.seen == ["add"]
    with torch.DisableTorchFunctionSubclass():
        assert type(x + 1) is torch.Tensor
    assert Logged.seen == ["add"]

    def double(t):
        if torch.overrides.has_torch_function((t,)):
            return torch.overrides.handle_torch_function(double, (t,), t)
        return t * 2

    assert double(x).tolist() == [2, 2] and "double" in Logged.seen
    assert torch.overrides.resolve_name(torch.add) == "torch.add"
    assert torch.add in torch.overrides.get_overridable_functions()[torch]
    assert torch.overrides.get_testing_overrides()[torch.add](1, 2) == -1
    assert not torch.overrides.get_ignored_functions() & set(
        torch.overrides.get_testing_overrides()
    )


def test_torch_functional_holds_the_functions_of_the_root():
    from rushlight import functional

    assert all(getattr(functional, name) is getattr(torch, name) for name in functional.__all__)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [(bool, "bool"), (int, "int64"), (float, "float64"), (complex, "complex128")],
)
def test_pythons_own_types_are_dtypes(kind, dtype):
    dtype = getattr(torch, dtype)
    x = torch.ones(2)
    assert x.to(kind).dtype is x.to("cpu", kind).dtype is x.to(dtype=kind).dtype is dtype
    y = torch.ones(2, dtype=dtype)
    assert y.to(kind) is y
    with pytest.raises(ValueError, match="invalid type"):
        x.type(kind)
    if kind in (float, complex):
        assert torch.nn.Linear(2, 2).to(kind).weight.dtype is dtype
        assert torch.nn.Linear(2, 2).to(dtype=kind).weight.dtype is dtype
        assert torch.finfo(kind).eps == 2.0**-52
    if kind is int:
        assert torch.iinfo(kind).bits == 64
