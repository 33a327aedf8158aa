// row by row, with subgroup shuffles
// 0 bytes of workgroup memory
enable subgroups;
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<vec4f>;
@group(0) @binding(2) var<storage, read> key: array<vec4f>;
@group(0) @binding(3) var<storage, read> value: array<vec4f>;
@group(0) @binding(4) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(5) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> scratch: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> rowSums: array<vec2f>;

// Sparse attention, float32. A workgroup owns ROWS queries of one head, each with keys of its own, of which it takes KEYS a trip.
// query [batch, heads, queryLength, 64]  key [batch, keyHeads, keyLength, 64]
// value [batch, keyHeads, keyLength, 64]  output [batch, heads, queryLength, 64]; or lengths before heads.
// Invocation (tx, ty) owns columns tx + TX·n (vec4) of row ty: of the query and of each key, and of the output.
const ROWS = 8u;
const KEYS = 4;
const TX = 8u;
const TY = 8u;

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

// Number `index` of the list that begins at a pair.
fn numberAt(list: i32, index: i32) -> i32 {
  let two = schedule[params.numbers + u32(list) + u32(index) / 2u];
  return select(two.x, two.y, (index & 1) != 0);
}

const ITEMS_FIRST = 4u;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = select(workgroup, workgroup.yxz, (params.flags & ITEMS_FIRST) != 0u);
  let tx = lane % TX;
  let ty = lane / TX;
  let item = params.first + 4u * group.y;
  let rowsOf = schedule[item]; // (firstRow, rowStride)
  let owned = schedule[item + 1u]; // (rows, slot)
  let spanRange = schedule[item + 2u]; // (spanBegin, spanEnd)
  let head = group.x;
  let batch = group.z;
  let line = batch * params.heads + head;
  let queryLine = params.queryStrides.w + batch * params.queryStrides.z + head * params.queryStrides.x;
  let keyLine = params.keyStrides.w + batch * params.keyStrides.z + head / params.groupSize * params.keyStrides.x;
  let valueLine = keyLine + params.valuesBehind;
  let outputLine = batch * params.heads * params.queryLength + head * params.outputStrides.x;
  let x0 = ty + 0u;
  let row0 = u32(rowsOf.x + rowsOf.y * min(i32(x0), owned.x - 1));
  let query0 = (queryLine + row0 * params.queryStrides.y) * 16u;
  var m0 = EMPTY; var l0 = 0.0; var o0_0 = vec4f(); var o0_1 = vec4f();
  if ((params.flags & CONTINUES) != 0u && owned.y < 0) {
    {
      let own = u32(rowsOf.x + rowsOf.y * min(i32(x0), owned.x - 1));
      let q = line * params.queryLength + own;
      let to = (outputLine + own * params.outputStrides.y) * 16u;
      let had = rowSums[q]; // (maximum, sum)
      m0 = had.x;
      l0 = had.y;
      o0_0 = (had.y * params.valueScale) * output[to + (tx + 0u)];
      o0_1 = (had.y * params.valueScale) * output[to + (tx + 8u)];
    }
  }
  // own columns of queries
  let query0_0_0 = query[query0 + tx];
  let q0_0_0 = query0_0_0;
  let query0_1_0 = query[query0 + (tx + 8u)];
  let q0_1_0 = query0_1_0;
  let span = params.spans + 4u * u32(spanRange.x + min(i32(ty), owned.x - 1));
  let keysOf = schedule[span]; // (firstKey, keyStride)
  let y = schedule[span + 1u]; // (begin, end)
  let has = y.x < y.y; // any key
  let trips = schedule[item + 3u].x; // over keys of the longest row
  for (var trip = 0; trip < trips; trip++) {
    let y0 = y.x + KEYS * trip;
    // scores
    let number0 = numberAt(keysOf.x, max(min(y0 + 0, y.y - 1), 0));
    let number1 = numberAt(keysOf.x, max(min(y0 + 1, y.y - 1), 0));
    let number2 = numberAt(keysOf.x, max(min(y0 + 2, y.y - 1), 0));
    let number3 = numberAt(keysOf.x, max(min(y0 + 3, y.y - 1), 0));
    let value0 = (valueLine + u32(number0) * params.keyStrides.y) * 16u;
    let v0_0 = value[value0 + tx];
    let v0_1 = value[value0 + (tx + 8u)];
    let value1 = (valueLine + u32(number1) * params.keyStrides.y) * 16u;
    let v1_0 = value[value1 + tx];
    let v1_1 = value[value1 + (tx + 8u)];
    let value2 = (valueLine + u32(number2) * params.keyStrides.y) * 16u;
    let v2_0 = value[value2 + tx];
    let v2_1 = value[value2 + (tx + 8u)];
    let value3 = (valueLine + u32(number3) * params.keyStrides.y) * 16u;
    let v3_0 = value[value3 + tx];
    let v3_1 = value[value3 + (tx + 8u)];
    var s0_0 = 0.0; var s0_1 = 0.0; var s0_2 = 0.0; var s0_3 = 0.0;
    {
      let key0 = (keyLine + u32(number0) * params.keyStrides.y) * 16u;
      let key1 = (keyLine + u32(number1) * params.keyStrides.y) * 16u;
      let key2 = (keyLine + u32(number2) * params.keyStrides.y) * 16u;
      let key3 = (keyLine + u32(number3) * params.keyStrides.y) * 16u;
      let k0_0 = key[key0 + tx];
      let k0_1 = key[key0 + (tx + 8u)];
      let k1_0 = key[key1 + tx];
      let k1_1 = key[key1 + (tx + 8u)];
      let k2_0 = key[key2 + tx];
      let k2_1 = key[key2 + (tx + 8u)];
      let k3_0 = key[key3 + tx];
      let k3_1 = key[key3 + (tx + 8u)];
      s0_0 = dot(q0_0_0, k0_0) + dot(q0_1_0, k0_1);
      s0_1 = dot(q0_0_0, k1_0) + dot(q0_1_0, k1_1);
      s0_2 = dot(q0_0_0, k2_0) + dot(q0_1_0, k2_1);
      s0_3 = dot(q0_0_0, k3_0) + dot(q0_1_0, k3_1);
    }
    s0_0 += subgroupShuffleXor(s0_0, 1u); s0_1 += subgroupShuffleXor(s0_1, 1u); s0_2 += subgroupShuffleXor(s0_2, 1u); s0_3 += subgroupShuffleXor(s0_3, 1u);
    s0_0 += subgroupShuffleXor(s0_0, 2u); s0_1 += subgroupShuffleXor(s0_1, 2u); s0_2 += subgroupShuffleXor(s0_2, 2u); s0_3 += subgroupShuffleXor(s0_3, 2u);
    s0_0 += subgroupShuffleXor(s0_0, 4u); s0_1 += subgroupShuffleXor(s0_1, 4u); s0_2 += subgroupShuffleXor(s0_2, 4u); s0_3 += subgroupShuffleXor(s0_3, 4u);
    // probabilities and values

    s0_0 *= params.scale;
    s0_1 *= params.scale;
    s0_2 *= params.scale;
    s0_3 *= params.scale;
    s0_0 = select(HIDDEN, s0_0, y0 + 0 < y.y);
    s0_1 = select(HIDDEN, s0_1, y0 + 1 < y.y);
    s0_2 = select(HIDDEN, s0_2, y0 + 2 < y.y);
    s0_3 = select(HIDDEN, s0_3, y0 + 3 < y.y);
    let next0 = max(m0, max(max(s0_0, s0_1), max(s0_2, s0_3)));
    let shrink0 = exp2(m0 - next0); m0 = next0;
    s0_0 = exp2(s0_0 - next0); s0_1 = exp2(s0_1 - next0); s0_2 = exp2(s0_2 - next0); s0_3 = exp2(s0_3 - next0);
    l0 = fma(l0, shrink0, ((s0_0 + s0_1) + (s0_2 + s0_3)));
    o0_0 *= shrink0; o0_1 *= shrink0;
    let value0_0_0 = (v0_0 * params.valueScale);
    o0_0 = fma(vec4f(s0_0), value0_0_0, o0_0);
    let value0_1_0 = (v0_1 * params.valueScale);
    o0_1 = fma(vec4f(s0_0), value0_1_0, o0_1);
    let value1_0_0 = (v1_0 * params.valueScale);
    o0_0 = fma(vec4f(s0_1), value1_0_0, o0_0);
    let value1_1_0 = (v1_1 * params.valueScale);
    o0_1 = fma(vec4f(s0_1), value1_1_0, o0_1);
    let value2_0_0 = (v2_0 * params.valueScale);
    o0_0 = fma(vec4f(s0_2), value2_0_0, o0_0);
    let value2_1_0 = (v2_1 * params.valueScale);
    o0_1 = fma(vec4f(s0_2), value2_1_0, o0_1);
    let value3_0_0 = (v3_0 * params.valueScale);
    o0_0 = fma(vec4f(s0_3), value3_0_0, o0_0);
    let value3_1_0 = (v3_1 * params.valueScale);
    o0_1 = fma(vec4f(s0_3), value3_1_0, o0_1);
  }
  let writes = has || owned.y >= 0 || (params.flags & CONTINUES) == 0u;
  if (i32(x0) < owned.x && writes) {
    let own = u32(rowsOf.x + rowsOf.y * min(i32(x0), owned.x - 1));
    let q = line * params.queryLength + own;
    let to = (outputLine + own * params.outputStrides.y) * 16u;
    let inverse = select(1.0 / (l0 * params.valueScale), 0.0, l0 == 0.0);
    if (owned.y < 0) {
      output[to + (tx + 0u)] = select(vec4f(), o0_0 * inverse, has);
      output[to + (tx + 8u)] = select(vec4f(), o0_1 * inverse, has);
      if (tx == 0u && (params.flags & KEEPS_SUM) != 0u) { rowSums[q] = vec2f(m0, l0); }
    } else {
      let record = params.slotBase + ((line * params.slots + u32(owned.y)) * ROWS + x0) * 17u;
      scratch[record + (tx + 0u)] = select(vec4f(), o0_0 * inverse, has);
      scratch[record + (tx + 8u)] = select(vec4f(), o0_1 * inverse, has);
      if (tx == 0u) { scratch[record + 16u] = vec4f(m0, l0, 0.0, 0.0); }
    }
  }
}
