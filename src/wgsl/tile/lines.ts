/**
 * Which head of which sequence a workgroup works on, from its item: a line is one head of one sequence, and its rows are what the tensors
 * hold of it. Tensors of both layouts are reached by strides, in rows.
 */
const linesFrom = (row: string): string => /* wgsl */ `
let head = group.x;
let batch = select(group.z, u32(schedule[item + 3u].y), (params.flags & RAGGED) != 0u);
let line = batch * params.heads + head;
let queryLine = batch * params.heads * params.queryLength + head * params.queryStrides.x;
let keyLine = ${row} * params.keyHeads * params.keyLength + head / params.groupSize * params.keyStrides.x;
`;

export const LINES = linesFrom('batch');
/** Where keys lie in a cache, whose rows any sequence may have. */
export const HELD_LINES = linesFrom('u32(rowOf(batch).x)');

/** The same in a backward pass, whose dispatches cover a share of the lines: `shareLine` counts those alone, as scratch holds them. */
export const SHARE_LINES = /* wgsl */ `
let head = params.firstHead + group.x;
let batch = params.firstBatch + group.z;
let line = batch * params.heads + head;
let shareLine = group.z * params.shareHeads + group.x;
let queryLine = batch * params.heads * params.queryLength + head * params.queryStrides.x;
let keyLine = batch * params.keyHeads * params.keyLength + head / params.groupSize * params.keyStrides.x;
`;
