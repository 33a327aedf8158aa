/**
 * Which head of which sequence a workgroup works on, from its item: a line is one head of one sequence, and its rows are what the tensors
 * hold of it. Tensors of both layouts are reached by strides, in rows.
 */
export const LINES = /* wgsl */ `
let head = group.x;
let batch = select(group.z, u32(schedule[item + 3u].y), (params.flags & RAGGED) != 0u);
let line = batch * params.heads + head;
let queryLine = batch * params.heads * params.queryLength + head * params.queryStrides.x;
let keyLine = batch * params.keyHeads * params.keyLength + head / params.groupSize * params.keyStrides.x;
`;
