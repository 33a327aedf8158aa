// rows that fill no vec4
// 512 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

// RMS norm of rows. 8 lanes own a row, 8 rows a workgroup; a lane keeps 1 elements.

struct Params {
  rows: u32, columns: u32, // columns: elements of a row, or fours of them
  chunkRows: u32, chunks: u32, // of sums over rows
  width: f32, epsilon: f32,
}

var<workgroup> partials: array<vec2f, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let own = lane % 8u;
  let row = (group.y * 32768u + group.x) * 8u + lane / 8u;
  let isRow = row < params.rows;
  let first = row * params.columns;
  let isLast = isRow && own + 0u < params.columns; // the last register holds something
  var x0 = f32();
  if (isLast) { x0 = x[first + own]; }
  // squares: of each lane
  partials[lane] = vec2f(0.0, x0 * x0);
  // of the row
  workgroupBarrier();
  let squares = (((partials[lane - own] + partials[lane - own + 1u]) + (partials[lane - own + 2u] + partials[lane - own + 3u])) + ((partials[lane - own + 4u] + partials[lane - own + 5u]) + (partials[lane - own + 6u] + partials[lane - own + 7u])));
  let scale = inverseSqrt(squares.y / params.width + params.epsilon);
  if (isLast) { output[first + own] = x0 * scale * gamma[own]; }
}
