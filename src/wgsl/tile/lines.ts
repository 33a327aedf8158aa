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

/** All lines that a bias is broadcast to, in turn; `written` is the one of the bias. */
export const EVERY_LINE = /* wgsl */ `
const SUMS_BATCH = 8u;
const SUMS_HEADS = 16u;
let loopHeads = select(1u, params.heads, (params.flags & SUMS_HEADS) != 0u);
let loopBatch = select(1u, params.batch, (params.flags & SUMS_BATCH) != 0u);
let written = group.z * (params.heads / loopHeads) + group.x;
for (var turn = 0u; turn < loopHeads * loopBatch; turn++) {
let head = select(group.x, turn % loopHeads, loopHeads > 1u);
let batch = select(group.z, turn / loopHeads, loopBatch > 1u);
let line = batch * params.heads + head;
let shareLine = line; // one share covers all
let queryLine = batch * params.heads * params.queryLength + head * params.queryStrides.x;
let keyLine = batch * params.keyHeads * params.keyLength + head / params.groupSize * params.keyStrides.x;
`;
