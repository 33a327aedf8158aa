// query, key and value to halves
// 0 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<vec4f>;
@group(0) @binding(2) var<storage, read> key: array<vec4f>;
@group(0) @binding(3) var<storage, read> value: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> queryHalves: array<vec4u>;
@group(0) @binding(5) var<storage, read_write> keyHalves: array<vec4u>;
@group(0) @binding(6) var<storage, read_write> valueHalves: array<vec4u>;

// query, key and value as halves, rows padded to 64, 64 and 64. An invocation converts eight.

struct Params {
  queryLength: u32, keyLength: u32, heads: u32, flags: u32,
  // Pair offsets into the schedule: the first item (or merge) of this pass, the first span, the first interval, the first mask bits.
  first: u32, spans: u32, intervals: u32, maskBits: u32,
  scale: f32,       // of products: to scores in their unit, or to multiples of the softcap
  slotBase: u32,    // vec4 offset of the first slot in scratch
  slots: u32,       // per head and batch
  flagBase: u32,    // vec4 offset of the flags in scratch
  maskStrides: vec4u, // (batch, head, query, 64 keys): pairs of mask bits, 0 broadcasts
  keyHeads: u32,
  groupSize: u32,     // query heads of a key head
  packedHeads: u32,   // query heads whose rows follow one another in a line
  queryOffset: i32,   // position of query 0 among the keys
  // In rows of a tensor: (head, row, sequence, where the first begins). Values lie as keys do, so many rows behind them.
  queryStrides: vec4u, keyStrides: vec4u,
  outputStrides: vec2u, // (head, row)
  valuesBehind: u32,
  pairs: u32,          // of mask bits
  batch: u32,
  // Of a backward pass: where the share begins that a dispatch covers, and its heads.
  firstBatch: u32, firstHead: u32, shareHeads: u32,
  sideScale: f32,     // of queries and of keys, where the scale is far from 1
  gradientScale: f32, // of sums of keys or queries, each times the gradient of its score
  valueScale: f32,    // of values, a power of two, so that no sum of them is past float32
  // Pair offsets into the schedule: what a cache holds, the first list of rows or keys, the first bits.
  held: u32, numbers: u32, bits: u32,
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * 32768u + group.x) * 256u + lane;
  switch group.z {
    case 0u: {
      if (index >= arrayLength(&queryHalves)) { return; }
      let row = index / 8u;
      let column = index % 8u;
      let base = (params.queryStrides.w + row / params.heads * params.queryStrides.y + row % params.heads) * 16u;
      queryHalves[index + 0u] = vec4u(packed(query[base + (2u * column + 0u)]), packed(query[base + (2u * column + 1u)]));
    }
    case 1u: {
      if (index >= arrayLength(&keyHalves)) { return; }
      let row = index / 8u;
      let column = index % 8u;
      let base = (params.keyStrides.w + row / params.keyHeads * params.keyStrides.y + row % params.keyHeads) * 16u;
      keyHalves[index + 0u] = vec4u(packed(key[base + (2u * column + 0u)]), packed(key[base + (2u * column + 1u)]));
    }
    case 2u: {
      if (index >= arrayLength(&valueHalves)) { return; }
      let row = index / 8u;
      let column = index % 8u;
      let base = (params.keyStrides.w + params.valuesBehind + row / params.keyHeads * params.keyStrides.y + row % params.keyHeads) * 16u;
      valueHalves[index + 0u] = vec4u(packed(value[base + (2u * column + 0u)]), packed(value[base + (2u * column + 1u)]));
    }
    default: {}
  }
}

// Finite floats past the largest half become it: what a conversion makes of them is left open by WGSL. Infinity and NaN stay as they are.
fn packed(four: vec4f) -> vec2u {
  let large = (abs(four) > vec4f(65504.0)) & (abs(four) <= vec4f(3.4028234e38));
  let safe = select(four, sign(four) * 65504.0, large);
  return vec2u(pack2x16float(safe.xy), pack2x16float(safe.zw));
}
