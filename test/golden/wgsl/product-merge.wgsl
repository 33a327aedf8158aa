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
  let workgroup = (group.y * 32768u + group.x) * 1u + 0u;
  let index = params.first + workgroup / 16u;
  let four = workgroup % 16u * 64u + lane;
  if (index >= params.end) { return; }
  let record = params.mergesAt + 5u * index;
  let slot = schedule[record + 2u] + group.z * params.slots;
  let parts = schedule[record + 3u];
  let product = schedule[record + 4u] + group.z;
  let first = product * params.rows * (params.columns >> 2u);
  var sum = vec4f();
  for (var part = 0u; part < parts; part += 4u) {
    let part0 = scratch[(slot + min(part + 0u, parts - 1u)) * 1024u + four];
    let part1 = scratch[(slot + min(part + 1u, parts - 1u)) * 1024u + four];
    let part2 = scratch[(slot + min(part + 2u, parts - 1u)) * 1024u + four];
    let part3 = scratch[(slot + min(part + 3u, parts - 1u)) * 1024u + four];
    sum += part0;
    sum += select(vec4f(), part1, part + 1u < parts);
    sum += select(vec4f(), part2, part + 2u < parts);
    sum += select(vec4f(), part3, part + 3u < parts);
  }
  writeFour(first, schedule[record + 0u] + four / 16u, schedule[record + 1u] + 4u * (four % 16u), sum);
}
