// blocks of 64 × 64 of both operands on tensor cores
// 10240 bytes of workgroup memory
diagnostic(off, chromium.subgroup_matrix_uniformity);
enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read> schedule: array<u32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<storage, read_write> scratch: array<f32>;

// Tiles of 64 × 64 on tensor cores, 32 numbers of the sum at a time; a subgroup keeps 2 × 4 fragments.

struct Params {
  rows: u32, columns: u32, // of the output
  aRows: u32, aColumns: u32, bRows: u32, bColumns: u32, // of the operands as they lie in memory
  first: u32, end: u32, // records that this dispatch covers
  itemsAt: u32, mergesAt: u32, // words of the schedule
  slots: u32, // of a layer of the grid
}

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Result = subgroup_matrix_result<f32, 16, 16>;
var<workgroup> left: array<array<vec4u, 160>, 2>; // rows of a for each subgroup, halves
var<workgroup> right: array<vec4u, 320>; // of b

// Finite floats past the largest half become it: what a conversion makes of them is left open by WGSL. Infinity and NaN stay as they are.
fn packed(four: vec4f) -> vec2u {
  let large = (abs(four) > vec4f(65504.0)) & (abs(four) <= vec4f(3.4028234e38));
  let safe = select(four, sign(four) * 65504.0, large);
  return bitcast<vec2u>(vec4<f16>(safe));
}

fn aFour(first: u32, row: u32, column: u32) -> vec4f {
  let at = first + row * (params.aColumns >> 2u) + (column >> 2u);
  return a[at];
}
fn bFour(first: u32, row: u32, column: u32) -> vec4f {
  let at = first + row * (params.bColumns >> 2u) + (column >> 2u);
  return b[at];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let subgroup = lane / 32u;
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
  k = (word & 4194303u) * 64u;
  end = k + ((word >> 22u) + 1u) * 64u;
  at += 1u;
  word = schedule[at]; // of the run after this one
  var o0_0: Result; var o0_1: Result; var o0_2: Result; var o0_3: Result;
  var o1_0: Result; var o1_1: Result; var o1_2: Result; var o1_3: Result;
  var a0x = vec4f();
  var a0y = vec4f();
  var a1x = vec4f();
  var a1y = vec4f();
  var a2x = vec4f();
  var a2y = vec4f();
  var a3x = vec4f();
  var a3y = vec4f();
  var b0x = vec4f();
  var b0y = vec4f();
  var b1x = vec4f();
  var b1y = vec4f();
  var b2x = vec4f();
  var b2y = vec4f();
  var b3x = vec4f();
  var b3y = vec4f();
  if (steps > 0u) {
    a0x = aFour(aFirst, row + lane / 4u, k + 8u * (lane % 4u));
    a0y = aFour(aFirst, row + lane / 4u, k + 8u * (lane % 4u) + 4u);
    a1x = aFour(aFirst, row + (lane + 64u) / 4u, k + 8u * ((lane + 64u) % 4u));
    a1y = aFour(aFirst, row + (lane + 64u) / 4u, k + 8u * ((lane + 64u) % 4u) + 4u);
    a2x = aFour(aFirst, row + (lane + 128u) / 4u, k + 8u * ((lane + 128u) % 4u));
    a2y = aFour(aFirst, row + (lane + 128u) / 4u, k + 8u * ((lane + 128u) % 4u) + 4u);
    a3x = aFour(aFirst, row + (lane + 192u) / 4u, k + 8u * ((lane + 192u) % 4u));
    a3y = aFour(aFirst, row + (lane + 192u) / 4u, k + 8u * ((lane + 192u) % 4u) + 4u);
    b0x = bFour(bFirst, k + lane / 8u, column + 8u * (lane % 8u));
    b0y = bFour(bFirst, k + lane / 8u, column + 8u * (lane % 8u) + 4u);
    b1x = bFour(bFirst, k + (lane + 64u) / 8u, column + 8u * ((lane + 64u) % 8u));
    b1y = bFour(bFirst, k + (lane + 64u) / 8u, column + 8u * ((lane + 64u) % 8u) + 4u);
    b2x = bFour(bFirst, k + (lane + 128u) / 8u, column + 8u * ((lane + 128u) % 8u));
    b2y = bFour(bFirst, k + (lane + 128u) / 8u, column + 8u * ((lane + 128u) % 8u) + 4u);
    b3x = bFour(bFirst, k + (lane + 192u) / 8u, column + 8u * ((lane + 192u) % 8u));
    b3y = bFour(bFirst, k + (lane + 192u) / 8u, column + 8u * ((lane + 192u) % 8u) + 4u);
  }
  for (var done = 0u; done < steps; done++) {
    // a step into workgroup memory, as halves
    workgroupBarrier();
    left[(lane / 4u) / 32u][(lane / 4u) % 32u * 5u + lane % 4u] = vec4u(packed(a0x), packed(a0y));
    left[((lane + 64u) / 4u) / 32u][((lane + 64u) / 4u) % 32u * 5u + (lane + 64u) % 4u] = vec4u(packed(a1x), packed(a1y));
    left[((lane + 128u) / 4u) / 32u][((lane + 128u) / 4u) % 32u * 5u + (lane + 128u) % 4u] = vec4u(packed(a2x), packed(a2y));
    left[((lane + 192u) / 4u) / 32u][((lane + 192u) / 4u) % 32u * 5u + (lane + 192u) % 4u] = vec4u(packed(a3x), packed(a3y));
    right[(lane / 8u) * 9u + lane % 8u] = vec4u(packed(b0x), packed(b0y));
    right[((lane + 64u) / 8u) * 9u + (lane + 64u) % 8u] = vec4u(packed(b1x), packed(b1y));
    right[((lane + 128u) / 8u) * 9u + (lane + 128u) % 8u] = vec4u(packed(b2x), packed(b2y));
    right[((lane + 192u) / 8u) * 9u + (lane + 192u) % 8u] = vec4u(packed(b3x), packed(b3y));
    k += 32u;
    if (k >= end) {
      k = (word & 4194303u) * 64u;
      end = k + ((word >> 22u) + 1u) * 64u;
      at += 1u;
      word = schedule[at]; // of the run after this one
    }
    if (done + 1u < steps) {
      a0x = aFour(aFirst, row + lane / 4u, k + 8u * (lane % 4u));
      a0y = aFour(aFirst, row + lane / 4u, k + 8u * (lane % 4u) + 4u);
      a1x = aFour(aFirst, row + (lane + 64u) / 4u, k + 8u * ((lane + 64u) % 4u));
      a1y = aFour(aFirst, row + (lane + 64u) / 4u, k + 8u * ((lane + 64u) % 4u) + 4u);
      a2x = aFour(aFirst, row + (lane + 128u) / 4u, k + 8u * ((lane + 128u) % 4u));
      a2y = aFour(aFirst, row + (lane + 128u) / 4u, k + 8u * ((lane + 128u) % 4u) + 4u);
      a3x = aFour(aFirst, row + (lane + 192u) / 4u, k + 8u * ((lane + 192u) % 4u));
      a3y = aFour(aFirst, row + (lane + 192u) / 4u, k + 8u * ((lane + 192u) % 4u) + 4u);
      b0x = bFour(bFirst, k + lane / 8u, column + 8u * (lane % 8u));
      b0y = bFour(bFirst, k + lane / 8u, column + 8u * (lane % 8u) + 4u);
      b1x = bFour(bFirst, k + (lane + 64u) / 8u, column + 8u * ((lane + 64u) % 8u));
      b1y = bFour(bFirst, k + (lane + 64u) / 8u, column + 8u * ((lane + 64u) % 8u) + 4u);
      b2x = bFour(bFirst, k + (lane + 128u) / 8u, column + 8u * ((lane + 128u) % 8u));
      b2y = bFour(bFirst, k + (lane + 128u) / 8u, column + 8u * ((lane + 128u) % 8u) + 4u);
      b3x = bFour(bFirst, k + (lane + 192u) / 8u, column + 8u * ((lane + 192u) % 8u));
      b3y = bFour(bFirst, k + (lane + 192u) / 8u, column + 8u * ((lane + 192u) % 8u) + 4u);
    }
    // sums
    workgroupBarrier();
    {
      let x0 = subgroupMatrixLoad<Left, row_major>(&left[subgroup], 0u, 5u);
      let x1 = subgroupMatrixLoad<Left, row_major>(&left[subgroup], 80u, 5u);
      { let y = subgroupMatrixLoad<Right, row_major>(&right, 0u, 9u);
        o0_0 = subgroupMatrixMultiplyAccumulate(x0, y, o0_0);
        o1_0 = subgroupMatrixMultiplyAccumulate(x1, y, o1_0);
      }
      { let y = subgroupMatrixLoad<Right, row_major>(&right, 2u, 9u);
        o0_1 = subgroupMatrixMultiplyAccumulate(x0, y, o0_1);
        o1_1 = subgroupMatrixMultiplyAccumulate(x1, y, o1_1);
      }
      { let y = subgroupMatrixLoad<Right, row_major>(&right, 4u, 9u);
        o0_2 = subgroupMatrixMultiplyAccumulate(x0, y, o0_2);
        o1_2 = subgroupMatrixMultiplyAccumulate(x1, y, o1_2);
      }
      { let y = subgroupMatrixLoad<Right, row_major>(&right, 6u, 9u);
        o0_3 = subgroupMatrixMultiplyAccumulate(x0, y, o0_3);
        o1_3 = subgroupMatrixMultiplyAccumulate(x1, y, o1_3);
      }
    }
    {
      let x0 = subgroupMatrixLoad<Left, row_major>(&left[subgroup], 2u, 5u);
      let x1 = subgroupMatrixLoad<Left, row_major>(&left[subgroup], 82u, 5u);
      { let y = subgroupMatrixLoad<Right, row_major>(&right, 144u, 9u);
        o0_0 = subgroupMatrixMultiplyAccumulate(x0, y, o0_0);
        o1_0 = subgroupMatrixMultiplyAccumulate(x1, y, o1_0);
      }
      { let y = subgroupMatrixLoad<Right, row_major>(&right, 146u, 9u);
        o0_1 = subgroupMatrixMultiplyAccumulate(x0, y, o0_1);
        o1_1 = subgroupMatrixMultiplyAccumulate(x1, y, o1_1);
      }
      { let y = subgroupMatrixLoad<Right, row_major>(&right, 148u, 9u);
        o0_2 = subgroupMatrixMultiplyAccumulate(x0, y, o0_2);
        o1_2 = subgroupMatrixMultiplyAccumulate(x1, y, o1_2);
      }
      { let y = subgroupMatrixLoad<Right, row_major>(&right, 150u, 9u);
        o0_3 = subgroupMatrixMultiplyAccumulate(x0, y, o0_3);
        o1_3 = subgroupMatrixMultiplyAccumulate(x1, y, o1_3);
      }
    }
  }
  let slot = schedule[record + 6u];
  if (slot > 0u) {
    let part = (slot - 1u + group.z * params.slots) * 4096u;
    subgroupMatrixStore<row_major>(&scratch, part + (subgroup * 32u + 0u) * 64u + 0u, o0_0, 64u);
    subgroupMatrixStore<row_major>(&scratch, part + (subgroup * 32u + 0u) * 64u + 16u, o0_1, 64u);
    subgroupMatrixStore<row_major>(&scratch, part + (subgroup * 32u + 0u) * 64u + 32u, o0_2, 64u);
    subgroupMatrixStore<row_major>(&scratch, part + (subgroup * 32u + 0u) * 64u + 48u, o0_3, 64u);
    subgroupMatrixStore<row_major>(&scratch, part + (subgroup * 32u + 16u) * 64u + 0u, o1_0, 64u);
    subgroupMatrixStore<row_major>(&scratch, part + (subgroup * 32u + 16u) * 64u + 16u, o1_1, 64u);
    subgroupMatrixStore<row_major>(&scratch, part + (subgroup * 32u + 16u) * 64u + 32u, o1_2, 64u);
    subgroupMatrixStore<row_major>(&scratch, part + (subgroup * 32u + 16u) * 64u + 48u, o1_3, 64u);
    return;
  }
  let corner = product * params.rows * params.columns + row * params.columns + column;
  subgroupMatrixStore<row_major>(&output, corner + (subgroup * 32u + 0u) * params.columns + 0u, o0_0, params.columns);
  subgroupMatrixStore<row_major>(&output, corner + (subgroup * 32u + 0u) * params.columns + 16u, o0_1, params.columns);
  subgroupMatrixStore<row_major>(&output, corner + (subgroup * 32u + 0u) * params.columns + 32u, o0_2, params.columns);
  subgroupMatrixStore<row_major>(&output, corner + (subgroup * 32u + 0u) * params.columns + 48u, o0_3, params.columns);
  subgroupMatrixStore<row_major>(&output, corner + (subgroup * 32u + 16u) * params.columns + 0u, o1_0, params.columns);
  subgroupMatrixStore<row_major>(&output, corner + (subgroup * 32u + 16u) * params.columns + 16u, o1_1, params.columns);
  subgroupMatrixStore<row_major>(&output, corner + (subgroup * 32u + 16u) * params.columns + 32u, o1_2, params.columns);
  subgroupMatrixStore<row_major>(&output, corner + (subgroup * 32u + 16u) * params.columns + 48u, o1_3, params.columns);
}
