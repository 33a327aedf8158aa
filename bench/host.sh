#!/usr/bin/env bash
# Runs everything that bench/gpu_host.sh packed, on the GPU host, in under nine minutes:
#   attention.{txt,jsonl}   this package, TensorFlow.js dense attention and the prototype, one process, one device, one clock
#   planning.{txt,jsonl}    planning in plain JavaScript
#   flex.jsonl              PyTorch FlexAttention and dense attention, if python3 here has torch and a GPU
# Usage: bash .gpu/host.sh [options of npm run bench]      writes to $OUT, or ./results
# The host is taken for a throw-away container: the Vulkan loader is unpacked into the system when it is missing.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${OUT:-$PWD/results}
mkdir -p "$out"
out=$(cd "$out" && pwd)

if ! ldconfig -p | grep -q libvulkan.so.1; then
  for deb in "$here"/loader/*.deb; do dpkg -x "$deb" /; done
  ldconfig
fi
if [ -z "${VK_DRIVER_FILES:-}" ]; then
  for driver in {/usr/share,/etc,/usr/local/nvidia/share}/vulkan/icd.d/nvidia_icd.json; do
    if [ -f "$driver" ]; then export VK_DRIVER_FILES=$driver; fi
  done
fi
export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/tmp}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -C "$work" -xJf "$here/node.tar.xz"
tar -C "$work" -xJf "$here/app.tar.xz"
cd "$work"

timeout 230 ./node bench/run.mjs --budget 200 "$@" --json "$out/attention.jsonl" 2>"$out/errors.txt" | tee "$out/attention.txt"
attention=${PIPESTATUS[0]}
tail -n 5 "$out/errors.txt"
timeout 60 ./node bench/planning.mjs --json "$out/planning.jsonl" 2>>"$out/errors.txt" | tee "$out/planning.txt"
planning=${PIPESTATUS[0]}
if python3 -c 'import sys, torch, triton; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
  timeout 215 python3 flex_attention.py --budget 170 2>>"$out/errors.txt" | tee "$out/flex.jsonl" | cut -c1-160
else
  echo 'No python3 with torch and a GPU here: FlexAttention left out.'
fi
echo "attention: exit $attention, planning: exit $planning, results in $out"
exit $((attention | planning))
