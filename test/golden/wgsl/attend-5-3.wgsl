// features that fill no vec4
// 4608 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<f32>;
@group(0) @binding(2) var<storage, read> key: array<f32>;
@group(0) @binding(3) var<storage, read> value: array<f32>;
@group(0) @binding(4) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;
@group(0) @binding(6) var<storage, read_write> scratch: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> rowSums: array<vec2f>;

// Sparse attention, float32. A workgroup owns a tile of ROWS queries of one head and visits its keys KEYS at a time.
// query [batch, heads, queryLength, 5]  key [batch, keyHeads, keyLength, 5]
// value [batch, keyHeads, keyLength, 3]  output [batch, heads, queryLength, 3]; or lengths before heads.
// Invocation (tx, ty) owns rows ty + TY·i, keys tx + TX·j of a tile and output columns tx + TX·c (vec4).
const ROWS = 32u;
const KEYS = 32;
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

fn queryAt(base: u32, column: u32) -> vec4f {
  let at = base + column * 4u;
  return vec4f(query[at], select(0.0, query[at + 1u], column * 4u + 1u < 5u), select(0.0, query[at + 2u], column * 4u + 2u < 5u), select(0.0, query[at + 3u], column * 4u + 3u < 5u));
}

fn keyAt(base: u32, column: u32) -> vec4f {
  let at = base + column * 4u;
  return vec4f(key[at], select(0.0, key[at + 1u], column * 4u + 1u < 5u), select(0.0, key[at + 2u], column * 4u + 2u < 5u), select(0.0, key[at + 3u], column * 4u + 3u < 5u));
}

fn valueAt(base: u32, column: u32) -> vec4f {
  let at = base + column * 4u;
  return vec4f(value[at], select(0.0, value[at + 1u], column * 4u + 1u < 3u), select(0.0, value[at + 2u], column * 4u + 2u < 3u), select(0.0, value[at + 3u], column * 4u + 3u < 3u));
}

fn outputAt(base: u32, column: u32) -> vec4f {
  let at = base + column * 4u;
  return vec4f(output[at], select(0.0, output[at + 1u], column * 4u + 1u < 3u), select(0.0, output[at + 2u], column * 4u + 2u < 3u), select(0.0, output[at + 3u], column * 4u + 3u < 3u));
}
fn set_output(base: u32, column: u32, four: vec4f) {
  let at = base + column * 4u;
  output[at] = four.x;
  if (column * 4u + 1u < 3u) { output[at + 1u] = four.y; }
  if (column * 4u + 2u < 3u) { output[at + 2u] = four.z; }
  if (column * 4u + 3u < 3u) { output[at + 3u] = four.w; }
}

var<workgroup> memory: array<vec4f, 288>;

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
  let x0 = ty + 0u;
  let row0 = u32(rowsOf.x + rowsOf.y * min(i32(x0), owned.x - 1));
  let query0 = (queryLine + row0 * params.queryStrides.y) * 5u;
  var m0 = EMPTY; var l0 = 0.0; var o0_0 = vec4f();
  let x1 = ty + 8u;
  let row1 = u32(rowsOf.x + rowsOf.y * min(i32(x1), owned.x - 1));
  let query1 = (queryLine + row1 * params.queryStrides.y) * 5u;
  var m1 = EMPTY; var l1 = 0.0; var o1_0 = vec4f();
  let x2 = ty + 16u;
  let row2 = u32(rowsOf.x + rowsOf.y * min(i32(x2), owned.x - 1));
  let query2 = (queryLine + row2 * params.queryStrides.y) * 5u;
  var m2 = EMPTY; var l2 = 0.0; var o2_0 = vec4f();
  let x3 = ty + 24u;
  let row3 = u32(rowsOf.x + rowsOf.y * min(i32(x3), owned.x - 1));
  let query3 = (queryLine + row3 * params.queryStrides.y) * 5u;
  var m3 = EMPTY; var l3 = 0.0; var o3_0 = vec4f();
  if ((params.flags & CONTINUES) != 0u && owned.y < 0) {
    {
      let own = u32(rowsOf.x + rowsOf.y * min(i32(x0), owned.x - 1));
      let q = line * params.queryLength + own;
      let to = (outputLine + own * params.outputStrides.y) * 3u;
      let had = rowSums[q]; // (maximum, sum)
      m0 = had.x;
      l0 = select(0.0, had.y, tx == 0u);
      o0_0 = (had.y * params.valueScale) * outputAt(to, min((tx + 0u), 0u));
    }
    {
      let own = u32(rowsOf.x + rowsOf.y * min(i32(x1), owned.x - 1));
      let q = line * params.queryLength + own;
      let to = (outputLine + own * params.outputStrides.y) * 3u;
      let had = rowSums[q]; // (maximum, sum)
      m1 = had.x;
      l1 = select(0.0, had.y, tx == 0u);
      o1_0 = (had.y * params.valueScale) * outputAt(to, min((tx + 0u), 0u));
    }
    {
      let own = u32(rowsOf.x + rowsOf.y * min(i32(x2), owned.x - 1));
      let q = line * params.queryLength + own;
      let to = (outputLine + own * params.outputStrides.y) * 3u;
      let had = rowSums[q]; // (maximum, sum)
      m2 = had.x;
      l2 = select(0.0, had.y, tx == 0u);
      o2_0 = (had.y * params.valueScale) * outputAt(to, min((tx + 0u), 0u));
    }
    {
      let own = u32(rowsOf.x + rowsOf.y * min(i32(x3), owned.x - 1));
      let q = line * params.queryLength + own;
      let to = (outputLine + own * params.outputStrides.y) * 3u;
      let had = rowSums[q]; // (maximum, sum)
      m3 = had.x;
      l3 = select(0.0, had.y, tx == 0u);
      o3_0 = (had.y * params.valueScale) * outputAt(to, min((tx + 0u), 0u));
    }
  }

  for (var number = spanRange.x; number < spanRange.y; number++) {
    let span = params.spans + 4u * u32(number);
    let keysOf = schedule[span]; // (firstKey, keyStride)
    let keyRows = keysOf * i32(params.keyStrides.y);
    let y = schedule[span + 1u]; // (begin, end)
    let full = schedule[span + 2u]; // keys that every row attends to
    let intervals = params.intervals + u32(schedule[span + 3u].x);
    for (var y0 = y.x; y0 < y.y; y0 += KEYS) {
      // stage keys
      workgroupBarrier();
      { let f = lane + 0u; memory[0u + (f / 2u) * 2u + ((f % 2u) + (f / 2u)) % 2u] = keyAt((keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 2u)), y.y - 1))) * 5u, (f % 2u)); }
      // scores
      workgroupBarrier();
      var s0_0 = 0.0; var s0_1 = 0.0; var s0_2 = 0.0; var s0_3 = 0.0;
      var s1_0 = 0.0; var s1_1 = 0.0; var s1_2 = 0.0; var s1_3 = 0.0;
      var s2_0 = 0.0; var s2_1 = 0.0; var s2_2 = 0.0; var s2_3 = 0.0;
      var s3_0 = 0.0; var s3_1 = 0.0; var s3_2 = 0.0; var s3_3 = 0.0;
      { let own = tx * 2u;
        for (var n = 0u; n < 1u; n++) {
          { let d = n * 2u + 0u;
            let k0_0 = memory[own + 0u + (d + tx) % 2u];
            let k1_0 = memory[own + 16u + (d + tx) % 2u];
            let k2_0 = memory[own + 32u + (d + tx) % 2u];
            let k3_0 = memory[own + 48u + (d + tx) % 2u];
            { let q0 = queryAt(query0, d);
              s0_0 = fma(q0.x, k0_0.x, s0_0); s0_1 = fma(q0.x, k1_0.x, s0_1); s0_2 = fma(q0.x, k2_0.x, s0_2); s0_3 = fma(q0.x, k3_0.x, s0_3);
              s0_0 = fma(q0.y, k0_0.y, s0_0); s0_1 = fma(q0.y, k1_0.y, s0_1); s0_2 = fma(q0.y, k2_0.y, s0_2); s0_3 = fma(q0.y, k3_0.y, s0_3);
              s0_0 = fma(q0.z, k0_0.z, s0_0); s0_1 = fma(q0.z, k1_0.z, s0_1); s0_2 = fma(q0.z, k2_0.z, s0_2); s0_3 = fma(q0.z, k3_0.z, s0_3);
              s0_0 = fma(q0.w, k0_0.w, s0_0); s0_1 = fma(q0.w, k1_0.w, s0_1); s0_2 = fma(q0.w, k2_0.w, s0_2); s0_3 = fma(q0.w, k3_0.w, s0_3); }
            { let q0 = queryAt(query1, d);
              s1_0 = fma(q0.x, k0_0.x, s1_0); s1_1 = fma(q0.x, k1_0.x, s1_1); s1_2 = fma(q0.x, k2_0.x, s1_2); s1_3 = fma(q0.x, k3_0.x, s1_3);
              s1_0 = fma(q0.y, k0_0.y, s1_0); s1_1 = fma(q0.y, k1_0.y, s1_1); s1_2 = fma(q0.y, k2_0.y, s1_2); s1_3 = fma(q0.y, k3_0.y, s1_3);
              s1_0 = fma(q0.z, k0_0.z, s1_0); s1_1 = fma(q0.z, k1_0.z, s1_1); s1_2 = fma(q0.z, k2_0.z, s1_2); s1_3 = fma(q0.z, k3_0.z, s1_3);
              s1_0 = fma(q0.w, k0_0.w, s1_0); s1_1 = fma(q0.w, k1_0.w, s1_1); s1_2 = fma(q0.w, k2_0.w, s1_2); s1_3 = fma(q0.w, k3_0.w, s1_3); }
            { let q0 = queryAt(query2, d);
              s2_0 = fma(q0.x, k0_0.x, s2_0); s2_1 = fma(q0.x, k1_0.x, s2_1); s2_2 = fma(q0.x, k2_0.x, s2_2); s2_3 = fma(q0.x, k3_0.x, s2_3);
              s2_0 = fma(q0.y, k0_0.y, s2_0); s2_1 = fma(q0.y, k1_0.y, s2_1); s2_2 = fma(q0.y, k2_0.y, s2_2); s2_3 = fma(q0.y, k3_0.y, s2_3);
              s2_0 = fma(q0.z, k0_0.z, s2_0); s2_1 = fma(q0.z, k1_0.z, s2_1); s2_2 = fma(q0.z, k2_0.z, s2_2); s2_3 = fma(q0.z, k3_0.z, s2_3);
              s2_0 = fma(q0.w, k0_0.w, s2_0); s2_1 = fma(q0.w, k1_0.w, s2_1); s2_2 = fma(q0.w, k2_0.w, s2_2); s2_3 = fma(q0.w, k3_0.w, s2_3); }
            { let q0 = queryAt(query3, d);
              s3_0 = fma(q0.x, k0_0.x, s3_0); s3_1 = fma(q0.x, k1_0.x, s3_1); s3_2 = fma(q0.x, k2_0.x, s3_2); s3_3 = fma(q0.x, k3_0.x, s3_3);
              s3_0 = fma(q0.y, k0_0.y, s3_0); s3_1 = fma(q0.y, k1_0.y, s3_1); s3_2 = fma(q0.y, k2_0.y, s3_2); s3_3 = fma(q0.y, k3_0.y, s3_3);
              s3_0 = fma(q0.z, k0_0.z, s3_0); s3_1 = fma(q0.z, k1_0.z, s3_1); s3_2 = fma(q0.z, k2_0.z, s3_2); s3_3 = fma(q0.z, k3_0.z, s3_3);
              s3_0 = fma(q0.w, k0_0.w, s3_0); s3_1 = fma(q0.w, k1_0.w, s3_1); s3_2 = fma(q0.w, k2_0.w, s3_2); s3_3 = fma(q0.w, k3_0.w, s3_3); }
          }
          { let d = n * 2u + 1u;
            let k0_0 = memory[own + 0u + (d + tx) % 2u];
            let k1_0 = memory[own + 16u + (d + tx) % 2u];
            let k2_0 = memory[own + 32u + (d + tx) % 2u];
            let k3_0 = memory[own + 48u + (d + tx) % 2u];
            { let q0 = queryAt(query0, d);
              s0_0 = fma(q0.x, k0_0.x, s0_0); s0_1 = fma(q0.x, k1_0.x, s0_1); s0_2 = fma(q0.x, k2_0.x, s0_2); s0_3 = fma(q0.x, k3_0.x, s0_3);
              s0_0 = fma(q0.y, k0_0.y, s0_0); s0_1 = fma(q0.y, k1_0.y, s0_1); s0_2 = fma(q0.y, k2_0.y, s0_2); s0_3 = fma(q0.y, k3_0.y, s0_3);
              s0_0 = fma(q0.z, k0_0.z, s0_0); s0_1 = fma(q0.z, k1_0.z, s0_1); s0_2 = fma(q0.z, k2_0.z, s0_2); s0_3 = fma(q0.z, k3_0.z, s0_3);
              s0_0 = fma(q0.w, k0_0.w, s0_0); s0_1 = fma(q0.w, k1_0.w, s0_1); s0_2 = fma(q0.w, k2_0.w, s0_2); s0_3 = fma(q0.w, k3_0.w, s0_3); }
            { let q0 = queryAt(query1, d);
              s1_0 = fma(q0.x, k0_0.x, s1_0); s1_1 = fma(q0.x, k1_0.x, s1_1); s1_2 = fma(q0.x, k2_0.x, s1_2); s1_3 = fma(q0.x, k3_0.x, s1_3);
              s1_0 = fma(q0.y, k0_0.y, s1_0); s1_1 = fma(q0.y, k1_0.y, s1_1); s1_2 = fma(q0.y, k2_0.y, s1_2); s1_3 = fma(q0.y, k3_0.y, s1_3);
              s1_0 = fma(q0.z, k0_0.z, s1_0); s1_1 = fma(q0.z, k1_0.z, s1_1); s1_2 = fma(q0.z, k2_0.z, s1_2); s1_3 = fma(q0.z, k3_0.z, s1_3);
              s1_0 = fma(q0.w, k0_0.w, s1_0); s1_1 = fma(q0.w, k1_0.w, s1_1); s1_2 = fma(q0.w, k2_0.w, s1_2); s1_3 = fma(q0.w, k3_0.w, s1_3); }
            { let q0 = queryAt(query2, d);
              s2_0 = fma(q0.x, k0_0.x, s2_0); s2_1 = fma(q0.x, k1_0.x, s2_1); s2_2 = fma(q0.x, k2_0.x, s2_2); s2_3 = fma(q0.x, k3_0.x, s2_3);
              s2_0 = fma(q0.y, k0_0.y, s2_0); s2_1 = fma(q0.y, k1_0.y, s2_1); s2_2 = fma(q0.y, k2_0.y, s2_2); s2_3 = fma(q0.y, k3_0.y, s2_3);
              s2_0 = fma(q0.z, k0_0.z, s2_0); s2_1 = fma(q0.z, k1_0.z, s2_1); s2_2 = fma(q0.z, k2_0.z, s2_2); s2_3 = fma(q0.z, k3_0.z, s2_3);
              s2_0 = fma(q0.w, k0_0.w, s2_0); s2_1 = fma(q0.w, k1_0.w, s2_1); s2_2 = fma(q0.w, k2_0.w, s2_2); s2_3 = fma(q0.w, k3_0.w, s2_3); }
            { let q0 = queryAt(query3, d);
              s3_0 = fma(q0.x, k0_0.x, s3_0); s3_1 = fma(q0.x, k1_0.x, s3_1); s3_2 = fma(q0.x, k2_0.x, s3_2); s3_3 = fma(q0.x, k3_0.x, s3_3);
              s3_0 = fma(q0.y, k0_0.y, s3_0); s3_1 = fma(q0.y, k1_0.y, s3_1); s3_2 = fma(q0.y, k2_0.y, s3_2); s3_3 = fma(q0.y, k3_0.y, s3_3);
              s3_0 = fma(q0.z, k0_0.z, s3_0); s3_1 = fma(q0.z, k1_0.z, s3_1); s3_2 = fma(q0.z, k2_0.z, s3_2); s3_3 = fma(q0.z, k3_0.z, s3_3);
              s3_0 = fma(q0.w, k0_0.w, s3_0); s3_1 = fma(q0.w, k1_0.w, s3_1); s3_2 = fma(q0.w, k2_0.w, s3_2); s3_3 = fma(q0.w, k3_0.w, s3_3); }
          }
        }
      }
      // scale and mask
      s0_0 *= params.scale;
      s0_1 *= params.scale;
      s0_2 *= params.scale;
      s0_3 *= params.scale;
      s1_0 *= params.scale;
      s1_1 *= params.scale;
      s1_2 *= params.scale;
      s1_3 *= params.scale;
      s2_0 *= params.scale;
      s2_1 *= params.scale;
      s2_2 *= params.scale;
      s2_3 *= params.scale;
      s3_0 *= params.scale;
      s3_1 *= params.scale;
      s3_2 *= params.scale;
      s3_3 *= params.scale;
      if (y0 < full.x || y0 + KEYS > full.y) {
        { let own = schedule[intervals + x0];
          s0_0 = select(HIDDEN, s0_0, y0 + i32(tx) + 0 >= own.x && y0 + i32(tx) + 0 < own.y);
          s0_1 = select(HIDDEN, s0_1, y0 + i32(tx) + 8 >= own.x && y0 + i32(tx) + 8 < own.y);
          s0_2 = select(HIDDEN, s0_2, y0 + i32(tx) + 16 >= own.x && y0 + i32(tx) + 16 < own.y);
          s0_3 = select(HIDDEN, s0_3, y0 + i32(tx) + 24 >= own.x && y0 + i32(tx) + 24 < own.y); }
        { let own = schedule[intervals + x1];
          s1_0 = select(HIDDEN, s1_0, y0 + i32(tx) + 0 >= own.x && y0 + i32(tx) + 0 < own.y);
          s1_1 = select(HIDDEN, s1_1, y0 + i32(tx) + 8 >= own.x && y0 + i32(tx) + 8 < own.y);
          s1_2 = select(HIDDEN, s1_2, y0 + i32(tx) + 16 >= own.x && y0 + i32(tx) + 16 < own.y);
          s1_3 = select(HIDDEN, s1_3, y0 + i32(tx) + 24 >= own.x && y0 + i32(tx) + 24 < own.y); }
        { let own = schedule[intervals + x2];
          s2_0 = select(HIDDEN, s2_0, y0 + i32(tx) + 0 >= own.x && y0 + i32(tx) + 0 < own.y);
          s2_1 = select(HIDDEN, s2_1, y0 + i32(tx) + 8 >= own.x && y0 + i32(tx) + 8 < own.y);
          s2_2 = select(HIDDEN, s2_2, y0 + i32(tx) + 16 >= own.x && y0 + i32(tx) + 16 < own.y);
          s2_3 = select(HIDDEN, s2_3, y0 + i32(tx) + 24 >= own.x && y0 + i32(tx) + 24 < own.y); }
        { let own = schedule[intervals + x3];
          s3_0 = select(HIDDEN, s3_0, y0 + i32(tx) + 0 >= own.x && y0 + i32(tx) + 0 < own.y);
          s3_1 = select(HIDDEN, s3_1, y0 + i32(tx) + 8 >= own.x && y0 + i32(tx) + 8 < own.y);
          s3_2 = select(HIDDEN, s3_2, y0 + i32(tx) + 16 >= own.x && y0 + i32(tx) + 16 < own.y);
          s3_3 = select(HIDDEN, s3_3, y0 + i32(tx) + 24 >= own.x && y0 + i32(tx) + 24 < own.y); }
      }
      // maximum of each row
      workgroupBarrier();
      var t0 = max(max(s0_0, s0_1), max(s0_2, s0_3));
      var t1 = max(max(s1_0, s1_1), max(s1_2, s1_3));
      var t2 = max(max(s2_0, s2_1), max(s2_2, s2_3));
      var t3 = max(max(s3_0, s3_1), max(s3_2, s3_3));
      memory[32u + (tx * 1u + 0u) * 8u + ty] = vec4f(t0, t1, t2, t3);
      // probabilities
      workgroupBarrier();
      { let all0 = max(max(max(memory[32u + ty], memory[40u + ty]), max(memory[48u + ty], memory[56u + ty])), max(max(memory[64u + ty], memory[72u + ty]), max(memory[80u + ty], memory[88u + ty])));
        t0 = all0.x; t1 = all0.y; t2 = all0.z; t3 = all0.w;
        { let next = max(m0, t0); let shrink = exp2(m0 - next); m0 = next;
          s0_0 = exp2(s0_0 - next); s0_1 = exp2(s0_1 - next); s0_2 = exp2(s0_2 - next); s0_3 = exp2(s0_3 - next);
          l0 = fma(l0, shrink, ((s0_0 + s0_1) + (s0_2 + s0_3)));
          o0_0 *= shrink; }
        { let next = max(m1, t1); let shrink = exp2(m1 - next); m1 = next;
          s1_0 = exp2(s1_0 - next); s1_1 = exp2(s1_1 - next); s1_2 = exp2(s1_2 - next); s1_3 = exp2(s1_3 - next);
          l1 = fma(l1, shrink, ((s1_0 + s1_1) + (s1_2 + s1_3)));
          o1_0 *= shrink; }
        { let next = max(m2, t2); let shrink = exp2(m2 - next); m2 = next;
          s2_0 = exp2(s2_0 - next); s2_1 = exp2(s2_1 - next); s2_2 = exp2(s2_2 - next); s2_3 = exp2(s2_3 - next);
          l2 = fma(l2, shrink, ((s2_0 + s2_1) + (s2_2 + s2_3)));
          o2_0 *= shrink; }
        { let next = max(m3, t3); let shrink = exp2(m3 - next); m3 = next;
          s3_0 = exp2(s3_0 - next); s3_1 = exp2(s3_1 - next); s3_2 = exp2(s3_2 - next); s3_3 = exp2(s3_3 - next);
          l3 = fma(l3, shrink, ((s3_0 + s3_1) + (s3_2 + s3_3)));
          o3_0 *= shrink; }
      }
      // exchange probabilities
      workgroupBarrier();
      { let own = ty * 8u;
        memory[own + 32u + (tx + ty) % 8u] = vec4f(s0_0, s0_1, s0_2, s0_3);
        memory[own + 96u + (tx + ty) % 8u] = vec4f(s1_0, s1_1, s1_2, s1_3);
        memory[own + 160u + (tx + ty) % 8u] = vec4f(s2_0, s2_1, s2_2, s2_3);
        memory[own + 224u + (tx + ty) % 8u] = vec4f(s3_0, s3_1, s3_2, s3_3); }
      // stage values
      { let f = lane + 0u; if (f < 32u) { memory[0u + (f / 1u) * 1u + (f % 1u)] = (valueAt((valueLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 1u)), y.y - 1))) * 3u, (f % 1u)) * params.valueScale); } }
      // weigh values
      workgroupBarrier();
      { let own = ty * 8u;
        for (var n = 0u; n < 2u; n++) {
          { let t = n * 4u + 0u;
            { let p0 = memory[own + 32u + (t + ty) % 8u];
              let p1 = memory[own + 96u + (t + ty) % 8u];
              let p2 = memory[own + 160u + (t + ty) % 8u];
              let p3 = memory[own + 224u + (t + ty) % 8u];
              { let v0 = memory[0u + (t + 0u) * 1u + min(tx + 0u, 0u)];
                o0_0 = fma(vec4f(p0.x), v0, o0_0);
                o1_0 = fma(vec4f(p1.x), v0, o1_0);
                o2_0 = fma(vec4f(p2.x), v0, o2_0);
                o3_0 = fma(vec4f(p3.x), v0, o3_0);
              }
              { let v0 = memory[0u + (t + 8u) * 1u + min(tx + 0u, 0u)];
                o0_0 = fma(vec4f(p0.y), v0, o0_0);
                o1_0 = fma(vec4f(p1.y), v0, o1_0);
                o2_0 = fma(vec4f(p2.y), v0, o2_0);
                o3_0 = fma(vec4f(p3.y), v0, o3_0);
              }
              { let v0 = memory[0u + (t + 16u) * 1u + min(tx + 0u, 0u)];
                o0_0 = fma(vec4f(p0.z), v0, o0_0);
                o1_0 = fma(vec4f(p1.z), v0, o1_0);
                o2_0 = fma(vec4f(p2.z), v0, o2_0);
                o3_0 = fma(vec4f(p3.z), v0, o3_0);
              }
              { let v0 = memory[0u + (t + 24u) * 1u + min(tx + 0u, 0u)];
                o0_0 = fma(vec4f(p0.w), v0, o0_0);
                o1_0 = fma(vec4f(p1.w), v0, o1_0);
                o2_0 = fma(vec4f(p2.w), v0, o2_0);
                o3_0 = fma(vec4f(p3.w), v0, o3_0);
              }
            } }
          { let t = n * 4u + 1u;
            { let p0 = memory[own + 32u + (t + ty) % 8u];
              let p1 = memory[own + 96u + (t + ty) % 8u];
              let p2 = memory[own + 160u + (t + ty) % 8u];
              let p3 = memory[own + 224u + (t + ty) % 8u];
              { let v0 = memory[0u + (t + 0u) * 1u + min(tx + 0u, 0u)];
                o0_0 = fma(vec4f(p0.x), v0, o0_0);
                o1_0 = fma(vec4f(p1.x), v0, o1_0);
                o2_0 = fma(vec4f(p2.x), v0, o2_0);
                o3_0 = fma(vec4f(p3.x), v0, o3_0);
              }
              { let v0 = memory[0u + (t + 8u) * 1u + min(tx + 0u, 0u)];
                o0_0 = fma(vec4f(p0.y), v0, o0_0);
                o1_0 = fma(vec4f(p1.y), v0, o1_0);
                o2_0 = fma(vec4f(p2.y), v0, o2_0);
                o3_0 = fma(vec4f(p3.y), v0, o3_0);
              }
              { let v0 = memory[0u + (t + 16u) * 1u + min(tx + 0u, 0u)];
                o0_0 = fma(vec4f(p0.z), v0, o0_0);
                o1_0 = fma(vec4f(p1.z), v0, o1_0);
                o2_0 = fma(vec4f(p2.z), v0, o2_0);
                o3_0 = fma(vec4f(p3.z), v0, o3_0);
              }
              { let v0 = memory[0u + (t + 24u) * 1u + min(tx + 0u, 0u)];
                o0_0 = fma(vec4f(p0.w), v0, o0_0);
                o1_0 = fma(vec4f(p1.w), v0, o1_0);
                o2_0 = fma(vec4f(p2.w), v0, o2_0);
                o3_0 = fma(vec4f(p3.w), v0, o3_0);
              }
            } }
          { let t = n * 4u + 2u;
            { let p0 = memory[own + 32u + (t + ty) % 8u];
              let p1 = memory[own + 96u + (t + ty) % 8u];
              let p2 = memory[own + 160u + (t + ty) % 8u];
              let p3 = memory[own + 224u + (t + ty) % 8u];
              { let v0 = memory[0u + (t + 0u) * 1u + min(tx + 0u, 0u)];
                o0_0 = fma(vec4f(p0.x), v0, o0_0);
                o1_0 = fma(vec4f(p1.x), v0, o1_0);
                o2_0 = fma(vec4f(p2.x), v0, o2_0);
                o3_0 = fma(vec4f(p3.x), v0, o3_0);
              }
              { let v0 = memory[0u + (t + 8u) * 1u + min(tx + 0u, 0u)];
                o0_0 = fma(vec4f(p0.y), v0, o0_0);
                o1_0 = fma(vec4f(p1.y), v0, o1_0);
                o2_0 = fma(vec4f(p2.y), v0, o2_0);
                o3_0 = fma(vec4f(p3.y), v0, o3_0);
              }
              { let v0 = memory[0u + (t + 16u) * 1u + min(tx + 0u, 0u)];
                o0_0 = fma(vec4f(p0.z), v0, o0_0);
                o1_0 = fma(vec4f(p1.z), v0, o1_0);
                o2_0 = fma(vec4f(p2.z), v0, o2_0);
                o3_0 = fma(vec4f(p3.z), v0, o3_0);
              }
              { let v0 = memory[0u + (t + 24u) * 1u + min(tx + 0u, 0u)];
                o0_0 = fma(vec4f(p0.w), v0, o0_0);
                o1_0 = fma(vec4f(p1.w), v0, o1_0);
                o2_0 = fma(vec4f(p2.w), v0, o2_0);
                o3_0 = fma(vec4f(p3.w), v0, o3_0);
              }
            } }
          { let t = n * 4u + 3u;
            { let p0 = memory[own + 32u + (t + ty) % 8u];
              let p1 = memory[own + 96u + (t + ty) % 8u];
              let p2 = memory[own + 160u + (t + ty) % 8u];
              let p3 = memory[own + 224u + (t + ty) % 8u];
              { let v0 = memory[0u + (t + 0u) * 1u + min(tx + 0u, 0u)];
                o0_0 = fma(vec4f(p0.x), v0, o0_0);
                o1_0 = fma(vec4f(p1.x), v0, o1_0);
                o2_0 = fma(vec4f(p2.x), v0, o2_0);
                o3_0 = fma(vec4f(p3.x), v0, o3_0);
              }
              { let v0 = memory[0u + (t + 8u) * 1u + min(tx + 0u, 0u)];
                o0_0 = fma(vec4f(p0.y), v0, o0_0);
                o1_0 = fma(vec4f(p1.y), v0, o1_0);
                o2_0 = fma(vec4f(p2.y), v0, o2_0);
                o3_0 = fma(vec4f(p3.y), v0, o3_0);
              }
              { let v0 = memory[0u + (t + 16u) * 1u + min(tx + 0u, 0u)];
                o0_0 = fma(vec4f(p0.z), v0, o0_0);
                o1_0 = fma(vec4f(p1.z), v0, o1_0);
                o2_0 = fma(vec4f(p2.z), v0, o2_0);
                o3_0 = fma(vec4f(p3.z), v0, o3_0);
              }
              { let v0 = memory[0u + (t + 24u) * 1u + min(tx + 0u, 0u)];
                o0_0 = fma(vec4f(p0.w), v0, o0_0);
                o1_0 = fma(vec4f(p1.w), v0, o1_0);
                o2_0 = fma(vec4f(p2.w), v0, o2_0);
                o3_0 = fma(vec4f(p3.w), v0, o3_0);
              }
            } }
        }
      }
    }
  }
  // sum of each row
  workgroupBarrier();
  memory[32u + (tx * 1u + 0u) * 8u + ty] = vec4f(l0, l1, l2, l3);
  // whole sum
  workgroupBarrier();
  let all0 = (((memory[32u + ty] + memory[40u + ty]) + (memory[48u + ty] + memory[56u + ty])) + ((memory[64u + ty] + memory[72u + ty]) + (memory[80u + ty] + memory[88u + ty])));
  l0 = all0.x; l1 = all0.y; l2 = all0.z; l3 = all0.w;
  if (i32(x0) < owned.x) {
    let own = u32(rowsOf.x + rowsOf.y * min(i32(x0), owned.x - 1));
    let q = line * params.queryLength + own;
    let to = (outputLine + own * params.outputStrides.y) * 3u;
    let inverse = select(1.0 / (l0 * params.valueScale), 0.0, l0 == 0.0);
    if (owned.y < 0) {
      if ((tx + 0u) < 1u) { set_output(to, (tx + 0u), o0_0 * inverse); }
      if (tx == 0u && (params.flags & KEEPS_SUM) != 0u) { rowSums[q] = vec2f(m0, l0); }
    } else {
      let record = params.slotBase + ((line * params.slots + u32(owned.y)) * ROWS + x0) * 2u;
      if ((tx + 0u) < 1u) { scratch[record + (tx + 0u)] = o0_0 * inverse; }
      if (tx == 0u) { scratch[record + 1u] = vec4f(m0, l0, 0.0, 0.0); }
    }
  }
  if (i32(x1) < owned.x) {
    let own = u32(rowsOf.x + rowsOf.y * min(i32(x1), owned.x - 1));
    let q = line * params.queryLength + own;
    let to = (outputLine + own * params.outputStrides.y) * 3u;
    let inverse = select(1.0 / (l1 * params.valueScale), 0.0, l1 == 0.0);
    if (owned.y < 0) {
      if ((tx + 0u) < 1u) { set_output(to, (tx + 0u), o1_0 * inverse); }
      if (tx == 0u && (params.flags & KEEPS_SUM) != 0u) { rowSums[q] = vec2f(m1, l1); }
    } else {
      let record = params.slotBase + ((line * params.slots + u32(owned.y)) * ROWS + x1) * 2u;
      if ((tx + 0u) < 1u) { scratch[record + (tx + 0u)] = o1_0 * inverse; }
      if (tx == 0u) { scratch[record + 1u] = vec4f(m1, l1, 0.0, 0.0); }
    }
  }
  if (i32(x2) < owned.x) {
    let own = u32(rowsOf.x + rowsOf.y * min(i32(x2), owned.x - 1));
    let q = line * params.queryLength + own;
    let to = (outputLine + own * params.outputStrides.y) * 3u;
    let inverse = select(1.0 / (l2 * params.valueScale), 0.0, l2 == 0.0);
    if (owned.y < 0) {
      if ((tx + 0u) < 1u) { set_output(to, (tx + 0u), o2_0 * inverse); }
      if (tx == 0u && (params.flags & KEEPS_SUM) != 0u) { rowSums[q] = vec2f(m2, l2); }
    } else {
      let record = params.slotBase + ((line * params.slots + u32(owned.y)) * ROWS + x2) * 2u;
      if ((tx + 0u) < 1u) { scratch[record + (tx + 0u)] = o2_0 * inverse; }
      if (tx == 0u) { scratch[record + 1u] = vec4f(m2, l2, 0.0, 0.0); }
    }
  }
  if (i32(x3) < owned.x) {
    let own = u32(rowsOf.x + rowsOf.y * min(i32(x3), owned.x - 1));
    let q = line * params.queryLength + own;
    let to = (outputLine + own * params.outputStrides.y) * 3u;
    let inverse = select(1.0 / (l3 * params.valueScale), 0.0, l3 == 0.0);
    if (owned.y < 0) {
      if ((tx + 0u) < 1u) { set_output(to, (tx + 0u), o3_0 * inverse); }
      if (tx == 0u && (params.flags & KEEPS_SUM) != 0u) { rowSums[q] = vec2f(m3, l3); }
    } else {
      let record = params.slotBase + ((line * params.slots + u32(owned.y)) * ROWS + x3) * 2u;
      if ((tx + 0u) < 1u) { scratch[record + (tx + 0u)] = o3_0 * inverse; }
      if (tx == 0u) { scratch[record + 1u] = vec4f(m3, l3, 0.0, 0.0); }
    }
  }
}
