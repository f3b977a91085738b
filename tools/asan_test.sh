#!/usr/bin/env bash
# The operator and autograd tests with every memory access checked (AddressSanitizer, UBSan).
# RL_PYTHON: an interpreter with rushlight's test requirements. Arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
python=${RL_PYTHON:-python3}
compiler=${CXX:-g++}
launcher=$(command -v ccache || true)
level=${RL_LEVELS:-1}
cmake -S . -B build-asan -G Ninja -DPython_EXECUTABLE="$(command -v "$python")" \
  -DRL_SANITIZE=ON -DRL_LEVELS="$level" -DCMAKE_BUILD_TYPE=Debug \
  ${launcher:+-DCMAKE_CXX_COMPILER_LAUNCHER=$launcher}
cmake --build build-asan -j"${RL_JOBS:-$(nproc)}"

# A copy of the package with the sanitized extension in it.
rm -rf build-asan/package
mkdir build-asan/package
cp -r rushlight build-asan/package/
rm -f build-asan/package/rushlight/_C*.so
cp build-asan/_C*.so build-asan/package/rushlight/
library=$("$python" tools/find_onednn.py | cut -d';' -f2 || true)
[ -z "$library" ] || ln -sf "$library" build-asan/package/rushlight/libdnnl.so.3

# Python itself leaks by design, and its allocator hides overruns of small objects. UBSan's own
# library comes after ASan's; both must be there before the interpreter loads anything.
export LD_PRELOAD="$($compiler -print-file-name=libasan.so) $($compiler -print-file-name=libubsan.so)"
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:detect_stack_use_after_return=0
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export PYTHONMALLOC=malloc OMP_NUM_THREADS=2 PYTHONPATH="$PWD/build-asan/package"
cd build-asan
if [ $# -eq 0 ]; then
  set -- ../tests/test_ops.py ../tests/test_autograd.py ../tests/test_random.py
fi
exec "$python" -m pytest -q -x -p no:cacheprovider "$@"
