// of gamma and beta, over chunks of rows
// 8192 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> residual: array<vec4f>;
@group(0) @binding(3) var<storage, read> dOutput: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> scratch: array<vec4f>;

// Sums over the rows of a chunk, for the gradients of gamma and beta. A workgroup owns 16 columns, 16 lanes share each.

struct Params {
  rows: u32, columns: u32, // columns: elements of a row, or fours of them
  chunkRows: u32, chunks: u32, // of sums over rows
  width: f32, epsilon: f32,
}

var<workgroup> partialGamma: array<vec4f, 256>;
var<workgroup> partialBeta: array<vec4f, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let column = group.x * 16u + lane % 16u;
  let isColumn = column < params.columns;
  var ofGamma = vec4f();
  var ofBeta = vec4f();
  if (isColumn) {
    for (var row = group.y * params.chunkRows + lane / 16u; row < min((group.y + 1u) * params.chunkRows, params.rows); row += 16u) {
      let at = row * params.columns + column;
      let gradient = dOutput[at];
      ofGamma += gradient * ((((x[at] + residual[at]) - scratch[row].x) - scratch[row].y) * scratch[row].z);
      ofBeta += gradient;
    }
  }
  // of each lane
  partialGamma[lane] = ofGamma;
  partialBeta[lane] = ofBeta;
  // of the column
  workgroupBarrier();
  if (lane < 16u && isColumn) {
    scratch[1u * params.rows + 2u * (group.y * params.columns + column)] = ((((partialGamma[lane + 0u] + partialGamma[lane + 16u]) + (partialGamma[lane + 32u] + partialGamma[lane + 48u])) + ((partialGamma[lane + 64u] + partialGamma[lane + 80u]) + (partialGamma[lane + 96u] + partialGamma[lane + 112u]))) + (((partialGamma[lane + 128u] + partialGamma[lane + 144u]) + (partialGamma[lane + 160u] + partialGamma[lane + 176u])) + ((partialGamma[lane + 192u] + partialGamma[lane + 208u]) + (partialGamma[lane + 224u] + partialGamma[lane + 240u]))));
    scratch[1u * params.rows + 2u * (group.y * params.columns + column) + 1u] = ((((partialBeta[lane + 0u] + partialBeta[lane + 16u]) + (partialBeta[lane + 32u] + partialBeta[lane + 48u])) + ((partialBeta[lane + 64u] + partialBeta[lane + 80u]) + (partialBeta[lane + 96u] + partialBeta[lane + 112u]))) + (((partialBeta[lane + 128u] + partialBeta[lane + 144u]) + (partialBeta[lane + 160u] + partialBeta[lane + 176u])) + ((partialBeta[lane + 192u] + partialBeta[lane + 208u]) + (partialBeta[lane + 224u] + partialBeta[lane + 240u]))));
  }
}
