// joins the parts of long rows
// 0 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(2) var<storage, read_write> scratch: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4f>;

// Sums partial gradients. A merge owns 64 rows; an invocation owns one vec4 column of one of them.

const EMPTY = -3.2e38;
const HIDDEN = -3.4e38;
const CONTINUES = 1u;
const KEEPS_SUM = 2u;

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
  let item = params.first + 4u * (group.y / 4u);
  let rowsOf = schedule[item]; // (firstRow, rowStride)
  let owned = schedule[item + 1u]; // (rows, slotBegin)
  let slotEnd = schedule[item + 2u].x;
  let head = params.firstHead + group.x;
  let batch = params.firstBatch + group.z;
  let line = batch * params.heads + head;
  let shareLine = group.z * params.shareHeads + group.x;
  let queryLine = batch * params.heads * params.queryLength + head * params.queryStrides.x;
  let keyLine = batch * params.keyHeads * params.keyLength + head / params.groupSize * params.keyStrides.x;
  let own = (group.y % 4u) * 256u + lane;
  let x = own / 16u;
  let column = own % 16u;
  if (i32(x) >= owned.x) { return; }
  let at = queryLine + u32(rowsOf.x + rowsOf.y * i32(x)) * params.queryStrides.y;
  let continues = (params.flags & CONTINUES) != 0u;
  var sum = vec4f();
  {
    for (var slot = owned.y; slot < slotEnd; slot += 4) {
      // Four at a time, as merges read them; added one after another.
      let part0 = scratch[params.slotBase + ((shareLine * params.slots + u32(min(slot + 0, slotEnd - 1))) * 64u + x) * 16u + column];
      let part1 = scratch[params.slotBase + ((shareLine * params.slots + u32(min(slot + 1, slotEnd - 1))) * 64u + x) * 16u + column];
      let part2 = scratch[params.slotBase + ((shareLine * params.slots + u32(min(slot + 2, slotEnd - 1))) * 64u + x) * 16u + column];
      let part3 = scratch[params.slotBase + ((shareLine * params.slots + u32(min(slot + 3, slotEnd - 1))) * 64u + x) * 16u + column];
      sum += select(vec4f(), part0, slot + 0 < slotEnd);
      sum += select(vec4f(), part1, slot + 1 < slotEnd);
      sum += select(vec4f(), part2, slot + 2 < slotEnd);
      sum += select(vec4f(), part3, slot + 3 < slotEnd);
    }
  }

  if (column >= 0u && column < 16u) {
    if (continues) { sum += output[at * 16u + column]; }
    output[at * 16u + column] = sum;
  }
}
