#!/usr/bin/env bash
# Install from a folder of wheels with the network off and no compiler, and run a study there.
#
#   packaging/try_offline.sh [FOLDER]     # with what build_wheels.sh left in it (dist/ by default)
#
# The wheels of everything it needs are collected first, which takes the network; from then on
# `unshare -n` takes it away (root may do that; where it is refused, the run says so and goes on).
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
dist="$(cd "${1:-$root/dist}" && pwd)"
python="$(command -v "${PYTHON:-python3}")"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"$python" -m pip wheel -q --prefer-binary --find-links "$dist" --wheel-dir "$work/wheels" \
    "pgs-trd[all] @ file://$(ls "$dist"/pgs_trd-*manylinux*.whl)"
echo "wheels: $(ls "$work/wheels" | wc -l), $(du -sm "$work/wheels" | cut -f1) MB"

isolate=(unshare -n)
"${isolate[@]}" true 2>/dev/null || { echo "unshare -n is refused here: the network stays on"; isolate=(); }

# A PATH of a shell and the usual small tools: no gcc, cc or cmake.
mkdir "$work/bin"
# Snakemake's plugin for Slurm calls `which`, whatever the profile.
for tool in bash sh env cat ls mkdir rm cp uname id which; do
    ln -s "$(command -v "$tool")" "$work/bin/$tool" 2>/dev/null || true
done

"${isolate[@]}" env -i HOME="$work" LANG=C.UTF-8 PATH="$work/bin" \
    "$(command -v bash)" -euo pipefail -s -- "$work" "$python" <<'OFFLINE'
work=$1 python=$2
for compiler in gcc cc clang cmake; do
    ! command -v "$compiler" || { echo "$compiler is on the PATH of the trial" >&2; exit 1; }
done
"$python" -m venv "$work/venv"
PATH="$work/venv/bin:$PATH"
cd "$work"
python -m pip install -q --no-index --find-links "$work/wheels" 'pgs-trd[all]'
python - <<'CHECK'
import socket
import pgs_trd
from pgs_trd.study.workflow import workflow_folder
print("network interfaces:", ", ".join(name for _, name in socket.if_nameindex()))
assert "site-packages" in pgs_trd.__file__, pgs_trd.__file__
print("workflow:", workflow_folder().relative_to(pgs_trd.__path__[0]).as_posix() + "/Snakefile")
CHECK
pgs-trd --version
pgs-trd demo --people 500 --out demo
pgs-trd score demo/biobank/genotypes --weights demo/biobank/weights/SIM000001.txt.gz --out one.tsv
pgs-trd workflow doctor
pgs-trd workflow run demo/study.yaml --profile local --dry-run --quiet all
echo "installed and run without compiler and network"
OFFLINE
