// the small tensors of a call, behind the schedule
// 0 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> alibiSlopes: array<i32>;
@group(0) @binding(2) var<storage, read> relativeBias: array<i32>;
@group(0) @binding(3) var<storage, read> querySegments: array<i32>;
@group(0) @binding(4) var<storage, read> keySegments: array<i32>;
@group(0) @binding(5) var<storage, read> keyLengths: array<i32>;
@group(0) @binding(6) var<storage, read> sinks: array<i32>;
@group(0) @binding(7) var<storage, read_write> schedule: array<vec2i>;

// Words of small tensors into the schedule, a pair each.

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
  // Of the terms of scores: their numbers, and the pair offsets of their tensors behind the schedule.
  biasStrides: vec4u, softcap: f32, relativeStride: u32, seed: u32, dropped: u32, keptScale: f32, alibiSlopes: u32, relativeBias: u32, querySegments: u32, keySegments: u32, keyLengths: u32, sinks: u32,
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = group.x * 64u + lane;

  if (index < arrayLength(&alibiSlopes)) { schedule[params.alibiSlopes + index] = vec2i(alibiSlopes[index], 0); }
  if (index < arrayLength(&relativeBias)) { schedule[params.relativeBias + index] = vec2i(relativeBias[index], 0); }
  if (index < arrayLength(&querySegments)) { schedule[params.querySegments + index] = vec2i(querySegments[index], 0); }
  if (index < arrayLength(&keySegments)) { schedule[params.keySegments + index] = vec2i(keySegments[index], 0); }
  if (index < arrayLength(&keyLengths)) { schedule[params.keyLengths + index] = vec2i(keyLengths[index], 0); }
  if (index < arrayLength(&sinks)) { schedule[params.sinks + index] = vec2i(sinks[index], 0); }
}
