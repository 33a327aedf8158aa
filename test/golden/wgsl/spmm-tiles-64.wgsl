// packed weights times values, tiles of 64 × 32
// 8192 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> scratch: array<vec4f>;

// Packed weights times values: a workgroup owns ROWS rows of one head and visits their keys, KEYS at a time.
// values [batch, heads, pairs]  x [.., 64]  output [batch, heads, queryLength, 64].
const ROWS = 64;
const KEYS = 16;
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

// What is added to the number of a key in its span, of the interval with a number.
fn placeAt(interval: u32) -> i32 {
  let two = schedule[params.numbers + interval / 2u];
  return select(two.x, two.y, (interval & 1u) != 0u);
}

fn fourAt(at: u32) -> vec4f {
  return vec4f(values[at], values[at + 1u], values[at + 2u], values[at + 3u]);
}

fn pairAt(own: vec2i, place: i32, y: i32) -> f32 {
  let number = values[u32(place + clamp(y, own.x, max(own.x, own.y - 1)))];
  return select(0.0, number, y >= own.x && y < own.y);
}

var<workgroup> memory: array<vec4f, 512>;

@compute @workgroup_size(64)
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
  var o0_0 = vec4f(); var o0_1 = vec4f();
  var o1_0 = vec4f(); var o1_1 = vec4f();
  var o2_0 = vec4f(); var o2_1 = vec4f();
  var o3_0 = vec4f(); var o3_1 = vec4f();
  var o4_0 = vec4f(); var o4_1 = vec4f();
  var o5_0 = vec4f(); var o5_1 = vec4f();
  var o6_0 = vec4f(); var o6_1 = vec4f();
  var o7_0 = vec4f(); var o7_1 = vec4f();
  let x0 = (lane + 0u) / 4u; let key0 = 4 * i32((lane + 0u) % 4u);
  let x1 = (lane + 64u) / 4u; let key1 = 4 * i32((lane + 64u) % 4u);
  let x2 = (lane + 128u) / 4u; let key2 = 4 * i32((lane + 128u) % 4u);
  let x3 = (lane + 192u) / 4u; let key3 = 4 * i32((lane + 192u) % 4u);

  for (var number = spanRange.x; number < spanRange.y; number++) {
    let span = params.spans + 4u * u32(number);
    let keysOf = schedule[span]; // (firstKey, keyStride)
    let keyRows = keysOf * i32(params.keyStrides.y);
    let y = schedule[span + 1u]; // (begin, end)
    let full = schedule[span + 2u]; // keys that every row attends to
    let intervals = params.intervals + u32(schedule[span + 3u].x);
    var own0 = schedule[intervals + x0]; own0.y = min(own0.y, y.y);
    let place0 = linePairs + placeAt(intervals - params.intervals + x0);
    var w0 = vec4f();
    var own1 = schedule[intervals + x1]; own1.y = min(own1.y, y.y);
    let place1 = linePairs + placeAt(intervals - params.intervals + x1);
    var w1 = vec4f();
    var own2 = schedule[intervals + x2]; own2.y = min(own2.y, y.y);
    let place2 = linePairs + placeAt(intervals - params.intervals + x2);
    var w2 = vec4f();
    var own3 = schedule[intervals + x3]; own3.y = min(own3.y, y.y);
    let place3 = linePairs + placeAt(intervals - params.intervals + x3);
    var w3 = vec4f();
    var v0 = vec4f();
    var v1 = vec4f();
    var v2 = vec4f();
    var v3 = vec4f();
    if (y.x >= full.x && y.x + KEYS <= min(full.y, y.y) && owned.x == ROWS) {
      w0 = fourAt(u32(place0 + y.x + key0));
      w1 = fourAt(u32(place1 + y.x + key1));
      w2 = fourAt(u32(place2 + y.x + key2));
      w3 = fourAt(u32(place3 + y.x + key3));
    } else {
      w0 = vec4f(pairAt(own0, place0, y.x + key0 + 0), pairAt(own0, place0, y.x + key0 + 1), pairAt(own0, place0, y.x + key0 + 2), pairAt(own0, place0, y.x + key0 + 3));
      w1 = vec4f(pairAt(own1, place1, y.x + key1 + 0), pairAt(own1, place1, y.x + key1 + 1), pairAt(own1, place1, y.x + key1 + 2), pairAt(own1, place1, y.x + key1 + 3));
      w2 = vec4f(pairAt(own2, place2, y.x + key2 + 0), pairAt(own2, place2, y.x + key2 + 1), pairAt(own2, place2, y.x + key2 + 2), pairAt(own2, place2, y.x + key2 + 3));
      w3 = vec4f(pairAt(own3, place3, y.x + key3 + 0), pairAt(own3, place3, y.x + key3 + 1), pairAt(own3, place3, y.x + key3 + 2), pairAt(own3, place3, y.x + key3 + 3));
    }
    v0 = x[(keyLine + u32(keyRows.x + keyRows.y * min(y.x + i32((lane + 0u) / 16u), y.y - 1))) * 16u + (lane + 0u) % 16u];
    v1 = x[(keyLine + u32(keyRows.x + keyRows.y * min(y.x + i32((lane + 64u) / 16u), y.y - 1))) * 16u + (lane + 64u) % 16u];
    v2 = x[(keyLine + u32(keyRows.x + keyRows.y * min(y.x + i32((lane + 128u) / 16u), y.y - 1))) * 16u + (lane + 128u) % 16u];
    v3 = x[(keyLine + u32(keyRows.x + keyRows.y * min(y.x + i32((lane + 192u) / 16u), y.y - 1))) * 16u + (lane + 192u) % 16u];
    for (var y0 = y.x; y0 < y.y; y0 += KEYS) {
      // stage weights and values
      workgroupBarrier();
      memory[lane + 0u] = w0;
      memory[lane + 64u] = w1;
      memory[lane + 128u] = w2;
      memory[lane + 192u] = w3;
      memory[lane + 256u] = v0;
      memory[lane + 320u] = v1;
      memory[lane + 384u] = v2;
      memory[lane + 448u] = v3;
      if (y0 + KEYS < y.y) {
        if ((y0 + KEYS) >= full.x && (y0 + KEYS) + KEYS <= min(full.y, y.y) && owned.x == ROWS) {
          w0 = fourAt(u32(place0 + (y0 + KEYS) + key0));
          w1 = fourAt(u32(place1 + (y0 + KEYS) + key1));
          w2 = fourAt(u32(place2 + (y0 + KEYS) + key2));
          w3 = fourAt(u32(place3 + (y0 + KEYS) + key3));
        } else {
          w0 = vec4f(pairAt(own0, place0, (y0 + KEYS) + key0 + 0), pairAt(own0, place0, (y0 + KEYS) + key0 + 1), pairAt(own0, place0, (y0 + KEYS) + key0 + 2), pairAt(own0, place0, (y0 + KEYS) + key0 + 3));
          w1 = vec4f(pairAt(own1, place1, (y0 + KEYS) + key1 + 0), pairAt(own1, place1, (y0 + KEYS) + key1 + 1), pairAt(own1, place1, (y0 + KEYS) + key1 + 2), pairAt(own1, place1, (y0 + KEYS) + key1 + 3));
          w2 = vec4f(pairAt(own2, place2, (y0 + KEYS) + key2 + 0), pairAt(own2, place2, (y0 + KEYS) + key2 + 1), pairAt(own2, place2, (y0 + KEYS) + key2 + 2), pairAt(own2, place2, (y0 + KEYS) + key2 + 3));
          w3 = vec4f(pairAt(own3, place3, (y0 + KEYS) + key3 + 0), pairAt(own3, place3, (y0 + KEYS) + key3 + 1), pairAt(own3, place3, (y0 + KEYS) + key3 + 2), pairAt(own3, place3, (y0 + KEYS) + key3 + 3));
        }
        v0 = x[(keyLine + u32(keyRows.x + keyRows.y * min((y0 + KEYS) + i32((lane + 0u) / 16u), y.y - 1))) * 16u + (lane + 0u) % 16u];
        v1 = x[(keyLine + u32(keyRows.x + keyRows.y * min((y0 + KEYS) + i32((lane + 64u) / 16u), y.y - 1))) * 16u + (lane + 64u) % 16u];
        v2 = x[(keyLine + u32(keyRows.x + keyRows.y * min((y0 + KEYS) + i32((lane + 128u) / 16u), y.y - 1))) * 16u + (lane + 128u) % 16u];
        v3 = x[(keyLine + u32(keyRows.x + keyRows.y * min((y0 + KEYS) + i32((lane + 192u) / 16u), y.y - 1))) * 16u + (lane + 192u) % 16u];
      }
      // weigh values
      workgroupBarrier();
      for (var n = 0u; n < 4u; n += 4u) {
        {
          let q = n + 0u;
          let p0 = memory[(ty + 0u) * 4u + q];
          let p1 = memory[(ty + 8u) * 4u + q];
          let p2 = memory[(ty + 16u) * 4u + q];
          let p3 = memory[(ty + 24u) * 4u + q];
          let p4 = memory[(ty + 32u) * 4u + q];
          let p5 = memory[(ty + 40u) * 4u + q];
          let p6 = memory[(ty + 48u) * 4u + q];
          let p7 = memory[(ty + 56u) * 4u + q];
          {
            let v0 = memory[256u + (4u * q + 0u) * 16u + tx + 0u]; let v1 = memory[256u + (4u * q + 0u) * 16u + tx + 8u];
            o0_0 = fma(vec4f(p0[0]), v0, o0_0); o0_1 = fma(vec4f(p0[0]), v1, o0_1);
            o1_0 = fma(vec4f(p1[0]), v0, o1_0); o1_1 = fma(vec4f(p1[0]), v1, o1_1);
            o2_0 = fma(vec4f(p2[0]), v0, o2_0); o2_1 = fma(vec4f(p2[0]), v1, o2_1);
            o3_0 = fma(vec4f(p3[0]), v0, o3_0); o3_1 = fma(vec4f(p3[0]), v1, o3_1);
            o4_0 = fma(vec4f(p4[0]), v0, o4_0); o4_1 = fma(vec4f(p4[0]), v1, o4_1);
            o5_0 = fma(vec4f(p5[0]), v0, o5_0); o5_1 = fma(vec4f(p5[0]), v1, o5_1);
            o6_0 = fma(vec4f(p6[0]), v0, o6_0); o6_1 = fma(vec4f(p6[0]), v1, o6_1);
            o7_0 = fma(vec4f(p7[0]), v0, o7_0); o7_1 = fma(vec4f(p7[0]), v1, o7_1);
          }
          {
            let v0 = memory[256u + (4u * q + 1u) * 16u + tx + 0u]; let v1 = memory[256u + (4u * q + 1u) * 16u + tx + 8u];
            o0_0 = fma(vec4f(p0[1]), v0, o0_0); o0_1 = fma(vec4f(p0[1]), v1, o0_1);
            o1_0 = fma(vec4f(p1[1]), v0, o1_0); o1_1 = fma(vec4f(p1[1]), v1, o1_1);
            o2_0 = fma(vec4f(p2[1]), v0, o2_0); o2_1 = fma(vec4f(p2[1]), v1, o2_1);
            o3_0 = fma(vec4f(p3[1]), v0, o3_0); o3_1 = fma(vec4f(p3[1]), v1, o3_1);
            o4_0 = fma(vec4f(p4[1]), v0, o4_0); o4_1 = fma(vec4f(p4[1]), v1, o4_1);
            o5_0 = fma(vec4f(p5[1]), v0, o5_0); o5_1 = fma(vec4f(p5[1]), v1, o5_1);
            o6_0 = fma(vec4f(p6[1]), v0, o6_0); o6_1 = fma(vec4f(p6[1]), v1, o6_1);
            o7_0 = fma(vec4f(p7[1]), v0, o7_0); o7_1 = fma(vec4f(p7[1]), v1, o7_1);
          }
          {
            let v0 = memory[256u + (4u * q + 2u) * 16u + tx + 0u]; let v1 = memory[256u + (4u * q + 2u) * 16u + tx + 8u];
            o0_0 = fma(vec4f(p0[2]), v0, o0_0); o0_1 = fma(vec4f(p0[2]), v1, o0_1);
            o1_0 = fma(vec4f(p1[2]), v0, o1_0); o1_1 = fma(vec4f(p1[2]), v1, o1_1);
            o2_0 = fma(vec4f(p2[2]), v0, o2_0); o2_1 = fma(vec4f(p2[2]), v1, o2_1);
            o3_0 = fma(vec4f(p3[2]), v0, o3_0); o3_1 = fma(vec4f(p3[2]), v1, o3_1);
            o4_0 = fma(vec4f(p4[2]), v0, o4_0); o4_1 = fma(vec4f(p4[2]), v1, o4_1);
            o5_0 = fma(vec4f(p5[2]), v0, o5_0); o5_1 = fma(vec4f(p5[2]), v1, o5_1);
            o6_0 = fma(vec4f(p6[2]), v0, o6_0); o6_1 = fma(vec4f(p6[2]), v1, o6_1);
            o7_0 = fma(vec4f(p7[2]), v0, o7_0); o7_1 = fma(vec4f(p7[2]), v1, o7_1);
          }
          {
            let v0 = memory[256u + (4u * q + 3u) * 16u + tx + 0u]; let v1 = memory[256u + (4u * q + 3u) * 16u + tx + 8u];
            o0_0 = fma(vec4f(p0[3]), v0, o0_0); o0_1 = fma(vec4f(p0[3]), v1, o0_1);
            o1_0 = fma(vec4f(p1[3]), v0, o1_0); o1_1 = fma(vec4f(p1[3]), v1, o1_1);
            o2_0 = fma(vec4f(p2[3]), v0, o2_0); o2_1 = fma(vec4f(p2[3]), v1, o2_1);
            o3_0 = fma(vec4f(p3[3]), v0, o3_0); o3_1 = fma(vec4f(p3[3]), v1, o3_1);
            o4_0 = fma(vec4f(p4[3]), v0, o4_0); o4_1 = fma(vec4f(p4[3]), v1, o4_1);
            o5_0 = fma(vec4f(p5[3]), v0, o5_0); o5_1 = fma(vec4f(p5[3]), v1, o5_1);
            o6_0 = fma(vec4f(p6[3]), v0, o6_0); o6_1 = fma(vec4f(p6[3]), v1, o6_1);
            o7_0 = fma(vec4f(p7[3]), v0, o7_0); o7_1 = fma(vec4f(p7[3]), v1, o7_1);
          }
        }
        {
          let q = n + 1u;
          let p0 = memory[(ty + 0u) * 4u + q];
          let p1 = memory[(ty + 8u) * 4u + q];
          let p2 = memory[(ty + 16u) * 4u + q];
          let p3 = memory[(ty + 24u) * 4u + q];
          let p4 = memory[(ty + 32u) * 4u + q];
          let p5 = memory[(ty + 40u) * 4u + q];
          let p6 = memory[(ty + 48u) * 4u + q];
          let p7 = memory[(ty + 56u) * 4u + q];
          {
            let v0 = memory[256u + (4u * q + 0u) * 16u + tx + 0u]; let v1 = memory[256u + (4u * q + 0u) * 16u + tx + 8u];
            o0_0 = fma(vec4f(p0[0]), v0, o0_0); o0_1 = fma(vec4f(p0[0]), v1, o0_1);
            o1_0 = fma(vec4f(p1[0]), v0, o1_0); o1_1 = fma(vec4f(p1[0]), v1, o1_1);
            o2_0 = fma(vec4f(p2[0]), v0, o2_0); o2_1 = fma(vec4f(p2[0]), v1, o2_1);
            o3_0 = fma(vec4f(p3[0]), v0, o3_0); o3_1 = fma(vec4f(p3[0]), v1, o3_1);
            o4_0 = fma(vec4f(p4[0]), v0, o4_0); o4_1 = fma(vec4f(p4[0]), v1, o4_1);
            o5_0 = fma(vec4f(p5[0]), v0, o5_0); o5_1 = fma(vec4f(p5[0]), v1, o5_1);
            o6_0 = fma(vec4f(p6[0]), v0, o6_0); o6_1 = fma(vec4f(p6[0]), v1, o6_1);
            o7_0 = fma(vec4f(p7[0]), v0, o7_0); o7_1 = fma(vec4f(p7[0]), v1, o7_1);
          }
          {
            let v0 = memory[256u + (4u * q + 1u) * 16u + tx + 0u]; let v1 = memory[256u + (4u * q + 1u) * 16u + tx + 8u];
            o0_0 = fma(vec4f(p0[1]), v0, o0_0); o0_1 = fma(vec4f(p0[1]), v1, o0_1);
            o1_0 = fma(vec4f(p1[1]), v0, o1_0); o1_1 = fma(vec4f(p1[1]), v1, o1_1);
            o2_0 = fma(vec4f(p2[1]), v0, o2_0); o2_1 = fma(vec4f(p2[1]), v1, o2_1);
            o3_0 = fma(vec4f(p3[1]), v0, o3_0); o3_1 = fma(vec4f(p3[1]), v1, o3_1);
            o4_0 = fma(vec4f(p4[1]), v0, o4_0); o4_1 = fma(vec4f(p4[1]), v1, o4_1);
            o5_0 = fma(vec4f(p5[1]), v0, o5_0); o5_1 = fma(vec4f(p5[1]), v1, o5_1);
            o6_0 = fma(vec4f(p6[1]), v0, o6_0); o6_1 = fma(vec4f(p6[1]), v1, o6_1);
            o7_0 = fma(vec4f(p7[1]), v0, o7_0); o7_1 = fma(vec4f(p7[1]), v1, o7_1);
          }
          {
            let v0 = memory[256u + (4u * q + 2u) * 16u + tx + 0u]; let v1 = memory[256u + (4u * q + 2u) * 16u + tx + 8u];
            o0_0 = fma(vec4f(p0[2]), v0, o0_0); o0_1 = fma(vec4f(p0[2]), v1, o0_1);
            o1_0 = fma(vec4f(p1[2]), v0, o1_0); o1_1 = fma(vec4f(p1[2]), v1, o1_1);
            o2_0 = fma(vec4f(p2[2]), v0, o2_0); o2_1 = fma(vec4f(p2[2]), v1, o2_1);
            o3_0 = fma(vec4f(p3[2]), v0, o3_0); o3_1 = fma(vec4f(p3[2]), v1, o3_1);
            o4_0 = fma(vec4f(p4[2]), v0, o4_0); o4_1 = fma(vec4f(p4[2]), v1, o4_1);
            o5_0 = fma(vec4f(p5[2]), v0, o5_0); o5_1 = fma(vec4f(p5[2]), v1, o5_1);
            o6_0 = fma(vec4f(p6[2]), v0, o6_0); o6_1 = fma(vec4f(p6[2]), v1, o6_1);
            o7_0 = fma(vec4f(p7[2]), v0, o7_0); o7_1 = fma(vec4f(p7[2]), v1, o7_1);
          }
          {
            let v0 = memory[256u + (4u * q + 3u) * 16u + tx + 0u]; let v1 = memory[256u + (4u * q + 3u) * 16u + tx + 8u];
            o0_0 = fma(vec4f(p0[3]), v0, o0_0); o0_1 = fma(vec4f(p0[3]), v1, o0_1);
            o1_0 = fma(vec4f(p1[3]), v0, o1_0); o1_1 = fma(vec4f(p1[3]), v1, o1_1);
            o2_0 = fma(vec4f(p2[3]), v0, o2_0); o2_1 = fma(vec4f(p2[3]), v1, o2_1);
            o3_0 = fma(vec4f(p3[3]), v0, o3_0); o3_1 = fma(vec4f(p3[3]), v1, o3_1);
            o4_0 = fma(vec4f(p4[3]), v0, o4_0); o4_1 = fma(vec4f(p4[3]), v1, o4_1);
            o5_0 = fma(vec4f(p5[3]), v0, o5_0); o5_1 = fma(vec4f(p5[3]), v1, o5_1);
            o6_0 = fma(vec4f(p6[3]), v0, o6_0); o6_1 = fma(vec4f(p6[3]), v1, o6_1);
            o7_0 = fma(vec4f(p7[3]), v0, o7_0); o7_1 = fma(vec4f(p7[3]), v1, o7_1);
          }
        }
        {
          let q = n + 2u;
          let p0 = memory[(ty + 0u) * 4u + q];
          let p1 = memory[(ty + 8u) * 4u + q];
          let p2 = memory[(ty + 16u) * 4u + q];
          let p3 = memory[(ty + 24u) * 4u + q];
          let p4 = memory[(ty + 32u) * 4u + q];
          let p5 = memory[(ty + 40u) * 4u + q];
          let p6 = memory[(ty + 48u) * 4u + q];
          let p7 = memory[(ty + 56u) * 4u + q];
          {
            let v0 = memory[256u + (4u * q + 0u) * 16u + tx + 0u]; let v1 = memory[256u + (4u * q + 0u) * 16u + tx + 8u];
            o0_0 = fma(vec4f(p0[0]), v0, o0_0); o0_1 = fma(vec4f(p0[0]), v1, o0_1);
            o1_0 = fma(vec4f(p1[0]), v0, o1_0); o1_1 = fma(vec4f(p1[0]), v1, o1_1);
            o2_0 = fma(vec4f(p2[0]), v0, o2_0); o2_1 = fma(vec4f(p2[0]), v1, o2_1);
            o3_0 = fma(vec4f(p3[0]), v0, o3_0); o3_1 = fma(vec4f(p3[0]), v1, o3_1);
            o4_0 = fma(vec4f(p4[0]), v0, o4_0); o4_1 = fma(vec4f(p4[0]), v1, o4_1);
            o5_0 = fma(vec4f(p5[0]), v0, o5_0); o5_1 = fma(vec4f(p5[0]), v1, o5_1);
            o6_0 = fma(vec4f(p6[0]), v0, o6_0); o6_1 = fma(vec4f(p6[0]), v1, o6_1);
            o7_0 = fma(vec4f(p7[0]), v0, o7_0); o7_1 = fma(vec4f(p7[0]), v1, o7_1);
          }
          {
            let v0 = memory[256u + (4u * q + 1u) * 16u + tx + 0u]; let v1 = memory[256u + (4u * q + 1u) * 16u + tx + 8u];
            o0_0 = fma(vec4f(p0[1]), v0, o0_0); o0_1 = fma(vec4f(p0[1]), v1, o0_1);
            o1_0 = fma(vec4f(p1[1]), v0, o1_0); o1_1 = fma(vec4f(p1[1]), v1, o1_1);
            o2_0 = fma(vec4f(p2[1]), v0, o2_0); o2_1 = fma(vec4f(p2[1]), v1, o2_1);
            o3_0 = fma(vec4f(p3[1]), v0, o3_0); o3_1 = fma(vec4f(p3[1]), v1, o3_1);
            o4_0 = fma(vec4f(p4[1]), v0, o4_0); o4_1 = fma(vec4f(p4[1]), v1, o4_1);
            o5_0 = fma(vec4f(p5[1]), v0, o5_0); o5_1 = fma(vec4f(p5[1]), v1, o5_1);
            o6_0 = fma(vec4f(p6[1]), v0, o6_0); o6_1 = fma(vec4f(p6[1]), v1, o6_1);
            o7_0 = fma(vec4f(p7[1]), v0, o7_0); o7_1 = fma(vec4f(p7[1]), v1, o7_1);
          }
          {
            let v0 = memory[256u + (4u * q + 2u) * 16u + tx + 0u]; let v1 = memory[256u + (4u * q + 2u) * 16u + tx + 8u];
            o0_0 = fma(vec4f(p0[2]), v0, o0_0); o0_1 = fma(vec4f(p0[2]), v1, o0_1);
            o1_0 = fma(vec4f(p1[2]), v0, o1_0); o1_1 = fma(vec4f(p1[2]), v1, o1_1);
            o2_0 = fma(vec4f(p2[2]), v0, o2_0); o2_1 = fma(vec4f(p2[2]), v1, o2_1);
            o3_0 = fma(vec4f(p3[2]), v0, o3_0); o3_1 = fma(vec4f(p3[2]), v1, o3_1);
            o4_0 = fma(vec4f(p4[2]), v0, o4_0); o4_1 = fma(vec4f(p4[2]), v1, o4_1);
            o5_0 = fma(vec4f(p5[2]), v0, o5_0); o5_1 = fma(vec4f(p5[2]), v1, o5_1);
            o6_0 = fma(vec4f(p6[2]), v0, o6_0); o6_1 = fma(vec4f(p6[2]), v1, o6_1);
            o7_0 = fma(vec4f(p7[2]), v0, o7_0); o7_1 = fma(vec4f(p7[2]), v1, o7_1);
          }
          {
            let v0 = memory[256u + (4u * q + 3u) * 16u + tx + 0u]; let v1 = memory[256u + (4u * q + 3u) * 16u + tx + 8u];
            o0_0 = fma(vec4f(p0[3]), v0, o0_0); o0_1 = fma(vec4f(p0[3]), v1, o0_1);
            o1_0 = fma(vec4f(p1[3]), v0, o1_0); o1_1 = fma(vec4f(p1[3]), v1, o1_1);
            o2_0 = fma(vec4f(p2[3]), v0, o2_0); o2_1 = fma(vec4f(p2[3]), v1, o2_1);
            o3_0 = fma(vec4f(p3[3]), v0, o3_0); o3_1 = fma(vec4f(p3[3]), v1, o3_1);
            o4_0 = fma(vec4f(p4[3]), v0, o4_0); o4_1 = fma(vec4f(p4[3]), v1, o4_1);
            o5_0 = fma(vec4f(p5[3]), v0, o5_0); o5_1 = fma(vec4f(p5[3]), v1, o5_1);
            o6_0 = fma(vec4f(p6[3]), v0, o6_0); o6_1 = fma(vec4f(p6[3]), v1, o6_1);
            o7_0 = fma(vec4f(p7[3]), v0, o7_0); o7_1 = fma(vec4f(p7[3]), v1, o7_1);
          }
        }
        {
          let q = n + 3u;
          let p0 = memory[(ty + 0u) * 4u + q];
          let p1 = memory[(ty + 8u) * 4u + q];
          let p2 = memory[(ty + 16u) * 4u + q];
          let p3 = memory[(ty + 24u) * 4u + q];
          let p4 = memory[(ty + 32u) * 4u + q];
          let p5 = memory[(ty + 40u) * 4u + q];
          let p6 = memory[(ty + 48u) * 4u + q];
          let p7 = memory[(ty + 56u) * 4u + q];
          {
            let v0 = memory[256u + (4u * q + 0u) * 16u + tx + 0u]; let v1 = memory[256u + (4u * q + 0u) * 16u + tx + 8u];
            o0_0 = fma(vec4f(p0[0]), v0, o0_0); o0_1 = fma(vec4f(p0[0]), v1, o0_1);
            o1_0 = fma(vec4f(p1[0]), v0, o1_0); o1_1 = fma(vec4f(p1[0]), v1, o1_1);
            o2_0 = fma(vec4f(p2[0]), v0, o2_0); o2_1 = fma(vec4f(p2[0]), v1, o2_1);
            o3_0 = fma(vec4f(p3[0]), v0, o3_0); o3_1 = fma(vec4f(p3[0]), v1, o3_1);
            o4_0 = fma(vec4f(p4[0]), v0, o4_0); o4_1 = fma(vec4f(p4[0]), v1, o4_1);
            o5_0 = fma(vec4f(p5[0]), v0, o5_0); o5_1 = fma(vec4f(p5[0]), v1, o5_1);
            o6_0 = fma(vec4f(p6[0]), v0, o6_0); o6_1 = fma(vec4f(p6[0]), v1, o6_1);
            o7_0 = fma(vec4f(p7[0]), v0, o7_0); o7_1 = fma(vec4f(p7[0]), v1, o7_1);
          }
          {
            let v0 = memory[256u + (4u * q + 1u) * 16u + tx + 0u]; let v1 = memory[256u + (4u * q + 1u) * 16u + tx + 8u];
            o0_0 = fma(vec4f(p0[1]), v0, o0_0); o0_1 = fma(vec4f(p0[1]), v1, o0_1);
            o1_0 = fma(vec4f(p1[1]), v0, o1_0); o1_1 = fma(vec4f(p1[1]), v1, o1_1);
            o2_0 = fma(vec4f(p2[1]), v0, o2_0); o2_1 = fma(vec4f(p2[1]), v1, o2_1);
            o3_0 = fma(vec4f(p3[1]), v0, o3_0); o3_1 = fma(vec4f(p3[1]), v1, o3_1);
            o4_0 = fma(vec4f(p4[1]), v0, o4_0); o4_1 = fma(vec4f(p4[1]), v1, o4_1);
            o5_0 = fma(vec4f(p5[1]), v0, o5_0); o5_1 = fma(vec4f(p5[1]), v1, o5_1);
            o6_0 = fma(vec4f(p6[1]), v0, o6_0); o6_1 = fma(vec4f(p6[1]), v1, o6_1);
            o7_0 = fma(vec4f(p7[1]), v0, o7_0); o7_1 = fma(vec4f(p7[1]), v1, o7_1);
          }
          {
            let v0 = memory[256u + (4u * q + 2u) * 16u + tx + 0u]; let v1 = memory[256u + (4u * q + 2u) * 16u + tx + 8u];
            o0_0 = fma(vec4f(p0[2]), v0, o0_0); o0_1 = fma(vec4f(p0[2]), v1, o0_1);
            o1_0 = fma(vec4f(p1[2]), v0, o1_0); o1_1 = fma(vec4f(p1[2]), v1, o1_1);
            o2_0 = fma(vec4f(p2[2]), v0, o2_0); o2_1 = fma(vec4f(p2[2]), v1, o2_1);
            o3_0 = fma(vec4f(p3[2]), v0, o3_0); o3_1 = fma(vec4f(p3[2]), v1, o3_1);
            o4_0 = fma(vec4f(p4[2]), v0, o4_0); o4_1 = fma(vec4f(p4[2]), v1, o4_1);
            o5_0 = fma(vec4f(p5[2]), v0, o5_0); o5_1 = fma(vec4f(p5[2]), v1, o5_1);
            o6_0 = fma(vec4f(p6[2]), v0, o6_0); o6_1 = fma(vec4f(p6[2]), v1, o6_1);
            o7_0 = fma(vec4f(p7[2]), v0, o7_0); o7_1 = fma(vec4f(p7[2]), v1, o7_1);
          }
          {
            let v0 = memory[256u + (4u * q + 3u) * 16u + tx + 0u]; let v1 = memory[256u + (4u * q + 3u) * 16u + tx + 8u];
            o0_0 = fma(vec4f(p0[3]), v0, o0_0); o0_1 = fma(vec4f(p0[3]), v1, o0_1);
            o1_0 = fma(vec4f(p1[3]), v0, o1_0); o1_1 = fma(vec4f(p1[3]), v1, o1_1);
            o2_0 = fma(vec4f(p2[3]), v0, o2_0); o2_1 = fma(vec4f(p2[3]), v1, o2_1);
            o3_0 = fma(vec4f(p3[3]), v0, o3_0); o3_1 = fma(vec4f(p3[3]), v1, o3_1);
            o4_0 = fma(vec4f(p4[3]), v0, o4_0); o4_1 = fma(vec4f(p4[3]), v1, o4_1);
            o5_0 = fma(vec4f(p5[3]), v0, o5_0); o5_1 = fma(vec4f(p5[3]), v1, o5_1);
            o6_0 = fma(vec4f(p6[3]), v0, o6_0); o6_1 = fma(vec4f(p6[3]), v1, o6_1);
            o7_0 = fma(vec4f(p7[3]), v0, o7_0); o7_1 = fma(vec4f(p7[3]), v1, o7_1);
          }
        }
      }
    }
  }
  let continues = (params.flags & CONTINUES) != 0u;
  { let own = ty + 0u;
    if (i32(own) < owned.x) {
      if (owned.y < 0) {
        let to = (outputLine + u32(rowsOf.x + rowsOf.y * min(i32(own), owned.x - 1)) * params.outputStrides.y) * 16u;
        if (continues) { output[to + (tx + 0u)] = output[to + (tx + 0u)] + o0_0 * params.scale; }
        else { output[to + (tx + 0u)] = o0_0 * params.scale; }
        if (continues) { output[to + (tx + 8u)] = output[to + (tx + 8u)] + o0_1 * params.scale; }
        else { output[to + (tx + 8u)] = o0_1 * params.scale; }
      } else {
        let record = params.slotBase + ((line * params.slots + u32(owned.y)) * u32(ROWS) + own) * 16u;
        scratch[record + (tx + 0u)] = o0_0 * params.scale;
        scratch[record + (tx + 8u)] = o0_1 * params.scale;
      }
    }
  }
  { let own = ty + 8u;
    if (i32(own) < owned.x) {
      if (owned.y < 0) {
        let to = (outputLine + u32(rowsOf.x + rowsOf.y * min(i32(own), owned.x - 1)) * params.outputStrides.y) * 16u;
        if (continues) { output[to + (tx + 0u)] = output[to + (tx + 0u)] + o1_0 * params.scale; }
        else { output[to + (tx + 0u)] = o1_0 * params.scale; }
        if (continues) { output[to + (tx + 8u)] = output[to + (tx + 8u)] + o1_1 * params.scale; }
        else { output[to + (tx + 8u)] = o1_1 * params.scale; }
      } else {
        let record = params.slotBase + ((line * params.slots + u32(owned.y)) * u32(ROWS) + own) * 16u;
        scratch[record + (tx + 0u)] = o1_0 * params.scale;
        scratch[record + (tx + 8u)] = o1_1 * params.scale;
      }
    }
  }
  { let own = ty + 16u;
    if (i32(own) < owned.x) {
      if (owned.y < 0) {
        let to = (outputLine + u32(rowsOf.x + rowsOf.y * min(i32(own), owned.x - 1)) * params.outputStrides.y) * 16u;
        if (continues) { output[to + (tx + 0u)] = output[to + (tx + 0u)] + o2_0 * params.scale; }
        else { output[to + (tx + 0u)] = o2_0 * params.scale; }
        if (continues) { output[to + (tx + 8u)] = output[to + (tx + 8u)] + o2_1 * params.scale; }
        else { output[to + (tx + 8u)] = o2_1 * params.scale; }
      } else {
        let record = params.slotBase + ((line * params.slots + u32(owned.y)) * u32(ROWS) + own) * 16u;
        scratch[record + (tx + 0u)] = o2_0 * params.scale;
        scratch[record + (tx + 8u)] = o2_1 * params.scale;
      }
    }
  }
  { let own = ty + 24u;
    if (i32(own) < owned.x) {
      if (owned.y < 0) {
        let to = (outputLine + u32(rowsOf.x + rowsOf.y * min(i32(own), owned.x - 1)) * params.outputStrides.y) * 16u;
        if (continues) { output[to + (tx + 0u)] = output[to + (tx + 0u)] + o3_0 * params.scale; }
        else { output[to + (tx + 0u)] = o3_0 * params.scale; }
        if (continues) { output[to + (tx + 8u)] = output[to + (tx + 8u)] + o3_1 * params.scale; }
        else { output[to + (tx + 8u)] = o3_1 * params.scale; }
      } else {
        let record = params.slotBase + ((line * params.slots + u32(owned.y)) * u32(ROWS) + own) * 16u;
        scratch[record + (tx + 0u)] = o3_0 * params.scale;
        scratch[record + (tx + 8u)] = o3_1 * params.scale;
      }
    }
  }
  { let own = ty + 32u;
    if (i32(own) < owned.x) {
      if (owned.y < 0) {
        let to = (outputLine + u32(rowsOf.x + rowsOf.y * min(i32(own), owned.x - 1)) * params.outputStrides.y) * 16u;
        if (continues) { output[to + (tx + 0u)] = output[to + (tx + 0u)] + o4_0 * params.scale; }
        else { output[to + (tx + 0u)] = o4_0 * params.scale; }
        if (continues) { output[to + (tx + 8u)] = output[to + (tx + 8u)] + o4_1 * params.scale; }
        else { output[to + (tx + 8u)] = o4_1 * params.scale; }
      } else {
        let record = params.slotBase + ((line * params.slots + u32(owned.y)) * u32(ROWS) + own) * 16u;
        scratch[record + (tx + 0u)] = o4_0 * params.scale;
        scratch[record + (tx + 8u)] = o4_1 * params.scale;
      }
    }
  }
  { let own = ty + 40u;
    if (i32(own) < owned.x) {
      if (owned.y < 0) {
        let to = (outputLine + u32(rowsOf.x + rowsOf.y * min(i32(own), owned.x - 1)) * params.outputStrides.y) * 16u;
        if (continues) { output[to + (tx + 0u)] = output[to + (tx + 0u)] + o5_0 * params.scale; }
        else { output[to + (tx + 0u)] = o5_0 * params.scale; }
        if (continues) { output[to + (tx + 8u)] = output[to + (tx + 8u)] + o5_1 * params.scale; }
        else { output[to + (tx + 8u)] = o5_1 * params.scale; }
      } else {
        let record = params.slotBase + ((line * params.slots + u32(owned.y)) * u32(ROWS) + own) * 16u;
        scratch[record + (tx + 0u)] = o5_0 * params.scale;
        scratch[record + (tx + 8u)] = o5_1 * params.scale;
      }
    }
  }
  { let own = ty + 48u;
    if (i32(own) < owned.x) {
      if (owned.y < 0) {
        let to = (outputLine + u32(rowsOf.x + rowsOf.y * min(i32(own), owned.x - 1)) * params.outputStrides.y) * 16u;
        if (continues) { output[to + (tx + 0u)] = output[to + (tx + 0u)] + o6_0 * params.scale; }
        else { output[to + (tx + 0u)] = o6_0 * params.scale; }
        if (continues) { output[to + (tx + 8u)] = output[to + (tx + 8u)] + o6_1 * params.scale; }
        else { output[to + (tx + 8u)] = o6_1 * params.scale; }
      } else {
        let record = params.slotBase + ((line * params.slots + u32(owned.y)) * u32(ROWS) + own) * 16u;
        scratch[record + (tx + 0u)] = o6_0 * params.scale;
        scratch[record + (tx + 8u)] = o6_1 * params.scale;
      }
    }
  }
  { let own = ty + 56u;
    if (i32(own) < owned.x) {
      if (owned.y < 0) {
        let to = (outputLine + u32(rowsOf.x + rowsOf.y * min(i32(own), owned.x - 1)) * params.outputStrides.y) * 16u;
        if (continues) { output[to + (tx + 0u)] = output[to + (tx + 0u)] + o7_0 * params.scale; }
        else { output[to + (tx + 0u)] = o7_0 * params.scale; }
        if (continues) { output[to + (tx + 8u)] = output[to + (tx + 8u)] + o7_1 * params.scale; }
        else { output[to + (tx + 8u)] = o7_1 * params.scale; }
      } else {
        let record = params.slotBase + ((line * params.slots + u32(owned.y)) * u32(ROWS) + own) * 16u;
        scratch[record + (tx + 0u)] = o7_0 * params.scale;
        scratch[record + (tx + 8u)] = o7_1 * params.scale;
      }
    }
  }
}
