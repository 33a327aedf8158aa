// blocks of 8 × 8 of the left operand: nothing is staged
// 0 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read> schedule: array<u32>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4f>;

// Tiles of 8 × 64, 8 numbers of the sum at a time; an invocation keeps 4 rows of 1 fours.

struct Params {
  rows: u32, columns: u32, // of the output
  aRows: u32, aColumns: u32, bRows: u32, bColumns: u32, // of the operands as they lie in memory
  first: u32, end: u32, // records that this dispatch covers
  itemsAt: u32, mergesAt: u32, // words of the schedule
  slots: u32, // of a layer of the grid
}

fn aFour(first: u32, row: u32, column: u32) -> vec4f {
  let at = first + row * (params.aColumns >> 2u) + (column >> 2u);
  return a[at];
}
fn bFour(first: u32, row: u32, column: u32) -> vec4f {
  let at = first + row * (params.bColumns >> 2u) + (column >> 2u);
  return b[at];
}
fn writeFour(first: u32, row: u32, column: u32, four: vec4f) {
  output[first + row * (params.columns >> 2u) + (column >> 2u)] = four;
}

@compute @workgroup_size(32)
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
  k = (word & 4194303u) * 8u;
  end = k + ((word >> 22u) + 1u) * 8u;
  at += 1u;
  word = schedule[at]; // of the run after this one
  let tx = lane % 16u;
  let ty = lane / 16u;
  var o0_0 = vec4f();
  var o1_0 = vec4f();
  var o2_0 = vec4f();
  var o3_0 = vec4f();
  for (var done = 0u; done < steps; done++) {
    // sums
    {
      let q = 0u;
      let x0 = aFour(aFirst, row + ty, k + 4u * q);
      let x1 = aFour(aFirst, row + (ty + 2u), k + 4u * q);
      let x2 = aFour(aFirst, row + (ty + 4u), k + 4u * q);
      let x3 = aFour(aFirst, row + (ty + 6u), k + 4u * q);
      let y0_0 = bFour(bFirst, k + 4u * q + 0u, column + 4u * (tx));
      o0_0 = fma(vec4f(x0[0]), y0_0, o0_0);
      o1_0 = fma(vec4f(x1[0]), y0_0, o1_0);
      o2_0 = fma(vec4f(x2[0]), y0_0, o2_0);
      o3_0 = fma(vec4f(x3[0]), y0_0, o3_0);
      let y1_0 = bFour(bFirst, k + 4u * q + 1u, column + 4u * (tx));
      o0_0 = fma(vec4f(x0[1]), y1_0, o0_0);
      o1_0 = fma(vec4f(x1[1]), y1_0, o1_0);
      o2_0 = fma(vec4f(x2[1]), y1_0, o2_0);
      o3_0 = fma(vec4f(x3[1]), y1_0, o3_0);
      let y2_0 = bFour(bFirst, k + 4u * q + 2u, column + 4u * (tx));
      o0_0 = fma(vec4f(x0[2]), y2_0, o0_0);
      o1_0 = fma(vec4f(x1[2]), y2_0, o1_0);
      o2_0 = fma(vec4f(x2[2]), y2_0, o2_0);
      o3_0 = fma(vec4f(x3[2]), y2_0, o3_0);
      let y3_0 = bFour(bFirst, k + 4u * q + 3u, column + 4u * (tx));
      o0_0 = fma(vec4f(x0[3]), y3_0, o0_0);
      o1_0 = fma(vec4f(x1[3]), y3_0, o1_0);
      o2_0 = fma(vec4f(x2[3]), y3_0, o2_0);
      o3_0 = fma(vec4f(x3[3]), y3_0, o3_0);
    }
    {
      let q = 1u;
      let x0 = aFour(aFirst, row + ty, k + 4u * q);
      let x1 = aFour(aFirst, row + (ty + 2u), k + 4u * q);
      let x2 = aFour(aFirst, row + (ty + 4u), k + 4u * q);
      let x3 = aFour(aFirst, row + (ty + 6u), k + 4u * q);
      let y0_0 = bFour(bFirst, k + 4u * q + 0u, column + 4u * (tx));
      o0_0 = fma(vec4f(x0[0]), y0_0, o0_0);
      o1_0 = fma(vec4f(x1[0]), y0_0, o1_0);
      o2_0 = fma(vec4f(x2[0]), y0_0, o2_0);
      o3_0 = fma(vec4f(x3[0]), y0_0, o3_0);
      let y1_0 = bFour(bFirst, k + 4u * q + 1u, column + 4u * (tx));
      o0_0 = fma(vec4f(x0[1]), y1_0, o0_0);
      o1_0 = fma(vec4f(x1[1]), y1_0, o1_0);
      o2_0 = fma(vec4f(x2[1]), y1_0, o2_0);
      o3_0 = fma(vec4f(x3[1]), y1_0, o3_0);
      let y2_0 = bFour(bFirst, k + 4u * q + 2u, column + 4u * (tx));
      o0_0 = fma(vec4f(x0[2]), y2_0, o0_0);
      o1_0 = fma(vec4f(x1[2]), y2_0, o1_0);
      o2_0 = fma(vec4f(x2[2]), y2_0, o2_0);
      o3_0 = fma(vec4f(x3[2]), y2_0, o3_0);
      let y3_0 = bFour(bFirst, k + 4u * q + 3u, column + 4u * (tx));
      o0_0 = fma(vec4f(x0[3]), y3_0, o0_0);
      o1_0 = fma(vec4f(x1[3]), y3_0, o1_0);
      o2_0 = fma(vec4f(x2[3]), y3_0, o2_0);
      o3_0 = fma(vec4f(x3[3]), y3_0, o3_0);
    }
    k += 8u;
    if (k >= end) {
      k = (word & 4194303u) * 8u;
      end = k + ((word >> 22u) + 1u) * 8u;
      at += 1u;
      word = schedule[at]; // of the run after this one
    }
  }
  let first = product * params.rows * (params.columns >> 2u);
  writeFour(first, row + ty, column + 4u * (tx), o0_0);
  writeFour(first, row + ty + 2u, column + 4u * (tx), o1_0);
  writeFour(first, row + ty + 4u, column + 4u * (tx), o2_0);
  writeFour(first, row + ty + 6u, column + 4u * (tx), o3_0);
}
