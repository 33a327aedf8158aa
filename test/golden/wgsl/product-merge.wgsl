// adds the parts of tiles
// 0 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> schedule: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(3) var<storage, read> scratch: array<vec4f>;

// The sum of the parts of a tile of 64 × 64.

struct Params {
  rows: u32, columns: u32, // of the output
  aRows: u32, aColumns: u32, bRows: u32, bColumns: u32, // of the operands as they lie in memory
  first: u32, end: u32, // records that this dispatch covers
  itemsAt: u32, mergesAt: u32, // words of the schedule
  slots: u32, // of a layer of the grid
}

fn writeFour(first: u32, row: u32, column: u32, four: vec4f) {
  output[first + row * (params.columns >> 2u) + (column >> 2u)] = four;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = params.first + (group.y * 32768u + group.x) * 1u + 0u;
  if (index >= params.end) { return; }
  let record = params.mergesAt + 5u * index;
  let slot = schedule[record + 2u] + group.z * params.slots;
  let parts = schedule[record + 3u];
  let product = schedule[record + 4u] + group.z;
  let first = product * params.rows * (params.columns >> 2u);
  for (var four = lane; four < 1024u; four += 64u) {
    var sum = scratch[slot * 1024u + four];
    for (var part = 1u; part < parts; part++) { sum += scratch[(slot + part) * 1024u + four]; }
    writeFour(first, schedule[record + 0u] + four / 16u, schedule[record + 1u] + 4u * (four % 16u), sum);
  }
}
