// operands that lie transposed, sides that no four divides, sums in parts
// 3648 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> schedule: array<u32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

// Tiles of 12 × 64, 12 numbers of the sum at a time; an invocation keeps 4 rows of 1 fours.

struct Params {
  rows: u32, columns: u32, // of the output
  aRows: u32, aColumns: u32, bRows: u32, bColumns: u32, // of the operands as they lie in memory
  first: u32, end: u32, // records that this dispatch covers
  itemsAt: u32, mergesAt: u32, // words of the schedule
  slots: u32, // of a layer of the grid
}

var<workgroup> left: array<vec4f, 36>; // rows of a, fours along the sum
var<workgroup> right: array<vec4f, 192>; // along the sum, fours of columns of b
fn aFour(first: u32, row: u32, column: u32) -> vec4f {
  if (row >= params.aRows || column >= params.aColumns) { return vec4f(); }
  let at = first + row * params.aColumns + column;
  var four = vec4f();
  four[0] = a[at];
  if (column + 1u < params.aColumns) { four[1] = a[at + 1u]; }
  if (column + 2u < params.aColumns) { four[2] = a[at + 2u]; }
  if (column + 3u < params.aColumns) { four[3] = a[at + 3u]; }
  return four;
}
fn aFourinside(first: u32, row: u32, column: u32) -> vec4f {
  let at = first + row * params.aColumns + column;
  var four = vec4f();
  four[0] = a[at];
  four[1] = a[at + 1u];
  four[2] = a[at + 2u];
  four[3] = a[at + 3u];
  return four;
}
fn bFour(first: u32, row: u32, column: u32) -> vec4f {
  if (row >= params.bRows || column >= params.bColumns) { return vec4f(); }
  let at = first + row * params.bColumns + column;
  var four = vec4f();
  four[0] = b[at];
  if (column + 1u < params.bColumns) { four[1] = b[at + 1u]; }
  if (column + 2u < params.bColumns) { four[2] = b[at + 2u]; }
  if (column + 3u < params.bColumns) { four[3] = b[at + 3u]; }
  return four;
}
fn bFourinside(first: u32, row: u32, column: u32) -> vec4f {
  let at = first + row * params.bColumns + column;
  var four = vec4f();
  four[0] = b[at];
  four[1] = b[at + 1u];
  four[2] = b[at + 2u];
  four[3] = b[at + 3u];
  return four;
}
fn writeFour(first: u32, row: u32, column: u32, four: vec4f) {
  if (row >= params.rows || column >= params.columns) { return; }
  let at = first + row * params.columns + column;
  output[at] = four[0];
  if (column + 1u < params.columns) { output[at + 1u] = four[1]; }
  if (column + 2u < params.columns) { output[at + 2u] = four[2]; }
  if (column + 3u < params.columns) { output[at + 3u] = four[3]; }
}

@compute @workgroup_size(48)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = params.first + (group.y * 32768u + group.x) * 1u + 0u;
  if (index >= params.end) { return; }
  let record = params.itemsAt + 7u * index;
  let row = schedule[record + 0u];
  let column = schedule[record + 1u];
  let steps = schedule[record + 4u];
  let product = 0u;
  let aFirst = 0u;
  let bFirst = 0u;
  var k: u32;
  var end: u32;
  var at = schedule[record + 2u];
  var word = schedule[record + 3u];
  k = (word & 4194303u) * 12u;
  end = k + ((word >> 22u) + 1u) * 12u;
  at += 1u;
  word = schedule[at]; // of the run after this one
  let isInside = row + 12u <= params.rows && column + 64u <= params.columns;
  let tx = lane % 16u;
  let ty = lane / 16u;
  var o0_0 = vec4f();
  var o1_0 = vec4f();
  var o2_0 = vec4f();
  var o3_0 = vec4f();
  var a0 = vec4f();
  var b0_0 = vec4f();
  var b0_1 = vec4f();
  var b0_2 = vec4f();
  var b0_3 = vec4f();
  if (steps > 0u) {
    if (isInside && k + 12u <= params.aRows) {
      if (lane + 0u < 36u) {
        a0 = aFourinside(aFirst, k + lane / 3u, row + 4u * (lane % 3u));
      }
      b0_0 = bFourinside(bFirst, column + 4u * (lane / 3u), k + 4u * (lane % 3u));
      b0_1 = bFourinside(bFirst, column + 4u * (lane / 3u) + 1u, k + 4u * (lane % 3u));
      b0_2 = bFourinside(bFirst, column + 4u * (lane / 3u) + 2u, k + 4u * (lane % 3u));
      b0_3 = bFourinside(bFirst, column + 4u * (lane / 3u) + 3u, k + 4u * (lane % 3u));
    } else {
      if (lane + 0u < 36u) {
        a0 = aFour(aFirst, k + lane / 3u, row + 4u * (lane % 3u));
      }
      b0_0 = bFour(bFirst, column + 4u * (lane / 3u), k + 4u * (lane % 3u));
      b0_1 = bFour(bFirst, column + 4u * (lane / 3u) + 1u, k + 4u * (lane % 3u));
      b0_2 = bFour(bFirst, column + 4u * (lane / 3u) + 2u, k + 4u * (lane % 3u));
      b0_3 = bFour(bFirst, column + 4u * (lane / 3u) + 3u, k + 4u * (lane % 3u));
    }
  }
  for (var done = 0u; done < steps; done++) {
    // a step into workgroup memory
    workgroupBarrier();
    if (lane + 0u < 36u) {
      left[lane] = a0;
    }
    right[(4u * (lane % 3u) + 0u) * 16u + (lane / 3u + 2u * (lane % 3u)) % 16u] = vec4f(b0_0[0], b0_1[0], b0_2[0], b0_3[0]);
    right[(4u * (lane % 3u) + 1u) * 16u + (lane / 3u + 2u * (lane % 3u)) % 16u] = vec4f(b0_0[1], b0_1[1], b0_2[1], b0_3[1]);
    right[(4u * (lane % 3u) + 2u) * 16u + (lane / 3u + 2u * (lane % 3u)) % 16u] = vec4f(b0_0[2], b0_1[2], b0_2[2], b0_3[2]);
    right[(4u * (lane % 3u) + 3u) * 16u + (lane / 3u + 2u * (lane % 3u)) % 16u] = vec4f(b0_0[3], b0_1[3], b0_2[3], b0_3[3]);
    k += 12u;
    if (k >= end) {
      k = (word & 4194303u) * 12u;
      end = k + ((word >> 22u) + 1u) * 12u;
      at += 1u;
      word = schedule[at]; // of the run after this one
    }
    if (done + 1u < steps) {
      if (isInside && k + 12u <= params.aRows) {
        if (lane + 0u < 36u) {
          a0 = aFourinside(aFirst, k + lane / 3u, row + 4u * (lane % 3u));
        }
        b0_0 = bFourinside(bFirst, column + 4u * (lane / 3u), k + 4u * (lane % 3u));
        b0_1 = bFourinside(bFirst, column + 4u * (lane / 3u) + 1u, k + 4u * (lane % 3u));
        b0_2 = bFourinside(bFirst, column + 4u * (lane / 3u) + 2u, k + 4u * (lane % 3u));
        b0_3 = bFourinside(bFirst, column + 4u * (lane / 3u) + 3u, k + 4u * (lane % 3u));
      } else {
        if (lane + 0u < 36u) {
          a0 = aFour(aFirst, k + lane / 3u, row + 4u * (lane % 3u));
        }
        b0_0 = bFour(bFirst, column + 4u * (lane / 3u), k + 4u * (lane % 3u));
        b0_1 = bFour(bFirst, column + 4u * (lane / 3u) + 1u, k + 4u * (lane % 3u));
        b0_2 = bFour(bFirst, column + 4u * (lane / 3u) + 2u, k + 4u * (lane % 3u));
        b0_3 = bFour(bFirst, column + 4u * (lane / 3u) + 3u, k + 4u * (lane % 3u));
      }
    }
    // sums
    workgroupBarrier();
    for (var part = 0u; part < 3u; part += 1u) {
      {
        let q = part;
        let x0_0 = left[(4u * q + 0u) * 3u + ty];
        let y0_0 = right[(4u * q + 0u) * 16u + (tx + 2u * q) % 16u];
        o0_0 = fma(vec4f(x0_0[0]), y0_0, o0_0);
        o1_0 = fma(vec4f(x0_0[1]), y0_0, o1_0);
        o2_0 = fma(vec4f(x0_0[2]), y0_0, o2_0);
        o3_0 = fma(vec4f(x0_0[3]), y0_0, o3_0);
        let x1_0 = left[(4u * q + 1u) * 3u + ty];
        let y1_0 = right[(4u * q + 1u) * 16u + (tx + 2u * q) % 16u];
        o0_0 = fma(vec4f(x1_0[0]), y1_0, o0_0);
        o1_0 = fma(vec4f(x1_0[1]), y1_0, o1_0);
        o2_0 = fma(vec4f(x1_0[2]), y1_0, o2_0);
        o3_0 = fma(vec4f(x1_0[3]), y1_0, o3_0);
        let x2_0 = left[(4u * q + 2u) * 3u + ty];
        let y2_0 = right[(4u * q + 2u) * 16u + (tx + 2u * q) % 16u];
        o0_0 = fma(vec4f(x2_0[0]), y2_0, o0_0);
        o1_0 = fma(vec4f(x2_0[1]), y2_0, o1_0);
        o2_0 = fma(vec4f(x2_0[2]), y2_0, o2_0);
        o3_0 = fma(vec4f(x2_0[3]), y2_0, o3_0);
        let x3_0 = left[(4u * q + 3u) * 3u + ty];
        let y3_0 = right[(4u * q + 3u) * 16u + (tx + 2u * q) % 16u];
        o0_0 = fma(vec4f(x3_0[0]), y3_0, o0_0);
        o1_0 = fma(vec4f(x3_0[1]), y3_0, o1_0);
        o2_0 = fma(vec4f(x3_0[2]), y3_0, o2_0);
        o3_0 = fma(vec4f(x3_0[3]), y3_0, o3_0);
      }
    }
  }
  let first = product * params.rows * params.columns;
  writeFour(first, row + 4u * (ty) + 0u, column + 4u * (tx), o0_0);
  writeFour(first, row + 4u * (ty) + 1u, column + 4u * (tx), o1_0);
  writeFour(first, row + 4u * (ty) + 2u, column + 4u * (tx), o2_0);
  writeFour(first, row + 4u * (ty) + 3u, column + 4u * (tx), o3_0);
}
