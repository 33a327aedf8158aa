// a number an invocation
// 0 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dOutput: array<f32>;
@group(0) @binding(3) var<storage, read_write> dX: array<f32>;

// The gradient of x · share(x). An invocation has one element.

struct Params {
  rows: u32, columns: u32, // columns: elements of a row, or fours of them
  chunkRows: u32, chunks: u32, // of sums over rows
  width: f32, epsilon: f32,
}

alias T = f32;

// The share of x that is left, |x| ≤ 88.
fn share(x: T) -> T {
  return 1.0 / (1.0 + exp(-clamp(x, T(-88.0), T(88.0))));
}

fn slope(x: T) -> T {
  let s = share(x); return s * (1.0 - s) * (1.0);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * 32768u + group.x) * 256u + lane;
  if (index >= params.columns) { return; }
  let given = x[index];
  let near = clamp(given, T(-88.0), T(88.0));
  let gradient = dOutput[index] * (share(near) + near * slope(near));
  // By its bits, for compilers may take it that there is no NaN.
  let isNaN = (bitcast<u32>(given) & 0x7fffffffu) > 0x7f800000u;
  dX[index] = select(gradient, given, isNaN);
}
