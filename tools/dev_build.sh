#!/usr/bin/env bash
# Incremental build into the source tree: rushlight/_C*.so for this interpreter and ISA level.
# RL_PYTHON: the interpreter (default python3); RL_LEVELS: levels to compile (default 2).
set -eu
cd "$(dirname "$0")/.."
python=${RL_PYTHON:-python3}
launcher=$(command -v ccache || true)
levels=${RL_LEVELS:-2}
exec 9>/tmp/rushlight-dev-build.lock
flock 9
cmake -S . -B build/dev -G Ninja -DPython_EXECUTABLE="$(command -v "$python")" -DRL_LEVELS="$levels" \
  -DCMAKE_BUILD_TYPE=Release ${launcher:+-DCMAKE_CXX_COMPILER_LAUNCHER=$launcher} ${RL_CMAKE:-} >build/dev-configure.log 2>&1 || { mkdir -p build; cat build/dev-configure.log; exit 1; }
cmake --build build/dev -j2 -- ${RL_BUILD:-}
for built in build/dev/_C*.so; do  # renamed into place: running processes keep the old file
  cp "$built" "rushlight/.$(basename "$built")"
  mv "rushlight/.$(basename "$built")" "rushlight/$(basename "$built")"
done
library=$("$python" tools/find_onednn.py | cut -d';' -f2 || true)
[ -z "$library" ] || ln -sf "$library" rushlight/libdnnl.so.3
