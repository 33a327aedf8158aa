export {CORE_DEVICE, type Device, type MatrixConfig, type Problem} from './problem.js';
export type {Implementation, Pass, Plan, Storage, TileShape} from './plan.js';
export {candidates, TILES_VERSION, tuningKey} from './configurations.js';
export {makePlan, planMaskTensor} from './make_plan.js';
export {scratchLayout, type ScratchLayout} from './scratch.js';
export {ITEM_PAIRS, MERGE_PAIRS, SPAN_PAIRS} from './schedule.js';
export {checkPlan} from './check.js';
export {draw} from './draw.js';
export {forEachSpan, toDense} from './visit.js';
