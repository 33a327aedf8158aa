// from maximum and sum
// 0 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rowSums: array<vec2f>;
@group(0) @binding(2) var<storage, read_write> logSumExp: array<f32>;

struct Params {
  queryLength: u32, keyLength: u32, heads: u32, flags: u32,
  // Pair offsets into the schedule: the first item (or merge) of this pass, the first span, the first interval, the first mask bits.
  first: u32, spans: u32, intervals: u32, maskBits: u32,
  scale: f32,       // of products: to scores in their unit, or to multiples of the softcap
  slotBase: u32,    // vec4 offset of the first slot in scratch
  slots: u32,       // per head and batch
  flagBase: u32,    // vec4 offset of the flags in scratch
  biasStrides: vec4u, // (batch, head, query, key), elements; 0 broadcasts
  maskStrides: vec4u, // (batch, head, query, 64 keys): pairs of mask bits, 0 broadcasts
  keyHeads: u32,
  groupSize: u32,     // query heads of a key head
  packedHeads: u32,   // query heads whose rows follow one another in a line
  queryOffset: i32,   // position of query 0 among the keys
  queryStrides: vec2u, keyStrides: vec2u, // (head, row) in rows of a tensor
  softcap: f32,       // in the unit of scores
  seed: u32,          // mixed
  dropped: u32,       // a pair is kept from this hash on
  keptScale: f32,     // 1 / (1 - rate of dropout)
  // Pair offsets into the schedule of what a call adds: one word a pair.
  keyLengths: u32, querySegments: u32, keySegments: u32, alibiSlopes: u32,
  sinks: u32, relativeBias: u32,
  relativeStride: u32, // of a head; 0 broadcasts
  pairs: u32,          // of mask bits
  batch: u32,
  // Of a backward pass: where the share begins that a dispatch covers, and its heads.
  firstBatch: u32, firstHead: u32, shareHeads: u32,
  sideScale: f32,     // of queries and of keys, where the scale is far from 1
  gradientScale: f32, // of sums of keys or queries, each times the gradient of its score
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * 32768u + group.x) * 256u + lane;
  if (row >= arrayLength(&logSumExp)) { return; }
  let sums = rowSums[row]; // (maximum, sum)

  // Infinity is not a constant of WGSL.
  logSumExp[row] = select(sums.x * 16.0 + log(sums.y), bitcast<f32>(0xff800000u | (params.flags & 0u)), sums.y == 0.0);
}
