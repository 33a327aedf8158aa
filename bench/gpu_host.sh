#!/usr/bin/env bash
# Packs the benchmark for a bare x86-64 Linux machine with an NVIDIA GPU: no Node, no npm, no network needed there.
#
#   bash bench/gpu_host.sh          here, in the project's root, after npm ci; writes the ignored folder .gpu (about 35 MiB)
#   bash .gpu/host.sh               there, in a folder that holds the copied .gpu; see host.sh for what it runs and writes
#
# .gpu/loader/*.deb   the Vulkan loader, for hosts that have the driver but not the loader
# .gpu/node.tar.xz    this machine's node and npm's webgpu (Dawn)
# .gpu/app.tar.xz     the benchmarks as bundled files, flex_attention.py
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(uname -sm)" = 'Linux x86_64' ] || { echo 'Pack on x86-64 Linux: node and dawn.node travel as they are.' >&2; exit 1; }
out=.gpu
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$out/loader"

if ! ls "$out"/loader/libvulkan1_*.deb >/dev/null 2>&1; then
  lists=$stage/lists
  mkdir -p "$lists/partial"
  options=(-oAPT::Architecture=amd64 -oAPT::Architectures=amd64 -oDir::State::Lists="$lists")
  apt-get "${options[@]}" update -qq
  (cd "$out/loader" && apt-get "${options[@]}" download -qq libvulkan1 libegl1 libglvnd0 libopengl0 libgl1 libglx0 libgles2)
  rm -rf "$lists"
fi

# Slow to compress and always the same: kept between packings. Remove .gpu to renew it.
if [ ! -f "$out/node.tar.xz" ]; then
  node=$stage/node
  mkdir -p "$node/node_modules/webgpu/dist/linux-x64"
  cp "$(readlink -f "$(command -v node)")" "$node/node"
  strip "$node/node" 2>/dev/null || true
  cp node_modules/webgpu/{index.js,package.json} "$node/node_modules/webgpu/"
  cp node_modules/webgpu/dist/linux-x64/dawn.node "$node/node_modules/webgpu/dist/linux-x64/"
  tar -C "$node" -cf - . | xz -T0 -3 > "$stage/node.tar.xz"
  mv "$stage/node.tar.xz" "$out/"
fi

app=$stage/app
mkdir -p "$app"
cp bench/peers/flex_attention.py "$app/"
# --ignore-annotations: package.json calls node_webgpu.mjs free of side effects, which is what it is imported for.
node_modules/.bin/esbuild bench/run.ts bench/tiers_run.ts bench/training_run.ts bench/decode_run.ts bench/model_run.ts bench/bytes_run.ts bench/masks_run.ts bench/ops_run.ts bench/products_run.ts bench/scores_run.ts bench/planning.ts --bundle --platform=node --format=esm --external:webgpu \
  --ignore-annotations --outdir="$app/bench" --out-extension:.js=.mjs --log-level=warning \
  --banner:js="import {createRequire as requireFrom} from 'node:module'; const require = requireFrom(import.meta.url);"
tar -C "$app" -cf - . | xz -3 > "$out/app.tar.xz"
cp bench/host.sh "$out/host.sh"
du -sh "$out"
echo "Copy $out to the GPU host and run there: bash $out/host.sh"
