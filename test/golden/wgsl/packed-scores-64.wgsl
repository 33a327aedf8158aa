// scores of packed rows
// 4608 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<vec4f>;
@group(0) @binding(2) var<storage, read> key: array<vec4f>;
@group(0) @binding(3) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(4) var<storage, read_write> output: array<u32>;

// Scores of packed rows of queries and keys of 64; 8 invocations have a row, 8 keys a trip.

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

var<workgroup> parts: array<f32, 1152>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = params.first + (group.y * 32768u + group.x) * 1u + 0u;
  if (index >= params.bits) { return; }
  let line = index / params.numbers;
  let block = index % params.numbers;
  let header = 0u;
  let lists = schedule[header];
  let counts = schedule[header + 1u];
  let batch = line / params.heads;
  let head = line % params.heads;
  let tx = lane % 8u;
  let ty = lane / 8u;
  let item = block * 8u + ty;
  let count = u32(counts.x);
  let span0 = schedule[u32(lists.x) + min(block * 8u + 0u, count - 1u)];
  let span1 = schedule[u32(lists.x) + min(block * 8u + 1u, count - 1u)];
  let span2 = schedule[u32(lists.x) + min(block * 8u + 2u, count - 1u)];
  let span3 = schedule[u32(lists.x) + min(block * 8u + 3u, count - 1u)];
  let span4 = schedule[u32(lists.x) + min(block * 8u + 4u, count - 1u)];
  let span5 = schedule[u32(lists.x) + min(block * 8u + 5u, count - 1u)];
  let span6 = schedule[u32(lists.x) + min(block * 8u + 6u, count - 1u)];
  let span7 = schedule[u32(lists.x) + min(block * 8u + 7u, count - 1u)];
  let longest = u32(max(max(max(span0.y - span0.x, span1.y - span1.x), max(span2.y - span2.x, span3.y - span3.x)), max(max(span4.y - span4.x, span5.y - span5.x), max(span6.y - span6.x, span7.y - span7.x))));
  let span = schedule[u32(lists.x) + min(item, count - 1u)];
  let size = select(0u, u32(span.y - span.x), item < count);
  let begin = select(0u, u32(span.x), span.y > span.x);
  let last = max(u32(span.y - span.x), 1u) - 1u;
  let row = min(item, count - 1u);
  let queryRow = (batch * params.queryStrides.z + head * params.queryStrides.x + row * params.queryStrides.y + params.queryStrides.w) * 16u;
  let q0 = query[queryRow + tx];
  let q1 = query[queryRow + (tx + 8u)];
  let keyLine = batch * params.keyStrides.z + head / params.groupSize * params.keyStrides.x + params.keyStrides.w;
  for (var y = 0u; y < longest; y += 16u) {
    {
      let y0 = y;
      // parts of products
      let at0 = begin + min(y0 + 0u, last);
      let two0 = schedule[u32(lists.y) + (at0 >> 1u)];
      let number0 = u32(select(two0.x, two0.y, (at0 & 1u) == 1u));
      let row0 = (keyLine + number0 * params.keyStrides.y) * 16u;
      let k0_0 = key[row0 + tx];
      let k0_1 = key[row0 + (tx + 8u)];
      let at1 = begin + min(y0 + 1u, last);
      let two1 = schedule[u32(lists.y) + (at1 >> 1u)];
      let number1 = u32(select(two1.x, two1.y, (at1 & 1u) == 1u));
      let row1 = (keyLine + number1 * params.keyStrides.y) * 16u;
      let k1_0 = key[row1 + tx];
      let k1_1 = key[row1 + (tx + 8u)];
      let at2 = begin + min(y0 + 2u, last);
      let two2 = schedule[u32(lists.y) + (at2 >> 1u)];
      let number2 = u32(select(two2.x, two2.y, (at2 & 1u) == 1u));
      let row2 = (keyLine + number2 * params.keyStrides.y) * 16u;
      let k2_0 = key[row2 + tx];
      let k2_1 = key[row2 + (tx + 8u)];
      let at3 = begin + min(y0 + 3u, last);
      let two3 = schedule[u32(lists.y) + (at3 >> 1u)];
      let number3 = u32(select(two3.x, two3.y, (at3 & 1u) == 1u));
      let row3 = (keyLine + number3 * params.keyStrides.y) * 16u;
      let k3_0 = key[row3 + tx];
      let k3_1 = key[row3 + (tx + 8u)];
      let at4 = begin + min(y0 + 4u, last);
      let two4 = schedule[u32(lists.y) + (at4 >> 1u)];
      let number4 = u32(select(two4.x, two4.y, (at4 & 1u) == 1u));
      let row4 = (keyLine + number4 * params.keyStrides.y) * 16u;
      let k4_0 = key[row4 + tx];
      let k4_1 = key[row4 + (tx + 8u)];
      let at5 = begin + min(y0 + 5u, last);
      let two5 = schedule[u32(lists.y) + (at5 >> 1u)];
      let number5 = u32(select(two5.x, two5.y, (at5 & 1u) == 1u));
      let row5 = (keyLine + number5 * params.keyStrides.y) * 16u;
      let k5_0 = key[row5 + tx];
      let k5_1 = key[row5 + (tx + 8u)];
      let at6 = begin + min(y0 + 6u, last);
      let two6 = schedule[u32(lists.y) + (at6 >> 1u)];
      let number6 = u32(select(two6.x, two6.y, (at6 & 1u) == 1u));
      let row6 = (keyLine + number6 * params.keyStrides.y) * 16u;
      let k6_0 = key[row6 + tx];
      let k6_1 = key[row6 + (tx + 8u)];
      let at7 = begin + min(y0 + 7u, last);
      let two7 = schedule[u32(lists.y) + (at7 >> 1u)];
      let number7 = u32(select(two7.x, two7.y, (at7 & 1u) == 1u));
      let row7 = (keyLine + number7 * params.keyStrides.y) * 16u;
      let k7_0 = key[row7 + tx];
      let k7_1 = key[row7 + (tx + 8u)];
      parts[0u + ty * 72u + tx] = (dot(q0, k0_0) + dot(q1, k0_1));
      parts[9u + ty * 72u + tx] = (dot(q0, k1_0) + dot(q1, k1_1));
      parts[18u + ty * 72u + tx] = (dot(q0, k2_0) + dot(q1, k2_1));
      parts[27u + ty * 72u + tx] = (dot(q0, k3_0) + dot(q1, k3_1));
      parts[36u + ty * 72u + tx] = (dot(q0, k4_0) + dot(q1, k4_1));
      parts[45u + ty * 72u + tx] = (dot(q0, k5_0) + dot(q1, k5_1));
      parts[54u + ty * 72u + tx] = (dot(q0, k6_0) + dot(q1, k6_1));
      parts[63u + ty * 72u + tx] = (dot(q0, k7_0) + dot(q1, k7_1));
      // a score of each lane
      workgroupBarrier();
      if (y0 + tx < size) {
        let mine = 0u + ty * 72u + tx * 9u;
        var s = (((parts[mine] + parts[mine + 1u]) + (parts[mine + 2u] + parts[mine + 3u])) + ((parts[mine + 4u] + parts[mine + 5u]) + (parts[mine + 6u] + parts[mine + 7u])));
        let atOwn = begin + y0 + tx;
        let twoOwn = schedule[u32(lists.y) + (atOwn >> 1u)];
        let numberOwn = u32(select(twoOwn.x, twoOwn.y, (atOwn & 1u) == 1u));
        s *= params.scale;
        output[line * params.pairs + atOwn] = bitcast<u32>(s);
      }
    }
    if (y + 8u < longest) {
      let y0 = y + 8u;
      // parts of products
      let at0 = begin + min(y0 + 0u, last);
      let two0 = schedule[u32(lists.y) + (at0 >> 1u)];
      let number0 = u32(select(two0.x, two0.y, (at0 & 1u) == 1u));
      let row0 = (keyLine + number0 * params.keyStrides.y) * 16u;
      let k0_0 = key[row0 + tx];
      let k0_1 = key[row0 + (tx + 8u)];
      let at1 = begin + min(y0 + 1u, last);
      let two1 = schedule[u32(lists.y) + (at1 >> 1u)];
      let number1 = u32(select(two1.x, two1.y, (at1 & 1u) == 1u));
      let row1 = (keyLine + number1 * params.keyStrides.y) * 16u;
      let k1_0 = key[row1 + tx];
      let k1_1 = key[row1 + (tx + 8u)];
      let at2 = begin + min(y0 + 2u, last);
      let two2 = schedule[u32(lists.y) + (at2 >> 1u)];
      let number2 = u32(select(two2.x, two2.y, (at2 & 1u) == 1u));
      let row2 = (keyLine + number2 * params.keyStrides.y) * 16u;
      let k2_0 = key[row2 + tx];
      let k2_1 = key[row2 + (tx + 8u)];
      let at3 = begin + min(y0 + 3u, last);
      let two3 = schedule[u32(lists.y) + (at3 >> 1u)];
      let number3 = u32(select(two3.x, two3.y, (at3 & 1u) == 1u));
      let row3 = (keyLine + number3 * params.keyStrides.y) * 16u;
      let k3_0 = key[row3 + tx];
      let k3_1 = key[row3 + (tx + 8u)];
      let at4 = begin + min(y0 + 4u, last);
      let two4 = schedule[u32(lists.y) + (at4 >> 1u)];
      let number4 = u32(select(two4.x, two4.y, (at4 & 1u) == 1u));
      let row4 = (keyLine + number4 * params.keyStrides.y) * 16u;
      let k4_0 = key[row4 + tx];
      let k4_1 = key[row4 + (tx + 8u)];
      let at5 = begin + min(y0 + 5u, last);
      let two5 = schedule[u32(lists.y) + (at5 >> 1u)];
      let number5 = u32(select(two5.x, two5.y, (at5 & 1u) == 1u));
      let row5 = (keyLine + number5 * params.keyStrides.y) * 16u;
      let k5_0 = key[row5 + tx];
      let k5_1 = key[row5 + (tx + 8u)];
      let at6 = begin + min(y0 + 6u, last);
      let two6 = schedule[u32(lists.y) + (at6 >> 1u)];
      let number6 = u32(select(two6.x, two6.y, (at6 & 1u) == 1u));
      let row6 = (keyLine + number6 * params.keyStrides.y) * 16u;
      let k6_0 = key[row6 + tx];
      let k6_1 = key[row6 + (tx + 8u)];
      let at7 = begin + min(y0 + 7u, last);
      let two7 = schedule[u32(lists.y) + (at7 >> 1u)];
      let number7 = u32(select(two7.x, two7.y, (at7 & 1u) == 1u));
      let row7 = (keyLine + number7 * params.keyStrides.y) * 16u;
      let k7_0 = key[row7 + tx];
      let k7_1 = key[row7 + (tx + 8u)];
      parts[576u + ty * 72u + tx] = (dot(q0, k0_0) + dot(q1, k0_1));
      parts[585u + ty * 72u + tx] = (dot(q0, k1_0) + dot(q1, k1_1));
      parts[594u + ty * 72u + tx] = (dot(q0, k2_0) + dot(q1, k2_1));
      parts[603u + ty * 72u + tx] = (dot(q0, k3_0) + dot(q1, k3_1));
      parts[612u + ty * 72u + tx] = (dot(q0, k4_0) + dot(q1, k4_1));
      parts[621u + ty * 72u + tx] = (dot(q0, k5_0) + dot(q1, k5_1));
      parts[630u + ty * 72u + tx] = (dot(q0, k6_0) + dot(q1, k6_1));
      parts[639u + ty * 72u + tx] = (dot(q0, k7_0) + dot(q1, k7_1));
      // a score of each lane
      workgroupBarrier();
      if (y0 + tx < size) {
        let mine = 576u + ty * 72u + tx * 9u;
        var s = (((parts[mine] + parts[mine + 1u]) + (parts[mine + 2u] + parts[mine + 3u])) + ((parts[mine + 4u] + parts[mine + 5u]) + (parts[mine + 6u] + parts[mine + 7u])));
        let atOwn = begin + y0 + tx;
        let twoOwn = schedule[u32(lists.y) + (atOwn >> 1u)];
        let numberOwn = u32(select(twoOwn.x, twoOwn.y, (atOwn & 1u) == 1u));
        s *= params.scale;
        output[line * params.pairs + atOwn] = bitcast<u32>(s);
      }
    }
  }
}
