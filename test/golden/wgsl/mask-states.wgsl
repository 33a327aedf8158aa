// what tiles of a mask tensor hold
// 0 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> schedule: array<vec2i>;

// bits [planes, rows, ⌈keyLength / 64⌉] → states [planes, ⌈rows / 64⌉, ⌈keyLength / 64⌉]. An invocation writes one pair, for two tiles of 32 keys.

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

const NONE = 0;
const SOME = 1;
const ALL = 2;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * 32768u + group.x) * 64u + lane;
  let perRow = (params.keyLength + 63u) / 64u;
  let maskRows = select(1u, params.queryLength, params.maskStrides.z != 0u);
  let tiles = (maskRows + 63u) / 64u;
  let plane = index / (perRow * tiles);
  if (plane >= params.pairs / (perRow * maskRows)) { return; }
  let first = (index / perRow) % tiles * 64u;
  var any = vec2i();
  var all = vec2i(-1);
  for (var row = first; row < min(maskRows, first + 64u); row++) {
    let bits = schedule[params.maskBits + (plane * maskRows + row) * perRow + index % perRow];
    any |= bits;
    all &= bits;
  }
  schedule[params.maskBits + params.pairs + index] = select(select(vec2i(SOME), vec2i(ALL), all == vec2i(-1)), vec2i(NONE), any == vec2i());
}
