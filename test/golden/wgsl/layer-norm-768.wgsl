// rows of 768 with all that a norm takes and gives
// 576 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> residual: array<vec4f>;
@group(0) @binding(3) var<storage, read> gamma: array<vec4f>;
@group(0) @binding(4) var<storage, read> beta: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> sum: array<vec4f>;

// Layer norm of rows. 64 lanes own a row, 1 rows a workgroup; a lane keeps 3 elements.

struct Params {
  rows: u32, columns: u32, // columns: elements of a row, or fours of them
  chunkRows: u32, chunks: u32, // of sums over rows
  width: f32, epsilon: f32,
}

var<workgroup> partials: array<vec2f, 64>;
var<workgroup> totals: array<vec2f, 8>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let own = lane % 64u;
  let row = (group.y * 32768u + group.x) * 1u + lane / 64u;
  let isRow = row < params.rows;
  let first = row * params.columns;
  let isLast = isRow && own + 128u < params.columns; // the last register holds something
  var x0 = vec4f();
  if (isRow) { x0 = x[first + own] + residual[first + own]; }
  var x1 = vec4f();
  if (isRow) { x1 = x[first + own + 64u] + residual[first + own + 64u]; }
  var x2 = vec4f();
  if (isLast) { x2 = x[first + own + 128u] + residual[first + own + 128u]; }
  if (isRow) { sum[first + own] = x0; }
  if (isRow) { sum[first + own + 64u] = x1; }
  if (isLast) { sum[first + own + 128u] = x2; }
  // sums: of each lane
  partials[lane] = vec2f((((x0.x + x0.y) + (x0.z + x0.w)) + (((x1.x + x1.y) + (x1.z + x1.w)) + ((x2.x + x2.y) + (x2.z + x2.w)))), 0.0);
  // of every 8th lane
  workgroupBarrier();
  if (own < 8u) {
    totals[lane / 64u * 8u + own] = (((partials[lane] + partials[lane + 8u]) + (partials[lane + 16u] + partials[lane + 24u])) + ((partials[lane + 32u] + partials[lane + 40u]) + (partials[lane + 48u] + partials[lane + 56u])));
  }
  // of the row
  workgroupBarrier();
  let sums = (((totals[lane / 64u * 8u] + totals[lane / 64u * 8u + 1u]) + (totals[lane / 64u * 8u + 2u] + totals[lane / 64u * 8u + 3u])) + ((totals[lane / 64u * 8u + 4u] + totals[lane / 64u * 8u + 5u]) + (totals[lane / 64u * 8u + 6u] + totals[lane / 64u * 8u + 7u])));
  let mean = sums.x / params.width;
  x0 -= mean;
  x1 -= mean;
  x2 = select(vec4f(), x2 - mean, isLast);
  // deviations: of each lane
  partials[lane] = vec2f((((x0.x + x0.y) + (x0.z + x0.w)) + (((x1.x + x1.y) + (x1.z + x1.w)) + ((x2.x + x2.y) + (x2.z + x2.w)))), (dot(x0, x0) + (dot(x1, x1) + dot(x2, x2))));
  // of every 8th lane
  workgroupBarrier();
  if (own < 8u) {
    totals[lane / 64u * 8u + own] = (((partials[lane] + partials[lane + 8u]) + (partials[lane + 16u] + partials[lane + 24u])) + ((partials[lane + 32u] + partials[lane + 40u]) + (partials[lane + 48u] + partials[lane + 56u])));
  }
  // of the row
  workgroupBarrier();
  let deviations = (((totals[lane / 64u * 8u] + totals[lane / 64u * 8u + 1u]) + (totals[lane / 64u * 8u + 2u] + totals[lane / 64u * 8u + 3u])) + ((totals[lane / 64u * 8u + 4u] + totals[lane / 64u * 8u + 5u]) + (totals[lane / 64u * 8u + 6u] + totals[lane / 64u * 8u + 7u])));
  let shift = deviations.x / params.width;
  let scale = inverseSqrt(max(deviations.y / params.width - shift * shift, 0.0) + params.epsilon);
  if (isRow) { output[first + own] = (x0 - shift) * scale * gamma[own] + beta[own]; }
  if (isRow) { output[first + own + 64u] = (x1 - shift) * scale * gamma[own + 64u] + beta[own + 64u]; }
  if (isLast) { output[first + own + 128u] = (x2 - shift) * scale * gamma[own + 128u] + beta[own + 128u]; }
}
