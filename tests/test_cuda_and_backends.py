"""What programs ask about devices and libraries, on a machine without a GPU."""

import pytest

import rushlight as torch

cuda = torch.cuda
backends = torch.backends


def test_there_is_no_gpu():
    assert cuda.is_available() is False and cuda.device_count() == 0
    assert not cuda.is_initialized() and not cuda.is_bf16_supported()
    assert cuda.get_arch_list() == [] and cuda.memory_allocated() == 0
    assert torch.device("cuda" if cuda.is_available() else "cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    "name",
    "init current_device synchronize current_stream default_stream get_device_name "
    "get_device_properties get_device_capability mem_get_info get_rng_state".split(),
)
def test_work_on_a_gpu_is_refused(name):
    with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
        getattr(cuda, name)()


def test_harmless_calls():
    cuda.empty_cache()
    cuda.manual_seed(3)
    cuda.manual_seed_all(3)
    cuda.seed()
    assert cuda.get_rng_state_all() == []
    with cuda.stream(None), cuda.device(-1), cuda.device_of(torch.ones(1)):
        assert torch.ones(1).item() == 1.0


def test_objects_on_a_gpu_are_refused():
    for kind in (cuda.Stream, cuda.Event, cuda.CUDAGraph):
        with pytest.raises(RuntimeError, match="CUDA"):
            kind()
    with pytest.raises(AssertionError):
        cuda.set_device(0)
    with pytest.raises(RuntimeError, match="without CUDA"), cuda.device(0):
        pass
    with pytest.raises(ValueError, match="Expected a cuda device"):
        cuda.set_device("cpu")
    assert issubclass(cuda.OutOfMemoryError, RuntimeError)


def test_tensors_do_not_move_to_a_missing_gpu():
    for attempt in (
        lambda: torch.ones(1, device="cuda"),
        lambda: torch.ones(1).to("cuda"),
        lambda: torch.ones(1).cuda(),
    ):
        with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
            attempt()


def test_libraries_answer():
    answers = {
        name: getattr(backends, name).is_available()
        for name in ("cudnn", "mkl", "mps", "openmp", "opt_einsum")
    }
    assert answers == {
        "cudnn": False,
        "mkl": False,
        "mps": False,
        "openmp": True,
        "opt_einsum": False,
    }
    assert isinstance(backends.mkldnn.is_available(), bool)
    assert not backends.cuda.is_built() and not backends.mps.is_built()
    assert backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2", "AVX512")


def test_settings_are_checked_and_restored():
    cudnn = backends.cudnn
    assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == (True, False, False)
    cudnn.benchmark = True
    assert cudnn.benchmark is True
    cudnn.benchmark = False
    with pytest.raises(RuntimeError, match="expects a bool, but got int"):
        cudnn.benchmark = 3
    with cudnn.flags(enabled=False, deterministic=True):
        assert not cudnn.enabled and cudnn.deterministic
    assert cudnn.enabled and not cudnn.deterministic
    with pytest.raises(TypeError, match="unknown setting"), cudnn.flags(nonsense=1):
        pass
    backends.cuda.enable_flash_sdp(False)
    assert not backends.cuda.flash_sdp_enabled()
    backends.cuda.enable_flash_sdp(True)


def test_version():
    assert torch.__version__.startswith("2.13.0") and torch.version.cuda is None
    assert tuple(map(int, torch.__version__.split("+")[0].split("."))) >= (2, 0, 0)


def test_the_old_choice_of_attention_lasts_for_its_block():
    cuda = backends.cuda
    with pytest.warns(FutureWarning, match="sdpa_kernel"), cuda.sdp_kernel(enable_flash=False):
        assert not cuda.flash_sdp_enabled() and cuda.math_sdp_enabled()
    assert cuda.flash_sdp_enabled() and not cuda.is_flash_attention_available()
    with pytest.warns(FutureWarning), cuda.sdp_kernel(enable_math=False):
        q = torch.ones(1, 2, 4)
        assert torch.nn.functional.scaled_dot_product_attention(q, q, q).tolist() == q.tolist()


def test_libraries_of_linear_algebra_on_gpus_are_absent():
    choose = backends.cuda.preferred_linalg_library
    assert repr(choose()) == repr(choose("default")) == "<_LinalgBackend.Default: 0>"
    with pytest.raises(RuntimeError, match="not been compiled with MAGMA"):
        choose("magma")
    with pytest.raises(RuntimeError, match="Choose from: default, cusolver, magma"):
        choose("other")
