// row by row, float16 storage
// 2048 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> queryHalves: array<vec4u>;
@group(0) @binding(2) var<storage, read> keyHalves: array<vec4u>;
@group(0) @binding(3) var<storage, read> valueHalves: array<vec4u>;
@group(0) @binding(4) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(5) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> scratch: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> rowSums: array<vec2f>;

// Sparse attention, float16 storage, float32 arithmetic. A workgroup owns ROWS queries of one head, each with keys of its own, of which it takes KEYS a trip.
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

fn lower(eight: vec4u) -> vec4f { return vec4f(unpack2x16float(eight.x), unpack2x16float(eight.y)); }
fn upper(eight: vec4u) -> vec4f { return vec4f(unpack2x16float(eight.z), unpack2x16float(eight.w)); }

// Number `index` of the list that begins at a pair.
fn numberAt(list: i32, index: i32) -> i32 {
  let two = schedule[params.numbers + u32(list) + u32(index) / 2u];
  return select(two.x, two.y, (index & 1) != 0);
}

var<workgroup> memory: array<vec4u, 128>;

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
  let query0 = (queryLine + row0 * params.queryStrides.y) * 8u;
  var m0 = EMPTY; var l0 = 0.0; var o0_0 = vec4f(); var o0_1 = vec4f();
  if ((params.flags & CONTINUES) != 0u && owned.y < 0) {
    {
      let own = u32(rowsOf.x + rowsOf.y * min(i32(x0), owned.x - 1));
      let q = line * params.queryLength + own;
      let to = (outputLine + own * params.outputStrides.y) * 16u;
      let had = rowSums[q]; // (maximum, sum)
      m0 = had.x;
      l0 = had.y;
      o0_0 = had.y * output[to + (2u * tx + 0u)];
      o0_1 = had.y * output[to + (2u * tx + 1u)];
    }
  }
  // own columns of queries
  let query0_0_0 = queryHalves[query0 + tx];
  let q0_0_0 = lower(query0_0_0);
  let q0_0_1 = upper(query0_0_0);
  let span = params.spans + 4u * u32(spanRange.x + min(i32(ty), owned.x - 1));
  let keysOf = schedule[span]; // (firstKey, keyStride)
  let y = schedule[span + 1u]; // (begin, end)
  let has = y.x < y.y; // any key
  let trips = schedule[item + 3u].x; // over keys of the longest row
  for (var trip = 0; trip < trips; trip += 2) {
    {
      let y0 = y.x + KEYS * trip;
      // parts of scores
      let number0 = numberAt(keysOf.x, max(min(y0 + 0, y.y - 1), 0));
      let number1 = numberAt(keysOf.x, max(min(y0 + 1, y.y - 1), 0));
      let number2 = numberAt(keysOf.x, max(min(y0 + 2, y.y - 1), 0));
      let number3 = numberAt(keysOf.x, max(min(y0 + 3, y.y - 1), 0));
      let value0 = (valueLine + u32(number0) * params.keyStrides.y) * 8u;
      let v0_0 = valueHalves[value0 + tx];
      let value1 = (valueLine + u32(number1) * params.keyStrides.y) * 8u;
      let v1_0 = valueHalves[value1 + tx];
      let value2 = (valueLine + u32(number2) * params.keyStrides.y) * 8u;
      let v2_0 = valueHalves[value2 + tx];
      let value3 = (valueLine + u32(number3) * params.keyStrides.y) * 8u;
      let v3_0 = valueHalves[value3 + tx];
      var s0_0 = 0.0; var s0_1 = 0.0; var s0_2 = 0.0; var s0_3 = 0.0;
      {
        let key0 = (keyLine + u32(number0) * params.keyStrides.y) * 8u;
        let key1 = (keyLine + u32(number1) * params.keyStrides.y) * 8u;
        let key2 = (keyLine + u32(number2) * params.keyStrides.y) * 8u;
        let key3 = (keyLine + u32(number3) * params.keyStrides.y) * 8u;
        let k0_0 = keyHalves[key0 + tx];
        let k1_0 = keyHalves[key1 + tx];
        let k2_0 = keyHalves[key2 + tx];
        let k3_0 = keyHalves[key3 + tx];
        let key0_0_0 = lower(k0_0); let key0_0_1 = upper(k0_0);
        let key1_0_0 = lower(k1_0); let key1_0_1 = upper(k1_0);
        let key2_0_0 = lower(k2_0); let key2_0_1 = upper(k2_0);
        let key3_0_0 = lower(k3_0); let key3_0_1 = upper(k3_0);
        s0_0 = dot(q0_0_0, key0_0_0) + dot(q0_0_1, key0_0_1);
        s0_1 = dot(q0_0_0, key1_0_0) + dot(q0_0_1, key1_0_1);
        s0_2 = dot(q0_0_0, key2_0_0) + dot(q0_0_1, key2_0_1);
        s0_3 = dot(q0_0_0, key3_0_0) + dot(q0_0_1, key3_0_1);
      }
      memory[0u + lane] = bitcast<vec4u>(vec4f(s0_0, s0_1, s0_2, s0_3));
      // scores
      workgroupBarrier();
      let own = ty * 8u;
      let sum0 = (((bitcast<vec4f>(memory[own + 0u]) + bitcast<vec4f>(memory[own + 1u])) + (bitcast<vec4f>(memory[own + 2u]) + bitcast<vec4f>(memory[own + 3u]))) + ((bitcast<vec4f>(memory[own + 4u]) + bitcast<vec4f>(memory[own + 5u])) + (bitcast<vec4f>(memory[own + 6u]) + bitcast<vec4f>(memory[own + 7u]))));
      s0_0 = sum0.x; s0_1 = sum0.y; s0_2 = sum0.z; s0_3 = sum0.w;
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
      let value0_0_0 = lower(v0_0);
      o0_0 = fma(vec4f(s0_0), value0_0_0, o0_0);
      let value0_0_1 = upper(v0_0);
      o0_1 = fma(vec4f(s0_0), value0_0_1, o0_1);
      let value1_0_0 = lower(v1_0);
      o0_0 = fma(vec4f(s0_1), value1_0_0, o0_0);
      let value1_0_1 = upper(v1_0);
      o0_1 = fma(vec4f(s0_1), value1_0_1, o0_1);
      let value2_0_0 = lower(v2_0);
      o0_0 = fma(vec4f(s0_2), value2_0_0, o0_0);
      let value2_0_1 = upper(v2_0);
      o0_1 = fma(vec4f(s0_2), value2_0_1, o0_1);
      let value3_0_0 = lower(v3_0);
      o0_0 = fma(vec4f(s0_3), value3_0_0, o0_0);
      let value3_0_1 = upper(v3_0);
      o0_1 = fma(vec4f(s0_3), value3_0_1, o0_1);
    }
    if (trip + 1 < trips) {
      let y0 = y.x + KEYS * (trip + 1);
      // parts of scores
      let number0 = numberAt(keysOf.x, max(min(y0 + 0, y.y - 1), 0));
      let number1 = numberAt(keysOf.x, max(min(y0 + 1, y.y - 1), 0));
      let number2 = numberAt(keysOf.x, max(min(y0 + 2, y.y - 1), 0));
      let number3 = numberAt(keysOf.x, max(min(y0 + 3, y.y - 1), 0));
      let value0 = (valueLine + u32(number0) * params.keyStrides.y) * 8u;
      let v0_0 = valueHalves[value0 + tx];
      let value1 = (valueLine + u32(number1) * params.keyStrides.y) * 8u;
      let v1_0 = valueHalves[value1 + tx];
      let value2 = (valueLine + u32(number2) * params.keyStrides.y) * 8u;
      let v2_0 = valueHalves[value2 + tx];
      let value3 = (valueLine + u32(number3) * params.keyStrides.y) * 8u;
      let v3_0 = valueHalves[value3 + tx];
      var s0_0 = 0.0; var s0_1 = 0.0; var s0_2 = 0.0; var s0_3 = 0.0;
      {
        let key0 = (keyLine + u32(number0) * params.keyStrides.y) * 8u;
        let key1 = (keyLine + u32(number1) * params.keyStrides.y) * 8u;
        let key2 = (keyLine + u32(number2) * params.keyStrides.y) * 8u;
        let key3 = (keyLine + u32(number3) * params.keyStrides.y) * 8u;
        let k0_0 = keyHalves[key0 + tx];
        let k1_0 = keyHalves[key1 + tx];
        let k2_0 = keyHalves[key2 + tx];
        let k3_0 = keyHalves[key3 + tx];
        let key0_0_0 = lower(k0_0); let key0_0_1 = upper(k0_0);
        let key1_0_0 = lower(k1_0); let key1_0_1 = upper(k1_0);
        let key2_0_0 = lower(k2_0); let key2_0_1 = upper(k2_0);
        let key3_0_0 = lower(k3_0); let key3_0_1 = upper(k3_0);
        s0_0 = dot(q0_0_0, key0_0_0) + dot(q0_0_1, key0_0_1);
        s0_1 = dot(q0_0_0, key1_0_0) + dot(q0_0_1, key1_0_1);
        s0_2 = dot(q0_0_0, key2_0_0) + dot(q0_0_1, key2_0_1);
        s0_3 = dot(q0_0_0, key3_0_0) + dot(q0_0_1, key3_0_1);
      }
      memory[64u + lane] = bitcast<vec4u>(vec4f(s0_0, s0_1, s0_2, s0_3));
      // scores
      workgroupBarrier();
      let own = ty * 8u;
      let sum0 = (((bitcast<vec4f>(memory[own + 64u]) + bitcast<vec4f>(memory[own + 65u])) + (bitcast<vec4f>(memory[own + 66u]) + bitcast<vec4f>(memory[own + 67u]))) + ((bitcast<vec4f>(memory[own + 68u]) + bitcast<vec4f>(memory[own + 69u])) + (bitcast<vec4f>(memory[own + 70u]) + bitcast<vec4f>(memory[own + 71u]))));
      s0_0 = sum0.x; s0_1 = sum0.y; s0_2 = sum0.z; s0_3 = sum0.w;
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
      let value0_0_0 = lower(v0_0);
      o0_0 = fma(vec4f(s0_0), value0_0_0, o0_0);
      let value0_0_1 = upper(v0_0);
      o0_1 = fma(vec4f(s0_0), value0_0_1, o0_1);
      let value1_0_0 = lower(v1_0);
      o0_0 = fma(vec4f(s0_1), value1_0_0, o0_0);
      let value1_0_1 = upper(v1_0);
      o0_1 = fma(vec4f(s0_1), value1_0_1, o0_1);
      let value2_0_0 = lower(v2_0);
      o0_0 = fma(vec4f(s0_2), value2_0_0, o0_0);
      let value2_0_1 = upper(v2_0);
      o0_1 = fma(vec4f(s0_2), value2_0_1, o0_1);
      let value3_0_0 = lower(v3_0);
      o0_0 = fma(vec4f(s0_3), value3_0_0, o0_0);
      let value3_0_1 = upper(v3_0);
      o0_1 = fma(vec4f(s0_3), value3_0_1, o0_1);
    }
  }
  let writes = has || owned.y >= 0 || (params.flags & CONTINUES) == 0u;
  if (i32(x0) < owned.x && writes) {
    let own = u32(rowsOf.x + rowsOf.y * min(i32(x0), owned.x - 1));
    let q = line * params.queryLength + own;
    let to = (outputLine + own * params.outputStrides.y) * 16u;
    let inverse = select(1.0 / l0, 0.0, l0 == 0.0);
    if (owned.y < 0) {
      output[to + (2u * tx + 0u)] = select(vec4f(), o0_0 * inverse, has);
      output[to + (2u * tx + 1u)] = select(vec4f(), o0_1 * inverse, has);
      if (tx == 0u && (params.flags & KEEPS_SUM) != 0u) { rowSums[q] = vec2f(m0, l0); }
    } else {
      let record = params.slotBase + ((line * params.slots + u32(owned.y)) * ROWS + x0) * 17u;
      scratch[record + (2u * tx + 0u)] = select(vec4f(), o0_0 * inverse, has);
      scratch[record + (2u * tx + 1u)] = select(vec4f(), o0_1 * inverse, has);
      if (tx == 0u) { scratch[record + 16u] = vec4f(m0, l0, 0.0, 0.0); }
    }
  }
}
