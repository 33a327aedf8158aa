// from maximum and sum
// 0 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rowSums: array<vec2f>;
@group(0) @binding(2) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(3) var<storage, read_write> logSumExp: array<f32>;

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

const EMPTY = -3.2e38;
const HIDDEN = -3.4e38;
const CONTINUES = 1u;
const KEEPS_SUM = 2u;

fn extra(at: u32) -> f32 { return bitcast<f32>(schedule[at].x); }

fn lastKey(batch: u32) -> i32 {
  return clamp(schedule[params.keyLengths + batch].x, 1, i32(params.keyLength)) - 1;
}

fn standsAt(token: u32, batch: u32) -> i32 {
  let first = clamp(params.queryOffset, -i32(params.queryLength), i32(params.keyLength)); // so that no sum wraps
  return clamp(i32(token) + first, 0, lastKey(batch));
}

fn beyond(token: u32, batch: u32) -> f32 {
  let position = f32(params.queryOffset) + f32(token);
  return max(max(position - f32(lastKey(batch)), -position), 0.0);
}

fn sinkOf(head: u32, own: u32, batch: u32) -> vec2f {
  let perHead = params.queryLength / params.packedHeads;
  let query = head * params.packedHeads + own / perHead;
  let word = schedule[params.sinks + query].x;
  let logit = bitcast<f32>(word) * 0.0625;
  let higher = fma(extra(params.alibiSlopes + query) * 0.0625, beyond(own % perHead, batch), logit);
  return select(vec2f(higher, 1.0), vec2f(EMPTY, 0.0), bitcast<u32>(word) == 0xff800000u);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * 32768u + group.x) * 256u + lane;
  if (row >= arrayLength(&logSumExp)) { return; }
  let sums = rowSums[row]; // (maximum, sum)
  let head = row / params.queryLength % params.heads;
  let batch = row / params.queryLength / params.heads;
  let way = extra(params.alibiSlopes + head) * beyond(row % params.queryLength, batch);
  let sink = sinkOf(head, row % params.queryLength, batch);
  let ofSink = way != 0.0 && sink.y != 0.0 && sums.x - sink.x <= 1e-6 * abs(sink.x);
  // Infinity is not a constant of WGSL.
  logSumExp[row] = select(select(sums.x * 16.0 - way, bitcast<f32>(schedule[params.sinks + head].x), ofSink) + log(sums.y), bitcast<f32>(0xff800000u | (params.flags & 0u)), sums.y == 0.0);
}
