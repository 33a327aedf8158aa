// the same transposed, tiles of 64 keys
// 8192 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> scratch: array<vec4f>;

// Packed weights, transposed, times values: a workgroup owns KEYS keys of one head and visits the rows that attend to them, SIZE at a time.
// values [batch, heads, pairs]  x [.., 64], a row for each query  output [batch, heads, keyLength, 64].
const KEYS = 64;
const SIZE = 16;
const TX = 8u;
const TY = 16u;

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

fn meets(intervals: u32, row: i32, end: i32, first: i32) -> bool {
  let own = schedule[intervals + u32(min(row, end - 1))];
  return row < end && own.x < own.y && own.x < first + KEYS && own.y > first;
}

var<workgroup> memory: array<vec4f, 512>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tx = lane % TX;
  let ty = lane / TX;
  let item = params.first + 4u * group.y;
  let keysOf = schedule[item]; // (firstKey, keyStride)
  let owned = schedule[item + 1u]; // (keys, slot)
  let visitRange = schedule[item + 2u]; // (visitBegin, visitEnd)
  let first = schedule[item + 3u].x; // number of the first key among those of the spans that it meets
  let head = params.firstHead + group.x;
  let batch = params.firstBatch + group.z;
  let line = batch * params.heads + head;
  let shareLine = group.z * params.shareHeads + group.x;
  let queryLine = batch * params.heads * params.queryLength + head * params.queryStrides.x;
  let keyLine = batch * params.keyHeads * params.keyLength + head / params.groupSize * params.keyStrides.x;
  let linePairs = i32(line * params.pairs);
  let between = params.queryStrides.y != 1u;
  let xRow = select(1u, params.keyHeads, between);
  let xLine = batch * params.keyHeads * params.queryLength + head / params.groupSize * select(params.queryLength, 1u, between);
  let outputRow = select(1u, params.heads, between);
  let ownLine = batch * params.heads * params.keyLength + head * select(params.keyLength, 1u, between);
  var o0_0 = vec4f(); var o0_1 = vec4f();
  var o1_0 = vec4f(); var o1_1 = vec4f();
  var o2_0 = vec4f(); var o2_1 = vec4f();
  var o3_0 = vec4f(); var o3_1 = vec4f();
  let row0 = i32((lane + 0u) / 16u); let key0 = first + 4 * i32((lane + 0u) % 16u);
  let row1 = i32((lane + 128u) / 16u); let key1 = first + 4 * i32((lane + 128u) % 16u);

  for (var number = visitRange.x; number < visitRange.y; number++) {
    let visit = params.spans + 4u * u32(number);
    let rowsOf = schedule[visit]; // (firstRow, rowStride)
    let visited = schedule[visit + 1u]; // (begin, end) of rows
    let full = schedule[visit + 2u].x; // every row attends to every key
    let intervals = params.intervals + u32(schedule[visit + 3u].x);
    var w0 = vec4f();
    var w1 = vec4f();
    var v0 = vec4f();
    var v1 = vec4f();
    {
      let inside = full == 1 && visited.x + SIZE <= visited.y && owned.x == KEYS;
      {
        let row = visited.x + row0;
        let met = u32(min(row, visited.y - 1));
        let place = linePairs + placeAt(intervals - params.intervals + met);
        if (inside) {
          w0 = fourAt(u32(place + key0));
        } else {
          var own = schedule[intervals + met];
          if (row >= visited.y) { own.y = own.x; }
          w0 = vec4f(pairAt(own, place, key0 + 0), pairAt(own, place, key0 + 1), pairAt(own, place, key0 + 2), pairAt(own, place, key0 + 3));
        }
      }
      {
        let row = visited.x + row1;
        let met = u32(min(row, visited.y - 1));
        let place = linePairs + placeAt(intervals - params.intervals + met);
        if (inside) {
          w1 = fourAt(u32(place + key1));
        } else {
          var own = schedule[intervals + met];
          if (row >= visited.y) { own.y = own.x; }
          w1 = vec4f(pairAt(own, place, key1 + 0), pairAt(own, place, key1 + 1), pairAt(own, place, key1 + 2), pairAt(own, place, key1 + 3));
        }
      }
      v0 = x[(xLine + u32(rowsOf.x + rowsOf.y * min(visited.x + i32((lane + 0u) / 16u), visited.y - 1)) * xRow) * 16u + (lane + 0u) % 16u];
      if (!inside) { v0 = select(vec4f(), v0, meets(intervals, visited.x + i32((lane + 0u) / 16u), visited.y, first)); }
      v1 = x[(xLine + u32(rowsOf.x + rowsOf.y * min(visited.x + i32((lane + 128u) / 16u), visited.y - 1)) * xRow) * 16u + (lane + 128u) % 16u];
      if (!inside) { v1 = select(vec4f(), v1, meets(intervals, visited.x + i32((lane + 128u) / 16u), visited.y, first)); }
    }
    for (var begin = visited.x; begin < visited.y; begin += SIZE) {
      // stage weights and values
      workgroupBarrier();
      memory[lane + 0u] = w0;
      memory[lane + 128u] = w1;
      memory[lane + 256u] = v0;
      memory[lane + 384u] = v1;
      if (begin + SIZE < visited.y) {
        let inside = full == 1 && (begin + SIZE) + SIZE <= visited.y && owned.x == KEYS;
        {
          let row = (begin + SIZE) + row0;
          let met = u32(min(row, visited.y - 1));
          let place = linePairs + placeAt(intervals - params.intervals + met);
          if (inside) {
            w0 = fourAt(u32(place + key0));
          } else {
            var own = schedule[intervals + met];
            if (row >= visited.y) { own.y = own.x; }
            w0 = vec4f(pairAt(own, place, key0 + 0), pairAt(own, place, key0 + 1), pairAt(own, place, key0 + 2), pairAt(own, place, key0 + 3));
          }
        }
        {
          let row = (begin + SIZE) + row1;
          let met = u32(min(row, visited.y - 1));
          let place = linePairs + placeAt(intervals - params.intervals + met);
          if (inside) {
            w1 = fourAt(u32(place + key1));
          } else {
            var own = schedule[intervals + met];
            if (row >= visited.y) { own.y = own.x; }
            w1 = vec4f(pairAt(own, place, key1 + 0), pairAt(own, place, key1 + 1), pairAt(own, place, key1 + 2), pairAt(own, place, key1 + 3));
          }
        }
        v0 = x[(xLine + u32(rowsOf.x + rowsOf.y * min((begin + SIZE) + i32((lane + 0u) / 16u), visited.y - 1)) * xRow) * 16u + (lane + 0u) % 16u];
        if (!inside) { v0 = select(vec4f(), v0, meets(intervals, (begin + SIZE) + i32((lane + 0u) / 16u), visited.y, first)); }
        v1 = x[(xLine + u32(rowsOf.x + rowsOf.y * min((begin + SIZE) + i32((lane + 128u) / 16u), visited.y - 1)) * xRow) * 16u + (lane + 128u) % 16u];
        if (!inside) { v1 = select(vec4f(), v1, meets(intervals, (begin + SIZE) + i32((lane + 128u) / 16u), visited.y, first)); }
      }
      // weigh values
      workgroupBarrier();
      for (var n = 0u; n < 16u; n += 4u) {
        {
          let r = n + 0u;
          let p0 = memory[r * 16u + ty + 0u];
          let v0 = memory[256u + r * 16u + tx + 0u];
          let v1 = memory[256u + r * 16u + tx + 8u];
          o0_0 = fma(vec4f(p0[0]), v0, o0_0); o0_1 = fma(vec4f(p0[0]), v1, o0_1);
          o1_0 = fma(vec4f(p0[1]), v0, o1_0); o1_1 = fma(vec4f(p0[1]), v1, o1_1);
          o2_0 = fma(vec4f(p0[2]), v0, o2_0); o2_1 = fma(vec4f(p0[2]), v1, o2_1);
          o3_0 = fma(vec4f(p0[3]), v0, o3_0); o3_1 = fma(vec4f(p0[3]), v1, o3_1);
        }
        {
          let r = n + 1u;
          let p0 = memory[r * 16u + ty + 0u];
          let v0 = memory[256u + r * 16u + tx + 0u];
          let v1 = memory[256u + r * 16u + tx + 8u];
          o0_0 = fma(vec4f(p0[0]), v0, o0_0); o0_1 = fma(vec4f(p0[0]), v1, o0_1);
          o1_0 = fma(vec4f(p0[1]), v0, o1_0); o1_1 = fma(vec4f(p0[1]), v1, o1_1);
          o2_0 = fma(vec4f(p0[2]), v0, o2_0); o2_1 = fma(vec4f(p0[2]), v1, o2_1);
          o3_0 = fma(vec4f(p0[3]), v0, o3_0); o3_1 = fma(vec4f(p0[3]), v1, o3_1);
        }
        {
          let r = n + 2u;
          let p0 = memory[r * 16u + ty + 0u];
          let v0 = memory[256u + r * 16u + tx + 0u];
          let v1 = memory[256u + r * 16u + tx + 8u];
          o0_0 = fma(vec4f(p0[0]), v0, o0_0); o0_1 = fma(vec4f(p0[0]), v1, o0_1);
          o1_0 = fma(vec4f(p0[1]), v0, o1_0); o1_1 = fma(vec4f(p0[1]), v1, o1_1);
          o2_0 = fma(vec4f(p0[2]), v0, o2_0); o2_1 = fma(vec4f(p0[2]), v1, o2_1);
          o3_0 = fma(vec4f(p0[3]), v0, o3_0); o3_1 = fma(vec4f(p0[3]), v1, o3_1);
        }
        {
          let r = n + 3u;
          let p0 = memory[r * 16u + ty + 0u];
          let v0 = memory[256u + r * 16u + tx + 0u];
          let v1 = memory[256u + r * 16u + tx + 8u];
          o0_0 = fma(vec4f(p0[0]), v0, o0_0); o0_1 = fma(vec4f(p0[0]), v1, o0_1);
          o1_0 = fma(vec4f(p0[1]), v0, o1_0); o1_1 = fma(vec4f(p0[1]), v1, o1_1);
          o2_0 = fma(vec4f(p0[2]), v0, o2_0); o2_1 = fma(vec4f(p0[2]), v1, o2_1);
          o3_0 = fma(vec4f(p0[3]), v0, o3_0); o3_1 = fma(vec4f(p0[3]), v1, o3_1);
        }
      }
    }
  }
  let continues = (params.flags & CONTINUES) != 0u;
  { let own = 4u * (ty + 0u) + 0u;
    if (i32(own) < owned.x) {
      if (owned.y < 0) {
        let to = (ownLine + u32(keysOf.x + keysOf.y * i32(own)) * outputRow) * 16u;
        if (continues) { output[to + (tx + 0u)] = output[to + (tx + 0u)] + o0_0 * params.scale; }
        else { output[to + (tx + 0u)] = o0_0 * params.scale; }
        if (continues) { output[to + (tx + 8u)] = output[to + (tx + 8u)] + o0_1 * params.scale; }
        else { output[to + (tx + 8u)] = o0_1 * params.scale; }
      } else {
        let record = params.slotBase + ((shareLine * params.slots + u32(owned.y)) * u32(KEYS) + own) * 16u;
        scratch[record + (tx + 0u)] = o0_0 * params.scale;
        scratch[record + (tx + 8u)] = o0_1 * params.scale;
      }
    }
  }
  { let own = 4u * (ty + 0u) + 1u;
    if (i32(own) < owned.x) {
      if (owned.y < 0) {
        let to = (ownLine + u32(keysOf.x + keysOf.y * i32(own)) * outputRow) * 16u;
        if (continues) { output[to + (tx + 0u)] = output[to + (tx + 0u)] + o1_0 * params.scale; }
        else { output[to + (tx + 0u)] = o1_0 * params.scale; }
        if (continues) { output[to + (tx + 8u)] = output[to + (tx + 8u)] + o1_1 * params.scale; }
        else { output[to + (tx + 8u)] = o1_1 * params.scale; }
      } else {
        let record = params.slotBase + ((shareLine * params.slots + u32(owned.y)) * u32(KEYS) + own) * 16u;
        scratch[record + (tx + 0u)] = o1_0 * params.scale;
        scratch[record + (tx + 8u)] = o1_1 * params.scale;
      }
    }
  }
  { let own = 4u * (ty + 0u) + 2u;
    if (i32(own) < owned.x) {
      if (owned.y < 0) {
        let to = (ownLine + u32(keysOf.x + keysOf.y * i32(own)) * outputRow) * 16u;
        if (continues) { output[to + (tx + 0u)] = output[to + (tx + 0u)] + o2_0 * params.scale; }
        else { output[to + (tx + 0u)] = o2_0 * params.scale; }
        if (continues) { output[to + (tx + 8u)] = output[to + (tx + 8u)] + o2_1 * params.scale; }
        else { output[to + (tx + 8u)] = o2_1 * params.scale; }
      } else {
        let record = params.slotBase + ((shareLine * params.slots + u32(owned.y)) * u32(KEYS) + own) * 16u;
        scratch[record + (tx + 0u)] = o2_0 * params.scale;
        scratch[record + (tx + 8u)] = o2_1 * params.scale;
      }
    }
  }
  { let own = 4u * (ty + 0u) + 3u;
    if (i32(own) < owned.x) {
      if (owned.y < 0) {
        let to = (ownLine + u32(keysOf.x + keysOf.y * i32(own)) * outputRow) * 16u;
        if (continues) { output[to + (tx + 0u)] = output[to + (tx + 0u)] + o3_0 * params.scale; }
        else { output[to + (tx + 0u)] = o3_0 * params.scale; }
        if (continues) { output[to + (tx + 8u)] = output[to + (tx + 8u)] + o3_1 * params.scale; }
        else { output[to + (tx + 8u)] = o3_1 * params.scale; }
      } else {
        let record = params.slotBase + ((shareLine * params.slots + u32(owned.y)) * u32(KEYS) + own) * 16u;
        scratch[record + (tx + 0u)] = o3_0 * params.scale;
        scratch[record + (tx + 8u)] = o3_1 * params.scale;
      }
    }
  }
}
