// the same with every option, features that fill no vec4
// 6144 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<f32>;
@group(0) @binding(2) var<storage, read> key: array<f32>;
@group(0) @binding(3) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(4) var<storage, read_write> output: array<u32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;

// Scores of the pairs that attend, packed: a workgroup owns ROWS rows of one head and visits their keys, KEYS at a time.
// query, key [.., 21]  output [batch, heads, pairs].  Invocation (tx, ty) owns rows ty + TY·i, and meets keys tx + TX·j.
const ROWS = 64;
const KEYS = 64;
const UNIT = f32(16); // of scores
const TX = 8u;
const TY = 16u;

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
  biasStrides: vec4u, softcap: f32, relativeStride: u32, alibiSlopes: u32, relativeBias: u32, querySegments: u32, keySegments: u32, keyLengths: u32,
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

// What is added to the number of a key in its span, of the interval with a number.
fn placeAt(interval: u32) -> i32 {
  let two = schedule[params.numbers + interval / 2u];
  return select(two.x, two.y, (interval & 1u) != 0u);
}

fn queryAt(base: u32, column: u32) -> vec4f {
  let at = base + column * 4u;
  return vec4f(query[at], select(0.0, query[at + 1u], column * 4u + 1u < 21u), select(0.0, query[at + 2u], column * 4u + 2u < 21u), select(0.0, query[at + 3u], column * 4u + 3u < 21u));
}

fn keyAt(base: u32, column: u32) -> vec4f {
  let at = base + column * 4u;
  return vec4f(key[at], select(0.0, key[at + 1u], column * 4u + 1u < 21u), select(0.0, key[at + 2u], column * 4u + 2u < 21u), select(0.0, key[at + 3u], column * 4u + 3u < 21u));
}

var<workgroup> memory: array<vec4f, 384>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
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
  let linePairs = i32(line * params.pairs);
  let keyCount = schedule[params.keyLengths + batch].x;
  let x0 = ty + 0u;
  let row0 = u32(rowsOf.x + rowsOf.y * min(i32(x0), owned.x - 1));
  let query0 = (queryLine + row0 * params.queryStrides.y) * 21u;
  let slope0 = extra(params.alibiSlopes + head * params.packedHeads + row0 / (params.queryLength / params.packedHeads)) * 0.0625;
  let position0 = standsAt(row0 % (params.queryLength / params.packedHeads), batch);
  let bias0 = dot(vec3u(batch, head, row0), params.biasStrides.xyz);
  let relative0 = params.relativeBias + (head * params.packedHeads + row0 / (params.queryLength / params.packedHeads)) * params.relativeStride + params.queryLength / params.packedHeads - 1u - row0 % (params.queryLength / params.packedHeads);
  let segment0 = schedule[params.querySegments + batch * params.queryLength + row0].x;
  let apart0 = extra(params.alibiSlopes + head) * beyond(row0, batch);
  let x1 = ty + 16u;
  let row1 = u32(rowsOf.x + rowsOf.y * min(i32(x1), owned.x - 1));
  let query1 = (queryLine + row1 * params.queryStrides.y) * 21u;
  let slope1 = extra(params.alibiSlopes + head * params.packedHeads + row1 / (params.queryLength / params.packedHeads)) * 0.0625;
  let position1 = standsAt(row1 % (params.queryLength / params.packedHeads), batch);
  let bias1 = dot(vec3u(batch, head, row1), params.biasStrides.xyz);
  let relative1 = params.relativeBias + (head * params.packedHeads + row1 / (params.queryLength / params.packedHeads)) * params.relativeStride + params.queryLength / params.packedHeads - 1u - row1 % (params.queryLength / params.packedHeads);
  let segment1 = schedule[params.querySegments + batch * params.queryLength + row1].x;
  let apart1 = extra(params.alibiSlopes + head) * beyond(row1, batch);
  let x2 = ty + 32u;
  let row2 = u32(rowsOf.x + rowsOf.y * min(i32(x2), owned.x - 1));
  let query2 = (queryLine + row2 * params.queryStrides.y) * 21u;
  let slope2 = extra(params.alibiSlopes + head * params.packedHeads + row2 / (params.queryLength / params.packedHeads)) * 0.0625;
  let position2 = standsAt(row2 % (params.queryLength / params.packedHeads), batch);
  let bias2 = dot(vec3u(batch, head, row2), params.biasStrides.xyz);
  let relative2 = params.relativeBias + (head * params.packedHeads + row2 / (params.queryLength / params.packedHeads)) * params.relativeStride + params.queryLength / params.packedHeads - 1u - row2 % (params.queryLength / params.packedHeads);
  let segment2 = schedule[params.querySegments + batch * params.queryLength + row2].x;
  let apart2 = extra(params.alibiSlopes + head) * beyond(row2, batch);
  let x3 = ty + 48u;
  let row3 = u32(rowsOf.x + rowsOf.y * min(i32(x3), owned.x - 1));
  let query3 = (queryLine + row3 * params.queryStrides.y) * 21u;
  let slope3 = extra(params.alibiSlopes + head * params.packedHeads + row3 / (params.queryLength / params.packedHeads)) * 0.0625;
  let position3 = standsAt(row3 % (params.queryLength / params.packedHeads), batch);
  let bias3 = dot(vec3u(batch, head, row3), params.biasStrides.xyz);
  let relative3 = params.relativeBias + (head * params.packedHeads + row3 / (params.queryLength / params.packedHeads)) * params.relativeStride + params.queryLength / params.packedHeads - 1u - row3 % (params.queryLength / params.packedHeads);
  let segment3 = schedule[params.querySegments + batch * params.queryLength + row3].x;
  let apart3 = extra(params.alibiSlopes + head) * beyond(row3, batch);

  for (var number = spanRange.x; number < spanRange.y; number++) {
    let span = params.spans + 4u * u32(number);
    let keysOf = schedule[span]; // (firstKey, keyStride)
    let keyRows = keysOf * i32(params.keyStrides.y);
    let y = schedule[span + 1u]; // (begin, end)
    let full = schedule[span + 2u]; // keys that every row attends to
    let intervals = params.intervals + u32(schedule[span + 3u].x);
    var own0 = schedule[intervals + x0]; own0.y = min(own0.y, y.y);
    let place0 = linePairs + placeAt(intervals - params.intervals + x0);
    var own1 = schedule[intervals + x1]; own1.y = min(own1.y, y.y);
    let place1 = linePairs + placeAt(intervals - params.intervals + x1);
    var own2 = schedule[intervals + x2]; own2.y = min(own2.y, y.y);
    let place2 = linePairs + placeAt(intervals - params.intervals + x2);
    var own3 = schedule[intervals + x3]; own3.y = min(own3.y, y.y);
    let place3 = linePairs + placeAt(intervals - params.intervals + x3);
    for (var y0 = y.x; y0 < y.y; y0 += KEYS) {
      // stage keys
      workgroupBarrier();
      { let f = lane + 0u; memory[0u + (f / 6u) * 6u + ((f % 6u) + (f / 6u)) % 6u] = keyAt((keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 6u)), y.y - 1))) * 21u, (f % 6u)) * params.sideScale; }
      { let f = lane + 128u; memory[0u + (f / 6u) * 6u + ((f % 6u) + (f / 6u)) % 6u] = keyAt((keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 6u)), y.y - 1))) * 21u, (f % 6u)) * params.sideScale; }
      { let f = lane + 256u; memory[0u + (f / 6u) * 6u + ((f % 6u) + (f / 6u)) % 6u] = keyAt((keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 6u)), y.y - 1))) * 21u, (f % 6u)) * params.sideScale; }
      // products with keys
      workgroupBarrier();
      var s0_0 = 0.0; var s0_1 = 0.0; var s0_2 = 0.0; var s0_3 = 0.0; var s0_4 = 0.0; var s0_5 = 0.0; var s0_6 = 0.0; var s0_7 = 0.0;
      var s1_0 = 0.0; var s1_1 = 0.0; var s1_2 = 0.0; var s1_3 = 0.0; var s1_4 = 0.0; var s1_5 = 0.0; var s1_6 = 0.0; var s1_7 = 0.0;
      var s2_0 = 0.0; var s2_1 = 0.0; var s2_2 = 0.0; var s2_3 = 0.0; var s2_4 = 0.0; var s2_5 = 0.0; var s2_6 = 0.0; var s2_7 = 0.0;
      var s3_0 = 0.0; var s3_1 = 0.0; var s3_2 = 0.0; var s3_3 = 0.0; var s3_4 = 0.0; var s3_5 = 0.0; var s3_6 = 0.0; var s3_7 = 0.0;
      { let own = tx * 6u;
        for (var n = 0u; n < 3u; n++) {
          { let d = n * 2u + 0u;
            let k0_0 = memory[own + 0u + (d + tx) % 6u];
            let k1_0 = memory[own + 48u + (d + tx + 2u) % 6u];
            let k2_0 = memory[own + 96u + (d + tx + 4u) % 6u];
            let k3_0 = memory[own + 144u + (d + tx) % 6u];
            let k4_0 = memory[own + 192u + (d + tx + 2u) % 6u];
            let k5_0 = memory[own + 240u + (d + tx + 4u) % 6u];
            let k6_0 = memory[own + 288u + (d + tx) % 6u];
            let k7_0 = memory[own + 336u + (d + tx + 2u) % 6u];
            { let q0 = queryAt(query0, d) * params.sideScale;
              s0_0 = fma(q0.x, k0_0.x, s0_0); s0_1 = fma(q0.x, k1_0.x, s0_1); s0_2 = fma(q0.x, k2_0.x, s0_2); s0_3 = fma(q0.x, k3_0.x, s0_3); s0_4 = fma(q0.x, k4_0.x, s0_4); s0_5 = fma(q0.x, k5_0.x, s0_5); s0_6 = fma(q0.x, k6_0.x, s0_6); s0_7 = fma(q0.x, k7_0.x, s0_7);
              s0_0 = fma(q0.y, k0_0.y, s0_0); s0_1 = fma(q0.y, k1_0.y, s0_1); s0_2 = fma(q0.y, k2_0.y, s0_2); s0_3 = fma(q0.y, k3_0.y, s0_3); s0_4 = fma(q0.y, k4_0.y, s0_4); s0_5 = fma(q0.y, k5_0.y, s0_5); s0_6 = fma(q0.y, k6_0.y, s0_6); s0_7 = fma(q0.y, k7_0.y, s0_7);
              s0_0 = fma(q0.z, k0_0.z, s0_0); s0_1 = fma(q0.z, k1_0.z, s0_1); s0_2 = fma(q0.z, k2_0.z, s0_2); s0_3 = fma(q0.z, k3_0.z, s0_3); s0_4 = fma(q0.z, k4_0.z, s0_4); s0_5 = fma(q0.z, k5_0.z, s0_5); s0_6 = fma(q0.z, k6_0.z, s0_6); s0_7 = fma(q0.z, k7_0.z, s0_7);
              s0_0 = fma(q0.w, k0_0.w, s0_0); s0_1 = fma(q0.w, k1_0.w, s0_1); s0_2 = fma(q0.w, k2_0.w, s0_2); s0_3 = fma(q0.w, k3_0.w, s0_3); s0_4 = fma(q0.w, k4_0.w, s0_4); s0_5 = fma(q0.w, k5_0.w, s0_5); s0_6 = fma(q0.w, k6_0.w, s0_6); s0_7 = fma(q0.w, k7_0.w, s0_7); }
            { let q0 = queryAt(query1, d) * params.sideScale;
              s1_0 = fma(q0.x, k0_0.x, s1_0); s1_1 = fma(q0.x, k1_0.x, s1_1); s1_2 = fma(q0.x, k2_0.x, s1_2); s1_3 = fma(q0.x, k3_0.x, s1_3); s1_4 = fma(q0.x, k4_0.x, s1_4); s1_5 = fma(q0.x, k5_0.x, s1_5); s1_6 = fma(q0.x, k6_0.x, s1_6); s1_7 = fma(q0.x, k7_0.x, s1_7);
              s1_0 = fma(q0.y, k0_0.y, s1_0); s1_1 = fma(q0.y, k1_0.y, s1_1); s1_2 = fma(q0.y, k2_0.y, s1_2); s1_3 = fma(q0.y, k3_0.y, s1_3); s1_4 = fma(q0.y, k4_0.y, s1_4); s1_5 = fma(q0.y, k5_0.y, s1_5); s1_6 = fma(q0.y, k6_0.y, s1_6); s1_7 = fma(q0.y, k7_0.y, s1_7);
              s1_0 = fma(q0.z, k0_0.z, s1_0); s1_1 = fma(q0.z, k1_0.z, s1_1); s1_2 = fma(q0.z, k2_0.z, s1_2); s1_3 = fma(q0.z, k3_0.z, s1_3); s1_4 = fma(q0.z, k4_0.z, s1_4); s1_5 = fma(q0.z, k5_0.z, s1_5); s1_6 = fma(q0.z, k6_0.z, s1_6); s1_7 = fma(q0.z, k7_0.z, s1_7);
              s1_0 = fma(q0.w, k0_0.w, s1_0); s1_1 = fma(q0.w, k1_0.w, s1_1); s1_2 = fma(q0.w, k2_0.w, s1_2); s1_3 = fma(q0.w, k3_0.w, s1_3); s1_4 = fma(q0.w, k4_0.w, s1_4); s1_5 = fma(q0.w, k5_0.w, s1_5); s1_6 = fma(q0.w, k6_0.w, s1_6); s1_7 = fma(q0.w, k7_0.w, s1_7); }
            { let q0 = queryAt(query2, d) * params.sideScale;
              s2_0 = fma(q0.x, k0_0.x, s2_0); s2_1 = fma(q0.x, k1_0.x, s2_1); s2_2 = fma(q0.x, k2_0.x, s2_2); s2_3 = fma(q0.x, k3_0.x, s2_3); s2_4 = fma(q0.x, k4_0.x, s2_4); s2_5 = fma(q0.x, k5_0.x, s2_5); s2_6 = fma(q0.x, k6_0.x, s2_6); s2_7 = fma(q0.x, k7_0.x, s2_7);
              s2_0 = fma(q0.y, k0_0.y, s2_0); s2_1 = fma(q0.y, k1_0.y, s2_1); s2_2 = fma(q0.y, k2_0.y, s2_2); s2_3 = fma(q0.y, k3_0.y, s2_3); s2_4 = fma(q0.y, k4_0.y, s2_4); s2_5 = fma(q0.y, k5_0.y, s2_5); s2_6 = fma(q0.y, k6_0.y, s2_6); s2_7 = fma(q0.y, k7_0.y, s2_7);
              s2_0 = fma(q0.z, k0_0.z, s2_0); s2_1 = fma(q0.z, k1_0.z, s2_1); s2_2 = fma(q0.z, k2_0.z, s2_2); s2_3 = fma(q0.z, k3_0.z, s2_3); s2_4 = fma(q0.z, k4_0.z, s2_4); s2_5 = fma(q0.z, k5_0.z, s2_5); s2_6 = fma(q0.z, k6_0.z, s2_6); s2_7 = fma(q0.z, k7_0.z, s2_7);
              s2_0 = fma(q0.w, k0_0.w, s2_0); s2_1 = fma(q0.w, k1_0.w, s2_1); s2_2 = fma(q0.w, k2_0.w, s2_2); s2_3 = fma(q0.w, k3_0.w, s2_3); s2_4 = fma(q0.w, k4_0.w, s2_4); s2_5 = fma(q0.w, k5_0.w, s2_5); s2_6 = fma(q0.w, k6_0.w, s2_6); s2_7 = fma(q0.w, k7_0.w, s2_7); }
            { let q0 = queryAt(query3, d) * params.sideScale;
              s3_0 = fma(q0.x, k0_0.x, s3_0); s3_1 = fma(q0.x, k1_0.x, s3_1); s3_2 = fma(q0.x, k2_0.x, s3_2); s3_3 = fma(q0.x, k3_0.x, s3_3); s3_4 = fma(q0.x, k4_0.x, s3_4); s3_5 = fma(q0.x, k5_0.x, s3_5); s3_6 = fma(q0.x, k6_0.x, s3_6); s3_7 = fma(q0.x, k7_0.x, s3_7);
              s3_0 = fma(q0.y, k0_0.y, s3_0); s3_1 = fma(q0.y, k1_0.y, s3_1); s3_2 = fma(q0.y, k2_0.y, s3_2); s3_3 = fma(q0.y, k3_0.y, s3_3); s3_4 = fma(q0.y, k4_0.y, s3_4); s3_5 = fma(q0.y, k5_0.y, s3_5); s3_6 = fma(q0.y, k6_0.y, s3_6); s3_7 = fma(q0.y, k7_0.y, s3_7);
              s3_0 = fma(q0.z, k0_0.z, s3_0); s3_1 = fma(q0.z, k1_0.z, s3_1); s3_2 = fma(q0.z, k2_0.z, s3_2); s3_3 = fma(q0.z, k3_0.z, s3_3); s3_4 = fma(q0.z, k4_0.z, s3_4); s3_5 = fma(q0.z, k5_0.z, s3_5); s3_6 = fma(q0.z, k6_0.z, s3_6); s3_7 = fma(q0.z, k7_0.z, s3_7);
              s3_0 = fma(q0.w, k0_0.w, s3_0); s3_1 = fma(q0.w, k1_0.w, s3_1); s3_2 = fma(q0.w, k2_0.w, s3_2); s3_3 = fma(q0.w, k3_0.w, s3_3); s3_4 = fma(q0.w, k4_0.w, s3_4); s3_5 = fma(q0.w, k5_0.w, s3_5); s3_6 = fma(q0.w, k6_0.w, s3_6); s3_7 = fma(q0.w, k7_0.w, s3_7); }
          }
          { let d = n * 2u + 1u;
            let k0_0 = memory[own + 0u + (d + tx) % 6u];
            let k1_0 = memory[own + 48u + (d + tx + 2u) % 6u];
            let k2_0 = memory[own + 96u + (d + tx + 4u) % 6u];
            let k3_0 = memory[own + 144u + (d + tx) % 6u];
            let k4_0 = memory[own + 192u + (d + tx + 2u) % 6u];
            let k5_0 = memory[own + 240u + (d + tx + 4u) % 6u];
            let k6_0 = memory[own + 288u + (d + tx) % 6u];
            let k7_0 = memory[own + 336u + (d + tx + 2u) % 6u];
            { let q0 = queryAt(query0, d) * params.sideScale;
              s0_0 = fma(q0.x, k0_0.x, s0_0); s0_1 = fma(q0.x, k1_0.x, s0_1); s0_2 = fma(q0.x, k2_0.x, s0_2); s0_3 = fma(q0.x, k3_0.x, s0_3); s0_4 = fma(q0.x, k4_0.x, s0_4); s0_5 = fma(q0.x, k5_0.x, s0_5); s0_6 = fma(q0.x, k6_0.x, s0_6); s0_7 = fma(q0.x, k7_0.x, s0_7);
              s0_0 = fma(q0.y, k0_0.y, s0_0); s0_1 = fma(q0.y, k1_0.y, s0_1); s0_2 = fma(q0.y, k2_0.y, s0_2); s0_3 = fma(q0.y, k3_0.y, s0_3); s0_4 = fma(q0.y, k4_0.y, s0_4); s0_5 = fma(q0.y, k5_0.y, s0_5); s0_6 = fma(q0.y, k6_0.y, s0_6); s0_7 = fma(q0.y, k7_0.y, s0_7);
              s0_0 = fma(q0.z, k0_0.z, s0_0); s0_1 = fma(q0.z, k1_0.z, s0_1); s0_2 = fma(q0.z, k2_0.z, s0_2); s0_3 = fma(q0.z, k3_0.z, s0_3); s0_4 = fma(q0.z, k4_0.z, s0_4); s0_5 = fma(q0.z, k5_0.z, s0_5); s0_6 = fma(q0.z, k6_0.z, s0_6); s0_7 = fma(q0.z, k7_0.z, s0_7);
              s0_0 = fma(q0.w, k0_0.w, s0_0); s0_1 = fma(q0.w, k1_0.w, s0_1); s0_2 = fma(q0.w, k2_0.w, s0_2); s0_3 = fma(q0.w, k3_0.w, s0_3); s0_4 = fma(q0.w, k4_0.w, s0_4); s0_5 = fma(q0.w, k5_0.w, s0_5); s0_6 = fma(q0.w, k6_0.w, s0_6); s0_7 = fma(q0.w, k7_0.w, s0_7); }
            { let q0 = queryAt(query1, d) * params.sideScale;
              s1_0 = fma(q0.x, k0_0.x, s1_0); s1_1 = fma(q0.x, k1_0.x, s1_1); s1_2 = fma(q0.x, k2_0.x, s1_2); s1_3 = fma(q0.x, k3_0.x, s1_3); s1_4 = fma(q0.x, k4_0.x, s1_4); s1_5 = fma(q0.x, k5_0.x, s1_5); s1_6 = fma(q0.x, k6_0.x, s1_6); s1_7 = fma(q0.x, k7_0.x, s1_7);
              s1_0 = fma(q0.y, k0_0.y, s1_0); s1_1 = fma(q0.y, k1_0.y, s1_1); s1_2 = fma(q0.y, k2_0.y, s1_2); s1_3 = fma(q0.y, k3_0.y, s1_3); s1_4 = fma(q0.y, k4_0.y, s1_4); s1_5 = fma(q0.y, k5_0.y, s1_5); s1_6 = fma(q0.y, k6_0.y, s1_6); s1_7 = fma(q0.y, k7_0.y, s1_7);
              s1_0 = fma(q0.z, k0_0.z, s1_0); s1_1 = fma(q0.z, k1_0.z, s1_1); s1_2 = fma(q0.z, k2_0.z, s1_2); s1_3 = fma(q0.z, k3_0.z, s1_3); s1_4 = fma(q0.z, k4_0.z, s1_4); s1_5 = fma(q0.z, k5_0.z, s1_5); s1_6 = fma(q0.z, k6_0.z, s1_6); s1_7 = fma(q0.z, k7_0.z, s1_7);
              s1_0 = fma(q0.w, k0_0.w, s1_0); s1_1 = fma(q0.w, k1_0.w, s1_1); s1_2 = fma(q0.w, k2_0.w, s1_2); s1_3 = fma(q0.w, k3_0.w, s1_3); s1_4 = fma(q0.w, k4_0.w, s1_4); s1_5 = fma(q0.w, k5_0.w, s1_5); s1_6 = fma(q0.w, k6_0.w, s1_6); s1_7 = fma(q0.w, k7_0.w, s1_7); }
            { let q0 = queryAt(query2, d) * params.sideScale;
              s2_0 = fma(q0.x, k0_0.x, s2_0); s2_1 = fma(q0.x, k1_0.x, s2_1); s2_2 = fma(q0.x, k2_0.x, s2_2); s2_3 = fma(q0.x, k3_0.x, s2_3); s2_4 = fma(q0.x, k4_0.x, s2_4); s2_5 = fma(q0.x, k5_0.x, s2_5); s2_6 = fma(q0.x, k6_0.x, s2_6); s2_7 = fma(q0.x, k7_0.x, s2_7);
              s2_0 = fma(q0.y, k0_0.y, s2_0); s2_1 = fma(q0.y, k1_0.y, s2_1); s2_2 = fma(q0.y, k2_0.y, s2_2); s2_3 = fma(q0.y, k3_0.y, s2_3); s2_4 = fma(q0.y, k4_0.y, s2_4); s2_5 = fma(q0.y, k5_0.y, s2_5); s2_6 = fma(q0.y, k6_0.y, s2_6); s2_7 = fma(q0.y, k7_0.y, s2_7);
              s2_0 = fma(q0.z, k0_0.z, s2_0); s2_1 = fma(q0.z, k1_0.z, s2_1); s2_2 = fma(q0.z, k2_0.z, s2_2); s2_3 = fma(q0.z, k3_0.z, s2_3); s2_4 = fma(q0.z, k4_0.z, s2_4); s2_5 = fma(q0.z, k5_0.z, s2_5); s2_6 = fma(q0.z, k6_0.z, s2_6); s2_7 = fma(q0.z, k7_0.z, s2_7);
              s2_0 = fma(q0.w, k0_0.w, s2_0); s2_1 = fma(q0.w, k1_0.w, s2_1); s2_2 = fma(q0.w, k2_0.w, s2_2); s2_3 = fma(q0.w, k3_0.w, s2_3); s2_4 = fma(q0.w, k4_0.w, s2_4); s2_5 = fma(q0.w, k5_0.w, s2_5); s2_6 = fma(q0.w, k6_0.w, s2_6); s2_7 = fma(q0.w, k7_0.w, s2_7); }
            { let q0 = queryAt(query3, d) * params.sideScale;
              s3_0 = fma(q0.x, k0_0.x, s3_0); s3_1 = fma(q0.x, k1_0.x, s3_1); s3_2 = fma(q0.x, k2_0.x, s3_2); s3_3 = fma(q0.x, k3_0.x, s3_3); s3_4 = fma(q0.x, k4_0.x, s3_4); s3_5 = fma(q0.x, k5_0.x, s3_5); s3_6 = fma(q0.x, k6_0.x, s3_6); s3_7 = fma(q0.x, k7_0.x, s3_7);
              s3_0 = fma(q0.y, k0_0.y, s3_0); s3_1 = fma(q0.y, k1_0.y, s3_1); s3_2 = fma(q0.y, k2_0.y, s3_2); s3_3 = fma(q0.y, k3_0.y, s3_3); s3_4 = fma(q0.y, k4_0.y, s3_4); s3_5 = fma(q0.y, k5_0.y, s3_5); s3_6 = fma(q0.y, k6_0.y, s3_6); s3_7 = fma(q0.y, k7_0.y, s3_7);
              s3_0 = fma(q0.z, k0_0.z, s3_0); s3_1 = fma(q0.z, k1_0.z, s3_1); s3_2 = fma(q0.z, k2_0.z, s3_2); s3_3 = fma(q0.z, k3_0.z, s3_3); s3_4 = fma(q0.z, k4_0.z, s3_4); s3_5 = fma(q0.z, k5_0.z, s3_5); s3_6 = fma(q0.z, k6_0.z, s3_6); s3_7 = fma(q0.z, k7_0.z, s3_7);
              s3_0 = fma(q0.w, k0_0.w, s3_0); s3_1 = fma(q0.w, k1_0.w, s3_1); s3_2 = fma(q0.w, k2_0.w, s3_2); s3_3 = fma(q0.w, k3_0.w, s3_3); s3_4 = fma(q0.w, k4_0.w, s3_4); s3_5 = fma(q0.w, k5_0.w, s3_5); s3_6 = fma(q0.w, k6_0.w, s3_6); s3_7 = fma(q0.w, k7_0.w, s3_7); }
          }
        }
      }
      { let k0 = keysOf.x + keysOf.y * min(y0 + i32(tx) + 0, y.y - 1);
        let b0 = u32(k0) * params.biasStrides.w;
        let theirs0 = schedule[params.keySegments + batch * params.keyLength + u32(k0)].x;
        let k1 = keysOf.x + keysOf.y * min(y0 + i32(tx) + 8, y.y - 1);
        let b1 = u32(k1) * params.biasStrides.w;
        let theirs1 = schedule[params.keySegments + batch * params.keyLength + u32(k1)].x;
        let k2 = keysOf.x + keysOf.y * min(y0 + i32(tx) + 16, y.y - 1);
        let b2 = u32(k2) * params.biasStrides.w;
        let theirs2 = schedule[params.keySegments + batch * params.keyLength + u32(k2)].x;
        let k3 = keysOf.x + keysOf.y * min(y0 + i32(tx) + 24, y.y - 1);
        let b3 = u32(k3) * params.biasStrides.w;
        let theirs3 = schedule[params.keySegments + batch * params.keyLength + u32(k3)].x;
        let k4 = keysOf.x + keysOf.y * min(y0 + i32(tx) + 32, y.y - 1);
        let b4 = u32(k4) * params.biasStrides.w;
        let theirs4 = schedule[params.keySegments + batch * params.keyLength + u32(k4)].x;
        let k5 = keysOf.x + keysOf.y * min(y0 + i32(tx) + 40, y.y - 1);
        let b5 = u32(k5) * params.biasStrides.w;
        let theirs5 = schedule[params.keySegments + batch * params.keyLength + u32(k5)].x;
        let k6 = keysOf.x + keysOf.y * min(y0 + i32(tx) + 48, y.y - 1);
        let b6 = u32(k6) * params.biasStrides.w;
        let theirs6 = schedule[params.keySegments + batch * params.keyLength + u32(k6)].x;
        let k7 = keysOf.x + keysOf.y * min(y0 + i32(tx) + 56, y.y - 1);
        let b7 = u32(k7) * params.biasStrides.w;
        let theirs7 = schedule[params.keySegments + batch * params.keyLength + u32(k7)].x;
        s0_0 = select(HIDDEN, biasedTwice((capped(s0_0 * params.scale) - slope0 * f32(abs(position0 - k0))), bias[bias0 + b0], extra(relative0 + u32(k0))), segment0 == theirs0);
        s0_1 = select(HIDDEN, biasedTwice((capped(s0_1 * params.scale) - slope0 * f32(abs(position0 - k1))), bias[bias0 + b1], extra(relative0 + u32(k1))), segment0 == theirs1);
        s0_2 = select(HIDDEN, biasedTwice((capped(s0_2 * params.scale) - slope0 * f32(abs(position0 - k2))), bias[bias0 + b2], extra(relative0 + u32(k2))), segment0 == theirs2);
        s0_3 = select(HIDDEN, biasedTwice((capped(s0_3 * params.scale) - slope0 * f32(abs(position0 - k3))), bias[bias0 + b3], extra(relative0 + u32(k3))), segment0 == theirs3);
        s0_4 = select(HIDDEN, biasedTwice((capped(s0_4 * params.scale) - slope0 * f32(abs(position0 - k4))), bias[bias0 + b4], extra(relative0 + u32(k4))), segment0 == theirs4);
        s0_5 = select(HIDDEN, biasedTwice((capped(s0_5 * params.scale) - slope0 * f32(abs(position0 - k5))), bias[bias0 + b5], extra(relative0 + u32(k5))), segment0 == theirs5);
        s0_6 = select(HIDDEN, biasedTwice((capped(s0_6 * params.scale) - slope0 * f32(abs(position0 - k6))), bias[bias0 + b6], extra(relative0 + u32(k6))), segment0 == theirs6);
        s0_7 = select(HIDDEN, biasedTwice((capped(s0_7 * params.scale) - slope0 * f32(abs(position0 - k7))), bias[bias0 + b7], extra(relative0 + u32(k7))), segment0 == theirs7);
        s1_0 = select(HIDDEN, biasedTwice((capped(s1_0 * params.scale) - slope1 * f32(abs(position1 - k0))), bias[bias1 + b0], extra(relative1 + u32(k0))), segment1 == theirs0);
        s1_1 = select(HIDDEN, biasedTwice((capped(s1_1 * params.scale) - slope1 * f32(abs(position1 - k1))), bias[bias1 + b1], extra(relative1 + u32(k1))), segment1 == theirs1);
        s1_2 = select(HIDDEN, biasedTwice((capped(s1_2 * params.scale) - slope1 * f32(abs(position1 - k2))), bias[bias1 + b2], extra(relative1 + u32(k2))), segment1 == theirs2);
        s1_3 = select(HIDDEN, biasedTwice((capped(s1_3 * params.scale) - slope1 * f32(abs(position1 - k3))), bias[bias1 + b3], extra(relative1 + u32(k3))), segment1 == theirs3);
        s1_4 = select(HIDDEN, biasedTwice((capped(s1_4 * params.scale) - slope1 * f32(abs(position1 - k4))), bias[bias1 + b4], extra(relative1 + u32(k4))), segment1 == theirs4);
        s1_5 = select(HIDDEN, biasedTwice((capped(s1_5 * params.scale) - slope1 * f32(abs(position1 - k5))), bias[bias1 + b5], extra(relative1 + u32(k5))), segment1 == theirs5);
        s1_6 = select(HIDDEN, biasedTwice((capped(s1_6 * params.scale) - slope1 * f32(abs(position1 - k6))), bias[bias1 + b6], extra(relative1 + u32(k6))), segment1 == theirs6);
        s1_7 = select(HIDDEN, biasedTwice((capped(s1_7 * params.scale) - slope1 * f32(abs(position1 - k7))), bias[bias1 + b7], extra(relative1 + u32(k7))), segment1 == theirs7);
        s2_0 = select(HIDDEN, biasedTwice((capped(s2_0 * params.scale) - slope2 * f32(abs(position2 - k0))), bias[bias2 + b0], extra(relative2 + u32(k0))), segment2 == theirs0);
        s2_1 = select(HIDDEN, biasedTwice((capped(s2_1 * params.scale) - slope2 * f32(abs(position2 - k1))), bias[bias2 + b1], extra(relative2 + u32(k1))), segment2 == theirs1);
        s2_2 = select(HIDDEN, biasedTwice((capped(s2_2 * params.scale) - slope2 * f32(abs(position2 - k2))), bias[bias2 + b2], extra(relative2 + u32(k2))), segment2 == theirs2);
        s2_3 = select(HIDDEN, biasedTwice((capped(s2_3 * params.scale) - slope2 * f32(abs(position2 - k3))), bias[bias2 + b3], extra(relative2 + u32(k3))), segment2 == theirs3);
        s2_4 = select(HIDDEN, biasedTwice((capped(s2_4 * params.scale) - slope2 * f32(abs(position2 - k4))), bias[bias2 + b4], extra(relative2 + u32(k4))), segment2 == theirs4);
        s2_5 = select(HIDDEN, biasedTwice((capped(s2_5 * params.scale) - slope2 * f32(abs(position2 - k5))), bias[bias2 + b5], extra(relative2 + u32(k5))), segment2 == theirs5);
        s2_6 = select(HIDDEN, biasedTwice((capped(s2_6 * params.scale) - slope2 * f32(abs(position2 - k6))), bias[bias2 + b6], extra(relative2 + u32(k6))), segment2 == theirs6);
        s2_7 = select(HIDDEN, biasedTwice((capped(s2_7 * params.scale) - slope2 * f32(abs(position2 - k7))), bias[bias2 + b7], extra(relative2 + u32(k7))), segment2 == theirs7);
        s3_0 = select(HIDDEN, biasedTwice((capped(s3_0 * params.scale) - slope3 * f32(abs(position3 - k0))), bias[bias3 + b0], extra(relative3 + u32(k0))), segment3 == theirs0);
        s3_1 = select(HIDDEN, biasedTwice((capped(s3_1 * params.scale) - slope3 * f32(abs(position3 - k1))), bias[bias3 + b1], extra(relative3 + u32(k1))), segment3 == theirs1);
        s3_2 = select(HIDDEN, biasedTwice((capped(s3_2 * params.scale) - slope3 * f32(abs(position3 - k2))), bias[bias3 + b2], extra(relative3 + u32(k2))), segment3 == theirs2);
        s3_3 = select(HIDDEN, biasedTwice((capped(s3_3 * params.scale) - slope3 * f32(abs(position3 - k3))), bias[bias3 + b3], extra(relative3 + u32(k3))), segment3 == theirs3);
        s3_4 = select(HIDDEN, biasedTwice((capped(s3_4 * params.scale) - slope3 * f32(abs(position3 - k4))), bias[bias3 + b4], extra(relative3 + u32(k4))), segment3 == theirs4);
        s3_5 = select(HIDDEN, biasedTwice((capped(s3_5 * params.scale) - slope3 * f32(abs(position3 - k5))), bias[bias3 + b5], extra(relative3 + u32(k5))), segment3 == theirs5);
        s3_6 = select(HIDDEN, biasedTwice((capped(s3_6 * params.scale) - slope3 * f32(abs(position3 - k6))), bias[bias3 + b6], extra(relative3 + u32(k6))), segment3 == theirs6);
        s3_7 = select(HIDDEN, biasedTwice((capped(s3_7 * params.scale) - slope3 * f32(abs(position3 - k7))), bias[bias3 + b7], extra(relative3 + u32(k7))), segment3 == theirs7);
        if (y0 >= full.x && y0 + KEYS <= min(full.y, y.y) && owned.x == ROWS) {
          output[u32(place0 + y0 + i32(tx) + 0)] = select(bitcast<u32>(s0_0 * UNIT - apart0), 0xff800000u, s0_0 <= EMPTY || k0 >= keyCount);
          output[u32(place0 + y0 + i32(tx) + 8)] = select(bitcast<u32>(s0_1 * UNIT - apart0), 0xff800000u, s0_1 <= EMPTY || k1 >= keyCount);
          output[u32(place0 + y0 + i32(tx) + 16)] = select(bitcast<u32>(s0_2 * UNIT - apart0), 0xff800000u, s0_2 <= EMPTY || k2 >= keyCount);
          output[u32(place0 + y0 + i32(tx) + 24)] = select(bitcast<u32>(s0_3 * UNIT - apart0), 0xff800000u, s0_3 <= EMPTY || k3 >= keyCount);
          output[u32(place0 + y0 + i32(tx) + 32)] = select(bitcast<u32>(s0_4 * UNIT - apart0), 0xff800000u, s0_4 <= EMPTY || k4 >= keyCount);
          output[u32(place0 + y0 + i32(tx) + 40)] = select(bitcast<u32>(s0_5 * UNIT - apart0), 0xff800000u, s0_5 <= EMPTY || k5 >= keyCount);
          output[u32(place0 + y0 + i32(tx) + 48)] = select(bitcast<u32>(s0_6 * UNIT - apart0), 0xff800000u, s0_6 <= EMPTY || k6 >= keyCount);
          output[u32(place0 + y0 + i32(tx) + 56)] = select(bitcast<u32>(s0_7 * UNIT - apart0), 0xff800000u, s0_7 <= EMPTY || k7 >= keyCount);
          output[u32(place1 + y0 + i32(tx) + 0)] = select(bitcast<u32>(s1_0 * UNIT - apart1), 0xff800000u, s1_0 <= EMPTY || k0 >= keyCount);
          output[u32(place1 + y0 + i32(tx) + 8)] = select(bitcast<u32>(s1_1 * UNIT - apart1), 0xff800000u, s1_1 <= EMPTY || k1 >= keyCount);
          output[u32(place1 + y0 + i32(tx) + 16)] = select(bitcast<u32>(s1_2 * UNIT - apart1), 0xff800000u, s1_2 <= EMPTY || k2 >= keyCount);
          output[u32(place1 + y0 + i32(tx) + 24)] = select(bitcast<u32>(s1_3 * UNIT - apart1), 0xff800000u, s1_3 <= EMPTY || k3 >= keyCount);
          output[u32(place1 + y0 + i32(tx) + 32)] = select(bitcast<u32>(s1_4 * UNIT - apart1), 0xff800000u, s1_4 <= EMPTY || k4 >= keyCount);
          output[u32(place1 + y0 + i32(tx) + 40)] = select(bitcast<u32>(s1_5 * UNIT - apart1), 0xff800000u, s1_5 <= EMPTY || k5 >= keyCount);
          output[u32(place1 + y0 + i32(tx) + 48)] = select(bitcast<u32>(s1_6 * UNIT - apart1), 0xff800000u, s1_6 <= EMPTY || k6 >= keyCount);
          output[u32(place1 + y0 + i32(tx) + 56)] = select(bitcast<u32>(s1_7 * UNIT - apart1), 0xff800000u, s1_7 <= EMPTY || k7 >= keyCount);
          output[u32(place2 + y0 + i32(tx) + 0)] = select(bitcast<u32>(s2_0 * UNIT - apart2), 0xff800000u, s2_0 <= EMPTY || k0 >= keyCount);
          output[u32(place2 + y0 + i32(tx) + 8)] = select(bitcast<u32>(s2_1 * UNIT - apart2), 0xff800000u, s2_1 <= EMPTY || k1 >= keyCount);
          output[u32(place2 + y0 + i32(tx) + 16)] = select(bitcast<u32>(s2_2 * UNIT - apart2), 0xff800000u, s2_2 <= EMPTY || k2 >= keyCount);
          output[u32(place2 + y0 + i32(tx) + 24)] = select(bitcast<u32>(s2_3 * UNIT - apart2), 0xff800000u, s2_3 <= EMPTY || k3 >= keyCount);
          output[u32(place2 + y0 + i32(tx) + 32)] = select(bitcast<u32>(s2_4 * UNIT - apart2), 0xff800000u, s2_4 <= EMPTY || k4 >= keyCount);
          output[u32(place2 + y0 + i32(tx) + 40)] = select(bitcast<u32>(s2_5 * UNIT - apart2), 0xff800000u, s2_5 <= EMPTY || k5 >= keyCount);
          output[u32(place2 + y0 + i32(tx) + 48)] = select(bitcast<u32>(s2_6 * UNIT - apart2), 0xff800000u, s2_6 <= EMPTY || k6 >= keyCount);
          output[u32(place2 + y0 + i32(tx) + 56)] = select(bitcast<u32>(s2_7 * UNIT - apart2), 0xff800000u, s2_7 <= EMPTY || k7 >= keyCount);
          output[u32(place3 + y0 + i32(tx) + 0)] = select(bitcast<u32>(s3_0 * UNIT - apart3), 0xff800000u, s3_0 <= EMPTY || k0 >= keyCount);
          output[u32(place3 + y0 + i32(tx) + 8)] = select(bitcast<u32>(s3_1 * UNIT - apart3), 0xff800000u, s3_1 <= EMPTY || k1 >= keyCount);
          output[u32(place3 + y0 + i32(tx) + 16)] = select(bitcast<u32>(s3_2 * UNIT - apart3), 0xff800000u, s3_2 <= EMPTY || k2 >= keyCount);
          output[u32(place3 + y0 + i32(tx) + 24)] = select(bitcast<u32>(s3_3 * UNIT - apart3), 0xff800000u, s3_3 <= EMPTY || k3 >= keyCount);
          output[u32(place3 + y0 + i32(tx) + 32)] = select(bitcast<u32>(s3_4 * UNIT - apart3), 0xff800000u, s3_4 <= EMPTY || k4 >= keyCount);
          output[u32(place3 + y0 + i32(tx) + 40)] = select(bitcast<u32>(s3_5 * UNIT - apart3), 0xff800000u, s3_5 <= EMPTY || k5 >= keyCount);
          output[u32(place3 + y0 + i32(tx) + 48)] = select(bitcast<u32>(s3_6 * UNIT - apart3), 0xff800000u, s3_6 <= EMPTY || k6 >= keyCount);
          output[u32(place3 + y0 + i32(tx) + 56)] = select(bitcast<u32>(s3_7 * UNIT - apart3), 0xff800000u, s3_7 <= EMPTY || k7 >= keyCount);
        } else {
          if (y0 + i32(tx) + 0 >= own0.x && y0 + i32(tx) + 0 < own0.y) { output[u32(place0 + y0 + i32(tx) + 0)] = select(bitcast<u32>(s0_0 * UNIT - apart0), 0xff800000u, s0_0 <= EMPTY || k0 >= keyCount); }
          if (y0 + i32(tx) + 8 >= own0.x && y0 + i32(tx) + 8 < own0.y) { output[u32(place0 + y0 + i32(tx) + 8)] = select(bitcast<u32>(s0_1 * UNIT - apart0), 0xff800000u, s0_1 <= EMPTY || k1 >= keyCount); }
          if (y0 + i32(tx) + 16 >= own0.x && y0 + i32(tx) + 16 < own0.y) { output[u32(place0 + y0 + i32(tx) + 16)] = select(bitcast<u32>(s0_2 * UNIT - apart0), 0xff800000u, s0_2 <= EMPTY || k2 >= keyCount); }
          if (y0 + i32(tx) + 24 >= own0.x && y0 + i32(tx) + 24 < own0.y) { output[u32(place0 + y0 + i32(tx) + 24)] = select(bitcast<u32>(s0_3 * UNIT - apart0), 0xff800000u, s0_3 <= EMPTY || k3 >= keyCount); }
          if (y0 + i32(tx) + 32 >= own0.x && y0 + i32(tx) + 32 < own0.y) { output[u32(place0 + y0 + i32(tx) + 32)] = select(bitcast<u32>(s0_4 * UNIT - apart0), 0xff800000u, s0_4 <= EMPTY || k4 >= keyCount); }
          if (y0 + i32(tx) + 40 >= own0.x && y0 + i32(tx) + 40 < own0.y) { output[u32(place0 + y0 + i32(tx) + 40)] = select(bitcast<u32>(s0_5 * UNIT - apart0), 0xff800000u, s0_5 <= EMPTY || k5 >= keyCount); }
          if (y0 + i32(tx) + 48 >= own0.x && y0 + i32(tx) + 48 < own0.y) { output[u32(place0 + y0 + i32(tx) + 48)] = select(bitcast<u32>(s0_6 * UNIT - apart0), 0xff800000u, s0_6 <= EMPTY || k6 >= keyCount); }
          if (y0 + i32(tx) + 56 >= own0.x && y0 + i32(tx) + 56 < own0.y) { output[u32(place0 + y0 + i32(tx) + 56)] = select(bitcast<u32>(s0_7 * UNIT - apart0), 0xff800000u, s0_7 <= EMPTY || k7 >= keyCount); }
          if (y0 + i32(tx) + 0 >= own1.x && y0 + i32(tx) + 0 < own1.y) { output[u32(place1 + y0 + i32(tx) + 0)] = select(bitcast<u32>(s1_0 * UNIT - apart1), 0xff800000u, s1_0 <= EMPTY || k0 >= keyCount); }
          if (y0 + i32(tx) + 8 >= own1.x && y0 + i32(tx) + 8 < own1.y) { output[u32(place1 + y0 + i32(tx) + 8)] = select(bitcast<u32>(s1_1 * UNIT - apart1), 0xff800000u, s1_1 <= EMPTY || k1 >= keyCount); }
          if (y0 + i32(tx) + 16 >= own1.x && y0 + i32(tx) + 16 < own1.y) { output[u32(place1 + y0 + i32(tx) + 16)] = select(bitcast<u32>(s1_2 * UNIT - apart1), 0xff800000u, s1_2 <= EMPTY || k2 >= keyCount); }
          if (y0 + i32(tx) + 24 >= own1.x && y0 + i32(tx) + 24 < own1.y) { output[u32(place1 + y0 + i32(tx) + 24)] = select(bitcast<u32>(s1_3 * UNIT - apart1), 0xff800000u, s1_3 <= EMPTY || k3 >= keyCount); }
          if (y0 + i32(tx) + 32 >= own1.x && y0 + i32(tx) + 32 < own1.y) { output[u32(place1 + y0 + i32(tx) + 32)] = select(bitcast<u32>(s1_4 * UNIT - apart1), 0xff800000u, s1_4 <= EMPTY || k4 >= keyCount); }
          if (y0 + i32(tx) + 40 >= own1.x && y0 + i32(tx) + 40 < own1.y) { output[u32(place1 + y0 + i32(tx) + 40)] = select(bitcast<u32>(s1_5 * UNIT - apart1), 0xff800000u, s1_5 <= EMPTY || k5 >= keyCount); }
          if (y0 + i32(tx) + 48 >= own1.x && y0 + i32(tx) + 48 < own1.y) { output[u32(place1 + y0 + i32(tx) + 48)] = select(bitcast<u32>(s1_6 * UNIT - apart1), 0xff800000u, s1_6 <= EMPTY || k6 >= keyCount); }
          if (y0 + i32(tx) + 56 >= own1.x && y0 + i32(tx) + 56 < own1.y) { output[u32(place1 + y0 + i32(tx) + 56)] = select(bitcast<u32>(s1_7 * UNIT - apart1), 0xff800000u, s1_7 <= EMPTY || k7 >= keyCount); }
          if (y0 + i32(tx) + 0 >= own2.x && y0 + i32(tx) + 0 < own2.y) { output[u32(place2 + y0 + i32(tx) + 0)] = select(bitcast<u32>(s2_0 * UNIT - apart2), 0xff800000u, s2_0 <= EMPTY || k0 >= keyCount); }
          if (y0 + i32(tx) + 8 >= own2.x && y0 + i32(tx) + 8 < own2.y) { output[u32(place2 + y0 + i32(tx) + 8)] = select(bitcast<u32>(s2_1 * UNIT - apart2), 0xff800000u, s2_1 <= EMPTY || k1 >= keyCount); }
          if (y0 + i32(tx) + 16 >= own2.x && y0 + i32(tx) + 16 < own2.y) { output[u32(place2 + y0 + i32(tx) + 16)] = select(bitcast<u32>(s2_2 * UNIT - apart2), 0xff800000u, s2_2 <= EMPTY || k2 >= keyCount); }
          if (y0 + i32(tx) + 24 >= own2.x && y0 + i32(tx) + 24 < own2.y) { output[u32(place2 + y0 + i32(tx) + 24)] = select(bitcast<u32>(s2_3 * UNIT - apart2), 0xff800000u, s2_3 <= EMPTY || k3 >= keyCount); }
          if (y0 + i32(tx) + 32 >= own2.x && y0 + i32(tx) + 32 < own2.y) { output[u32(place2 + y0 + i32(tx) + 32)] = select(bitcast<u32>(s2_4 * UNIT - apart2), 0xff800000u, s2_4 <= EMPTY || k4 >= keyCount); }
          if (y0 + i32(tx) + 40 >= own2.x && y0 + i32(tx) + 40 < own2.y) { output[u32(place2 + y0 + i32(tx) + 40)] = select(bitcast<u32>(s2_5 * UNIT - apart2), 0xff800000u, s2_5 <= EMPTY || k5 >= keyCount); }
          if (y0 + i32(tx) + 48 >= own2.x && y0 + i32(tx) + 48 < own2.y) { output[u32(place2 + y0 + i32(tx) + 48)] = select(bitcast<u32>(s2_6 * UNIT - apart2), 0xff800000u, s2_6 <= EMPTY || k6 >= keyCount); }
          if (y0 + i32(tx) + 56 >= own2.x && y0 + i32(tx) + 56 < own2.y) { output[u32(place2 + y0 + i32(tx) + 56)] = select(bitcast<u32>(s2_7 * UNIT - apart2), 0xff800000u, s2_7 <= EMPTY || k7 >= keyCount); }
          if (y0 + i32(tx) + 0 >= own3.x && y0 + i32(tx) + 0 < own3.y) { output[u32(place3 + y0 + i32(tx) + 0)] = select(bitcast<u32>(s3_0 * UNIT - apart3), 0xff800000u, s3_0 <= EMPTY || k0 >= keyCount); }
          if (y0 + i32(tx) + 8 >= own3.x && y0 + i32(tx) + 8 < own3.y) { output[u32(place3 + y0 + i32(tx) + 8)] = select(bitcast<u32>(s3_1 * UNIT - apart3), 0xff800000u, s3_1 <= EMPTY || k1 >= keyCount); }
          if (y0 + i32(tx) + 16 >= own3.x && y0 + i32(tx) + 16 < own3.y) { output[u32(place3 + y0 + i32(tx) + 16)] = select(bitcast<u32>(s3_2 * UNIT - apart3), 0xff800000u, s3_2 <= EMPTY || k2 >= keyCount); }
          if (y0 + i32(tx) + 24 >= own3.x && y0 + i32(tx) + 24 < own3.y) { output[u32(place3 + y0 + i32(tx) + 24)] = select(bitcast<u32>(s3_3 * UNIT - apart3), 0xff800000u, s3_3 <= EMPTY || k3 >= keyCount); }
          if (y0 + i32(tx) + 32 >= own3.x && y0 + i32(tx) + 32 < own3.y) { output[u32(place3 + y0 + i32(tx) + 32)] = select(bitcast<u32>(s3_4 * UNIT - apart3), 0xff800000u, s3_4 <= EMPTY || k4 >= keyCount); }
          if (y0 + i32(tx) + 40 >= own3.x && y0 + i32(tx) + 40 < own3.y) { output[u32(place3 + y0 + i32(tx) + 40)] = select(bitcast<u32>(s3_5 * UNIT - apart3), 0xff800000u, s3_5 <= EMPTY || k5 >= keyCount); }
          if (y0 + i32(tx) + 48 >= own3.x && y0 + i32(tx) + 48 < own3.y) { output[u32(place3 + y0 + i32(tx) + 48)] = select(bitcast<u32>(s3_6 * UNIT - apart3), 0xff800000u, s3_6 <= EMPTY || k6 >= keyCount); }
          if (y0 + i32(tx) + 56 >= own3.x && y0 + i32(tx) + 56 < own3.y) { output[u32(place3 + y0 + i32(tx) + 56)] = select(bitcast<u32>(s3_7 * UNIT - apart3), 0xff800000u, s3_7 <= EMPTY || k7 >= keyCount); }
        }
      }
    }
  }
}
