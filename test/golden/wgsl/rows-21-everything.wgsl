// row by row, features that fill no vec4, with every option
// 2048 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<f32>;
@group(0) @binding(2) var<storage, read> key: array<f32>;
@group(0) @binding(3) var<storage, read> value: array<f32>;
@group(0) @binding(4) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;
@group(0) @binding(6) var<storage, read_write> scratch: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> rowSums: array<vec2f>;
@group(0) @binding(8) var<storage, read> bias: array<f32>;

// Sparse attention, float32. A workgroup owns ROWS queries of one head, each with keys of its own, of which it takes KEYS a trip.
// query [batch, heads, queryLength, 21]  key [batch, keyHeads, keyLength, 21]
// value [batch, keyHeads, keyLength, 21]  output [batch, heads, queryLength, 21]; or lengths before heads.
// Invocation (tx, ty) owns columns tx + TX·n (vec4) of row ty: of the query and of each key, and of the output.
const ROWS = 8u;
const KEYS = 4;
const TX = 8u;
const TY = 8u;

const EMPTY = -3.2e38;
const HIDDEN = -3.4e38;
const CONTINUES = 1u;
const KEEPS_SUM = 2u;
const LOG2_UNIT = 23.083120654223414; // of a score

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

fn biased(score: f32, bias: f32) -> f32 {
  return select(fma(bias, 0.0625, score), HIDDEN, bitcast<u32>(bias) == 0xff800000u);
}

fn biasedTwice(score: f32, bias: f32, other: f32) -> f32 {
  let hides = bitcast<u32>(other) == 0xff800000u;
  let both = fma(bias, 0.0625, select(other * 0.0625, 0.0, hides));
  let shown = select(score + both, HIDDEN, bitcast<u32>(bias) == 0xff800000u);
  return select(shown, HIDDEN, hides); // no ||, a branch for each pair
}

fn extra(at: u32) -> f32 { return bitcast<f32>(schedule[at].x); }

fn capped(x: f32) -> f32 {
  return params.softcap * hyperbolic(x);
}

fn hyperbolic(x: f32) -> f32 {
  let square = x * x;
  let series = x * (1.0 + square * (-1.0 / 3.0 + square * (2.0 / 15.0 + square * (-17.0 / 315.0 + square * (62.0 / 2835.0)))));
  return select(1.0 - 2.0 / (exp2(x * 2.8853900817779268) + 1.0), series, abs(x) < 0.25);
}

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

fn mixed(number: u32) -> u32 {
  var x = number;
  x = (x ^ (x >> 16u)) * 0x7feb352du;
  x = (x ^ (x >> 15u)) * 0x846ca68bu;
  return x ^ (x >> 16u);
}

fn kept(random: u32, key: i32) -> f32 {
  return select(0.0, params.keptScale, mixed(random + u32(key) * 0x9e3779b9u) >= params.dropped);
}

fn sinkOf(head: u32, own: u32, batch: u32) -> vec2f {
  let perHead = params.queryLength / params.packedHeads;
  let query = head * params.packedHeads + own / perHead;
  let word = schedule[params.sinks + query].x;
  let logit = bitcast<f32>(word) * 0.0625;
  let higher = fma(extra(params.alibiSlopes + query) * 0.0625, beyond(own % perHead, batch), logit);
  return select(vec2f(higher, 1.0), vec2f(EMPTY, 0.0), bitcast<u32>(word) == 0xff800000u);
}

// Number `index` of the list that begins at a pair.
fn numberAt(list: i32, index: i32) -> i32 {
  let two = schedule[params.numbers + u32(list) + u32(index) / 2u];
  return select(two.x, two.y, (index & 1) != 0);
}

fn queryAt(base: u32, column: u32) -> vec4f {
  let at = base + column * 4u;
  return vec4f(query[at], select(0.0, query[at + 1u], column * 4u + 1u < 21u), select(0.0, query[at + 2u], column * 4u + 2u < 21u), select(0.0, query[at + 3u], column * 4u + 3u < 21u));
}

fn keyAt(base: u32, column: u32) -> vec4f {
  let at = base + column * 4u;
  return vec4f(key[at], select(0.0, key[at + 1u], column * 4u + 1u < 21u), select(0.0, key[at + 2u], column * 4u + 2u < 21u), select(0.0, key[at + 3u], column * 4u + 3u < 21u));
}

fn valueAt(base: u32, column: u32) -> vec4f {
  let at = base + column * 4u;
  return vec4f(value[at], select(0.0, value[at + 1u], column * 4u + 1u < 21u), select(0.0, value[at + 2u], column * 4u + 2u < 21u), select(0.0, value[at + 3u], column * 4u + 3u < 21u));
}

fn outputAt(base: u32, column: u32) -> vec4f {
  let at = base + column * 4u;
  return vec4f(output[at], select(0.0, output[at + 1u], column * 4u + 1u < 21u), select(0.0, output[at + 2u], column * 4u + 2u < 21u), select(0.0, output[at + 3u], column * 4u + 3u < 21u));
}
fn set_output(base: u32, column: u32, four: vec4f) {
  let at = base + column * 4u;
  output[at] = four.x;
  if (column * 4u + 1u < 21u) { output[at + 1u] = four.y; }
  if (column * 4u + 2u < 21u) { output[at + 2u] = four.z; }
  if (column * 4u + 3u < 21u) { output[at + 3u] = four.w; }
}

var<workgroup> memory: array<vec4f, 128>;

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
  let query0 = (queryLine + row0 * params.queryStrides.y) * 21u;
  let slope0 = extra(params.alibiSlopes + head * params.packedHeads + row0 / (params.queryLength / params.packedHeads)) * 0.0625;
  let position0 = standsAt(row0 % (params.queryLength / params.packedHeads), batch);
  let bias0 = dot(vec3u(batch, head, row0), params.biasStrides.xyz);
  let relative0 = params.relativeBias + (head * params.packedHeads + row0 / (params.queryLength / params.packedHeads)) * params.relativeStride + params.queryLength / params.packedHeads - 1u - row0 % (params.queryLength / params.packedHeads);
  let segment0 = schedule[params.querySegments + batch * params.queryLength + row0].x;
  let random0 = mixed((line * params.queryLength + row0) + params.seed);
  let seen0 = sinkOf(head, row0, batch);
  var m0 = EMPTY; var l0 = 0.0; var o0_0 = vec4f();
  if ((params.flags & CONTINUES) != 0u && owned.y < 0) {
    {
      let own = u32(rowsOf.x + rowsOf.y * min(i32(x0), owned.x - 1));
      let q = line * params.queryLength + own;
      let to = (outputLine + own * params.outputStrides.y) * 21u;
      let had = rowSums[q]; // (maximum, sum)
      m0 = had.x;
      l0 = had.y;
      o0_0 = (had.y * params.valueScale) * outputAt(to, min((tx + 0u), 5u));
    }
  } else if (owned.y < 0) {
    m0 = seen0.x; l0 = seen0.y;
  }
  // own columns of queries
  let query0_0_0 = queryAt(query0, min(tx, 5u)) * params.sideScale;
  let q0_0_0 = select(vec4f(), query0_0_0, tx < 6u);
  let span = params.spans + 4u * u32(spanRange.x + min(i32(ty), owned.x - 1));
  let keysOf = schedule[span]; // (firstKey, keyStride)
  var y = schedule[span + 1u]; // (begin, end)
  let keyCount = schedule[params.keyLengths + batch].x;
  var below = y.x;
  while (below < y.y) {
    let middle = (below + y.y) / 2;
    if (numberAt(keysOf.x, middle) < keyCount) { below = middle + 1; } else { y.y = middle; }
  }
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
      let value0 = (valueLine + u32(number0) * params.keyStrides.y) * 21u;
      let v0_0 = valueAt(value0, min(tx, 5u));
      let value1 = (valueLine + u32(number1) * params.keyStrides.y) * 21u;
      let v1_0 = valueAt(value1, min(tx, 5u));
      let value2 = (valueLine + u32(number2) * params.keyStrides.y) * 21u;
      let v2_0 = valueAt(value2, min(tx, 5u));
      let value3 = (valueLine + u32(number3) * params.keyStrides.y) * 21u;
      let v3_0 = valueAt(value3, min(tx, 5u));
      var s0_0 = 0.0; var s0_1 = 0.0; var s0_2 = 0.0; var s0_3 = 0.0;
      {
        let key0 = (keyLine + u32(number0) * params.keyStrides.y) * 21u;
        let key1 = (keyLine + u32(number1) * params.keyStrides.y) * 21u;
        let key2 = (keyLine + u32(number2) * params.keyStrides.y) * 21u;
        let key3 = (keyLine + u32(number3) * params.keyStrides.y) * 21u;
        let k0_0 = select(vec4f(), keyAt(key0, min(tx, 5u)) * params.sideScale, tx < 6u);
        let k1_0 = select(vec4f(), keyAt(key1, min(tx, 5u)) * params.sideScale, tx < 6u);
        let k2_0 = select(vec4f(), keyAt(key2, min(tx, 5u)) * params.sideScale, tx < 6u);
        let k3_0 = select(vec4f(), keyAt(key3, min(tx, 5u)) * params.sideScale, tx < 6u);
        s0_0 = dot(q0_0_0, k0_0);
        s0_1 = dot(q0_0_0, k1_0);
        s0_2 = dot(q0_0_0, k2_0);
        s0_3 = dot(q0_0_0, k3_0);
      }
      memory[0u + lane] = vec4f(s0_0, s0_1, s0_2, s0_3);
      // scores
      workgroupBarrier();
      let own = ty * 8u;
      let sum0 = (((memory[own + 0u] + memory[own + 1u]) + (memory[own + 2u] + memory[own + 3u])) + ((memory[own + 4u] + memory[own + 5u]) + (memory[own + 6u] + memory[own + 7u])));
      s0_0 = sum0.x; s0_1 = sum0.y; s0_2 = sum0.z; s0_3 = sum0.w;
      // probabilities and values
      let k0 = number0;
      let b0 = u32(k0) * params.biasStrides.w;
      let theirs0 = schedule[params.keySegments + batch * params.keyLength + u32(k0)].x;
      let k1 = number1;
      let b1 = u32(k1) * params.biasStrides.w;
      let theirs1 = schedule[params.keySegments + batch * params.keyLength + u32(k1)].x;
      let k2 = number2;
      let b2 = u32(k2) * params.biasStrides.w;
      let theirs2 = schedule[params.keySegments + batch * params.keyLength + u32(k2)].x;
      let k3 = number3;
      let b3 = u32(k3) * params.biasStrides.w;
      let theirs3 = schedule[params.keySegments + batch * params.keyLength + u32(k3)].x;
      s0_0 = select(HIDDEN, biasedTwice((capped(s0_0 * params.scale) - slope0 * f32(abs(position0 - k0))), bias[bias0 + b0], extra(relative0 + u32(k0))), segment0 == theirs0);
      s0_1 = select(HIDDEN, biasedTwice((capped(s0_1 * params.scale) - slope0 * f32(abs(position0 - k1))), bias[bias0 + b1], extra(relative0 + u32(k1))), segment0 == theirs1);
      s0_2 = select(HIDDEN, biasedTwice((capped(s0_2 * params.scale) - slope0 * f32(abs(position0 - k2))), bias[bias0 + b2], extra(relative0 + u32(k2))), segment0 == theirs2);
      s0_3 = select(HIDDEN, biasedTwice((capped(s0_3 * params.scale) - slope0 * f32(abs(position0 - k3))), bias[bias0 + b3], extra(relative0 + u32(k3))), segment0 == theirs3);
      s0_0 = select(HIDDEN, s0_0, y0 + 0 < y.y);
      s0_1 = select(HIDDEN, s0_1, y0 + 1 < y.y);
      s0_2 = select(HIDDEN, s0_2, y0 + 2 < y.y);
      s0_3 = select(HIDDEN, s0_3, y0 + 3 < y.y);
      let next0 = max(m0, max(max(s0_0, s0_1), max(s0_2, s0_3)));
      let shrink0 = exp2((m0 - next0) * LOG2_UNIT); m0 = next0;
      s0_0 = exp2((s0_0 - next0) * LOG2_UNIT); s0_1 = exp2((s0_1 - next0) * LOG2_UNIT); s0_2 = exp2((s0_2 - next0) * LOG2_UNIT); s0_3 = exp2((s0_3 - next0) * LOG2_UNIT);
      l0 = fma(l0, shrink0, ((s0_0 + s0_1) + (s0_2 + s0_3)));
      s0_0 *= kept(random0, k0);
      s0_1 *= kept(random0, k1);
      s0_2 *= kept(random0, k2);
      s0_3 *= kept(random0, k3);
      o0_0 *= shrink0;
      let value0_0_0 = (v0_0 * params.valueScale);
      o0_0 = fma(vec4f(s0_0), value0_0_0, o0_0);
      let value1_0_0 = (v1_0 * params.valueScale);
      o0_0 = fma(vec4f(s0_1), value1_0_0, o0_0);
      let value2_0_0 = (v2_0 * params.valueScale);
      o0_0 = fma(vec4f(s0_2), value2_0_0, o0_0);
      let value3_0_0 = (v3_0 * params.valueScale);
      o0_0 = fma(vec4f(s0_3), value3_0_0, o0_0);
    }
    if (trip + 1 < trips) {
      let y0 = y.x + KEYS * (trip + 1);
      // parts of scores
      let number0 = numberAt(keysOf.x, max(min(y0 + 0, y.y - 1), 0));
      let number1 = numberAt(keysOf.x, max(min(y0 + 1, y.y - 1), 0));
      let number2 = numberAt(keysOf.x, max(min(y0 + 2, y.y - 1), 0));
      let number3 = numberAt(keysOf.x, max(min(y0 + 3, y.y - 1), 0));
      let value0 = (valueLine + u32(number0) * params.keyStrides.y) * 21u;
      let v0_0 = valueAt(value0, min(tx, 5u));
      let value1 = (valueLine + u32(number1) * params.keyStrides.y) * 21u;
      let v1_0 = valueAt(value1, min(tx, 5u));
      let value2 = (valueLine + u32(number2) * params.keyStrides.y) * 21u;
      let v2_0 = valueAt(value2, min(tx, 5u));
      let value3 = (valueLine + u32(number3) * params.keyStrides.y) * 21u;
      let v3_0 = valueAt(value3, min(tx, 5u));
      var s0_0 = 0.0; var s0_1 = 0.0; var s0_2 = 0.0; var s0_3 = 0.0;
      {
        let key0 = (keyLine + u32(number0) * params.keyStrides.y) * 21u;
        let key1 = (keyLine + u32(number1) * params.keyStrides.y) * 21u;
        let key2 = (keyLine + u32(number2) * params.keyStrides.y) * 21u;
        let key3 = (keyLine + u32(number3) * params.keyStrides.y) * 21u;
        let k0_0 = select(vec4f(), keyAt(key0, min(tx, 5u)) * params.sideScale, tx < 6u);
        let k1_0 = select(vec4f(), keyAt(key1, min(tx, 5u)) * params.sideScale, tx < 6u);
        let k2_0 = select(vec4f(), keyAt(key2, min(tx, 5u)) * params.sideScale, tx < 6u);
        let k3_0 = select(vec4f(), keyAt(key3, min(tx, 5u)) * params.sideScale, tx < 6u);
        s0_0 = dot(q0_0_0, k0_0);
        s0_1 = dot(q0_0_0, k1_0);
        s0_2 = dot(q0_0_0, k2_0);
        s0_3 = dot(q0_0_0, k3_0);
      }
      memory[64u + lane] = vec4f(s0_0, s0_1, s0_2, s0_3);
      // scores
      workgroupBarrier();
      let own = ty * 8u;
      let sum0 = (((memory[own + 64u] + memory[own + 65u]) + (memory[own + 66u] + memory[own + 67u])) + ((memory[own + 68u] + memory[own + 69u]) + (memory[own + 70u] + memory[own + 71u])));
      s0_0 = sum0.x; s0_1 = sum0.y; s0_2 = sum0.z; s0_3 = sum0.w;
      // probabilities and values
      let k0 = number0;
      let b0 = u32(k0) * params.biasStrides.w;
      let theirs0 = schedule[params.keySegments + batch * params.keyLength + u32(k0)].x;
      let k1 = number1;
      let b1 = u32(k1) * params.biasStrides.w;
      let theirs1 = schedule[params.keySegments + batch * params.keyLength + u32(k1)].x;
      let k2 = number2;
      let b2 = u32(k2) * params.biasStrides.w;
      let theirs2 = schedule[params.keySegments + batch * params.keyLength + u32(k2)].x;
      let k3 = number3;
      let b3 = u32(k3) * params.biasStrides.w;
      let theirs3 = schedule[params.keySegments + batch * params.keyLength + u32(k3)].x;
      s0_0 = select(HIDDEN, biasedTwice((capped(s0_0 * params.scale) - slope0 * f32(abs(position0 - k0))), bias[bias0 + b0], extra(relative0 + u32(k0))), segment0 == theirs0);
      s0_1 = select(HIDDEN, biasedTwice((capped(s0_1 * params.scale) - slope0 * f32(abs(position0 - k1))), bias[bias0 + b1], extra(relative0 + u32(k1))), segment0 == theirs1);
      s0_2 = select(HIDDEN, biasedTwice((capped(s0_2 * params.scale) - slope0 * f32(abs(position0 - k2))), bias[bias0 + b2], extra(relative0 + u32(k2))), segment0 == theirs2);
      s0_3 = select(HIDDEN, biasedTwice((capped(s0_3 * params.scale) - slope0 * f32(abs(position0 - k3))), bias[bias0 + b3], extra(relative0 + u32(k3))), segment0 == theirs3);
      s0_0 = select(HIDDEN, s0_0, y0 + 0 < y.y);
      s0_1 = select(HIDDEN, s0_1, y0 + 1 < y.y);
      s0_2 = select(HIDDEN, s0_2, y0 + 2 < y.y);
      s0_3 = select(HIDDEN, s0_3, y0 + 3 < y.y);
      let next0 = max(m0, max(max(s0_0, s0_1), max(s0_2, s0_3)));
      let shrink0 = exp2((m0 - next0) * LOG2_UNIT); m0 = next0;
      s0_0 = exp2((s0_0 - next0) * LOG2_UNIT); s0_1 = exp2((s0_1 - next0) * LOG2_UNIT); s0_2 = exp2((s0_2 - next0) * LOG2_UNIT); s0_3 = exp2((s0_3 - next0) * LOG2_UNIT);
      l0 = fma(l0, shrink0, ((s0_0 + s0_1) + (s0_2 + s0_3)));
      s0_0 *= kept(random0, k0);
      s0_1 *= kept(random0, k1);
      s0_2 *= kept(random0, k2);
      s0_3 *= kept(random0, k3);
      o0_0 *= shrink0;
      let value0_0_0 = (v0_0 * params.valueScale);
      o0_0 = fma(vec4f(s0_0), value0_0_0, o0_0);
      let value1_0_0 = (v1_0 * params.valueScale);
      o0_0 = fma(vec4f(s0_1), value1_0_0, o0_0);
      let value2_0_0 = (v2_0 * params.valueScale);
      o0_0 = fma(vec4f(s0_2), value2_0_0, o0_0);
      let value3_0_0 = (v3_0 * params.valueScale);
      o0_0 = fma(vec4f(s0_3), value3_0_0, o0_0);
    }
  }
  let writes = has || owned.y >= 0 || (params.flags & CONTINUES) == 0u;
  if (i32(x0) < owned.x && writes) {
    let own = u32(rowsOf.x + rowsOf.y * min(i32(x0), owned.x - 1));
    let q = line * params.queryLength + own;
    let to = (outputLine + own * params.outputStrides.y) * 21u;
    let inverse = select(1.0 / (l0 * params.valueScale), 0.0, l0 == 0.0);
    if (owned.y < 0) {
      if ((tx + 0u) < 6u) { set_output(to, (tx + 0u), select(vec4f(), o0_0 * inverse, has)); }
      if (tx == 0u && (params.flags & KEEPS_SUM) != 0u) { rowSums[q] = vec2f(m0, l0); }
    } else {
      let record = params.slotBase + ((line * params.slots + u32(owned.y)) * ROWS + x0) * 7u;
      if ((tx + 0u) < 6u) { scratch[record + (tx + 0u)] = select(vec4f(), o0_0 * inverse, has); }
      if (tx == 0u) { scratch[record + 6u] = vec4f(m0, l0, 0.0, 0.0); }
    }
  }
}
