#!/usr/bin/env bash
# Runs everything that bench/gpu_host.sh packed, on the GPU host, in under nine minutes:
#   attention.{txt,jsonl}   this package, TensorFlow.js dense attention and the prototype, one process, one device, one clock
#   tiers.{txt,jsonl}       float32, subgroups, float16 and tensor cores of this package, one process, one device, one clock
#   training.{txt,jsonl}    gradients and training, this package and TensorFlow.js dense attention
#   decode.{txt,jsonl}      decoding from a key-value cache
#   bytes.{txt,jsonl}       the byte-level language model, sparse and dense
#   planning.{txt,jsonl}    planning in plain JavaScript
#   masks.{txt,jsonl}       masks that no named pattern says; only when asked for
#   model.{txt,jsonl}       a model as large as BERT base, as converted and swapped; only when asked for: the others take the nine minutes
#   ops.{txt,jsonl}         norms and activations beside the same in TensorFlow.js ops; only when asked for
#   products.{txt,jsonl}  products of blocks beside tf.matMul; only when asked for
#   scores.{txt,jsonl}     packed scores, their softmax and products beside TensorFlow.js dense ones; only when asked for
#   flex.jsonl              PyTorch FlexAttention and dense attention, if python3 here has torch and a GPU
# Usage: bash .gpu/host.sh [--only attention,tiers,training,decode,bytes,planning,flex,masks,model,ops,products,scores] [options of npm run bench and npm run bench:tiers]
# Writes to $OUT, or ./results. Options go to attention, tiers, masks, products and scores: what only one of them knows needs --only.
# The host is taken for a throw-away container: the Vulkan loader is unpacked into the system when it is missing.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
only=attention,tiers,training,decode,bytes,planning,flex
options=()
while [ $# -gt 0 ]; do
  case $1 in
    --only) only=${2:?--only needs a list}; shift 2 ;;
    --only=*) only=${1#--only=}; shift ;;
    *) options+=("$1"); shift ;;
  esac
done
for part in ${only//,/ }; do
  case $part in
    attention | tiers | training | decode | bytes | planning | flex | masks | model | ops | products | scores) ;;
    *) echo "--only: '$part' is none of attention, tiers, training, decode, bytes, planning, flex, masks, model, ops, products, scores." >&2; exit 2 ;;
  esac
done
runs() { [[ ,$only, == *,$1,* ]]; }
# Seconds until the end of the nine minutes; at most what is given.
left() { local rest=$((535 - SECONDS)); echo $((rest < $1 ? rest : $1)); }
# The share of a part, in seconds; alone it may have all.
share() { if [ "$only" = "$1" ]; then left 535; else left "$2"; fi; }

out=${OUT:-$PWD/results}
mkdir -p "$out"
out=$(cd "$out" && pwd)
: > "$out/errors.txt"

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

codes=()
# name, script, seconds at most, arguments; what it prints goes to name.txt, its records to name.jsonl
measure() {
  local name=$1 script=$2 seconds=$3
  shift 3
  timeout "$seconds" ./node "$script" "$@" --json "$out/$name.jsonl" 2>>"$out/errors.txt" | tee "$out/$name.txt"
  codes+=("$name: exit ${PIPESTATUS[0]}")
}
if runs attention; then measure attention bench/run.mjs "$(share attention 180)" --budget 150 "${options[@]}"; fi
if runs training; then measure training bench/training_run.mjs "$(share training 100)"; fi
if runs decode; then measure decode bench/decode_run.mjs "$(share decode 60)"; fi
if runs bytes; then measure bytes bench/bytes_run.mjs "$(share bytes 60)"; fi
if runs tiers; then measure tiers bench/tiers_run.mjs "$(share tiers 190)" --adversarial --budget 150 "${options[@]}"; fi
if runs masks; then measure masks bench/masks_run.mjs "$(share masks 300)" --budget 480 "${options[@]}"; fi
if runs model; then measure model bench/model_run.mjs "$(share model 240)"; fi
if runs ops; then measure ops bench/ops_run.mjs "$(share ops 120)"; fi
if runs products; then measure products bench/products_run.mjs "$(share products 240)" "${options[@]}"; fi
if runs scores; then measure scores bench/scores_run.mjs "$(share scores 240)" "${options[@]}"; fi
if [ -s "$out/errors.txt" ]; then tail -n 5 "$out/errors.txt"; fi
if runs planning; then measure planning bench/planning.mjs "$(share planning 40)"; fi
if runs flex; then
  if python3 -c 'import sys, torch, triton; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    # It checks its budget between rows, and a row of its own takes ten seconds at most. What tensor cores are compared with comes first.
    seconds=$(share flex 215)
    timeout "$seconds" python3 flex_attention.py --dtypes float16,float32 --budget $((seconds - 30)) 2>>"$out/errors.txt" | tee "$out/flex.jsonl" | cut -c1-160
  else
    echo 'No python3 with torch and a GPU here: FlexAttention left out.'
  fi
fi
failed=0
for code in "${codes[@]}"; do
  echo "$code"
  [[ $code == *'exit 0' ]] || failed=1
done
echo "$SECONDS s, results in $out"
exit $failed
