// what a backward pass needs of each row
// 1024 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> output: array<vec4f>;
@group(0) @binding(2) var<storage, read> dOutput: array<vec4f>;
@group(0) @binding(3) var<storage, read> rowSums: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> scratch: array<vec4f>;

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

var<workgroup> parts: array<f32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let rows = params.slotBase; // of the share
  let own = (group.y * 32768u + group.x) * 32u + lane / 8u;
  let row = min(own, rows - 1u);
  let shareLine = row / params.queryLength;
  let batch = params.firstBatch + shareLine / params.shareHeads;
  let head = params.firstHead + shareLine % params.shareHeads;
  let query = row % params.queryLength;
  let at = batch * params.heads * params.queryLength + head * params.queryStrides.x + query * params.queryStrides.y;
  var sum = 0.0;
  for (var column = lane % 8u; column < 4u; column += 8u) {
    sum += dot(output[at * 4u + column], dOutput[at * 4u + column]);
  }
  // parts of a row
  parts[lane] = sum;
  // whole rows
  workgroupBarrier();
  if (lane % 8u != 0u || own >= rows) { return; }
  var whole = 0.0;
  for (var i = 0u; i < 8u; i++) { whole += parts[lane + i]; }
  let place = (batch * params.heads + head) * params.queryLength + query;
  let sums = rowSums[place]; // (maximum in log2, sum)
  // A row without keys keeps zeros, also where a gradient of its log-sum-exp, minus infinity, is not finite.
  let attends = sums.y != 0.0;
  scratch[row] = select(vec4f(), vec4f(sums.x, 1.0 / sums.y, whole, 0.0), attends);
}
