import {probe} from './probe.js';

/** The sizes that the subgroups of a device may have. */
export interface SubgroupSizes {
  readonly min: number;
  readonly max: number;
}

/** What our kernels run in, as far as lanes matter to them. */
const WORKGROUPS = [64, 128];

/**
 * Runs a shader that shows where lanes are. WGSL promises nothing about that, and our kernels exchange numbers with neighbours: in a
 * one-dimensional workgroup, subgroup s has to hold the invocations s·size … s·size + size − 1, in this order.
 *
 * @returns null when it does, else what is wrong, as a sentence without a full stop.
 */
export async function laneFault(device: GPUDevice, sizes: SubgroupSizes): Promise<string | null> {
  try {
    for (const workgroup of WORKGROUPS) {
      const masks = masksOf(sizes);
      const seen = await probe(device, shader(workgroup, masks), workgroup * (3 + masks.length));
      const fault = readLanes(seen, workgroup, sizes);
      if (fault !== null) return fault;
    }
    return null;
  } catch (error) {
    return `the probe of its lanes failed ("${error instanceof Error ? error.message : String(error)}")`;
  }
}

/** The exchanges that are right in every subgroup, whichever of its sizes a pipeline gets. */
const masksOf = ({min}: SubgroupSizes): number[] => Array.from({length: Math.log2(min)}, (_, i) => 2 ** i);

/** Each invocation writes one after another: subgroup size, its lane, the index of the first lane, then that of each neighbour. */
function shader(workgroup: number, masks: readonly number[]): string {
  return `enable subgroups;
@group(0) @binding(0) var<storage, read_write> seen: array<u32>;
@compute @workgroup_size(${workgroup})
fn main(
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_size) size: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let at = index * ${3 + masks.length}u;
  seen[at] = size;
  seen[at + 1u] = lane;
  seen[at + 2u] = subgroupBroadcastFirst(index);
${masks.map((mask, i) => `  seen[at + ${3 + i}u] = subgroupShuffleXor(index, ${mask}u);`).join('\n')}
}
`;
}

/** Exported for tests: no adapter at hand has misplaced lanes. */
export function readLanes(seen: Uint32Array, workgroup: number, sizes: SubgroupSizes): string | null {
  const masks = masksOf(sizes);
  const columns = 3 + masks.length;
  const size = seen[0]!;
  if (size < sizes.min || size > sizes.max) {
    return `a subgroup has ${size} invocations where the adapter promises ${sizes.min} to ${sizes.max}`;
  }
  for (let index = 0; index < workgroup; index++) {
    const first = Math.floor(index / size) * size;
    const expected = [size, index - first, first, ...masks.map((mask) => index ^ mask)];
    const column = expected.findIndex((each, i) => seen[index * columns + i] !== each);
    if (column < 0) continue;
    const what = ['subgroup_size', 'subgroup_invocation_id', 'subgroupBroadcastFirst'][column];
    return (
      `its lanes are not in the order of local_invocation_index: in a workgroup of ${workgroup}, ` +
      `${what ?? `subgroupShuffleXor by ${masks[column - 3]}`} of invocation ${index} is ` +
      `${seen[index * columns + column]}, expected ${expected[column]}`
    );
  }
  return null;
}
