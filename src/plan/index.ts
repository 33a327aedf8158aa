export {CHUNK_PAIRS, CORE_DEVICE, isWide, MOST_FEATURES, type Device, type MatrixConfig, type Problem} from './problem.js';
export {
  REGULAR,
  type PlanCandidate,
  type Implementation,
  type Kernel,
  type Kinds,
  type Pass,
  type Plan,
  type Report,
  type TileShape,
  type Tiling,
  type Work,
} from './plan.js';
export {candidates, largestMatrix, TILES_VERSION, tuningKey} from './configurations.js';
export {decodePlan} from './decode_plan.js';
export {
  gradientPlanning,
  gradientScratch,
  makeGradientPlan,
  type GradientPlan,
  type KeyResults,
  type LineShare,
} from './gradient_plan.js';
export {makePlan, planMaskTensor, planning, type PlanOptions} from './make_plan.js';
export {gpuOf} from './gpu_of.js';
export {REFERENCE, SOFTWARE, type Gpu} from './reference.js';
export {addsInSubgroups, FOUR_BITS, FOURS, isRowWise, ownTile, ROW_WISE, rowsPerSpan} from './row_wise.js';
export {mostKeys} from './most_keys.js';
export {
  columnsIn,
  commonFormat,
  convertedOperands,
  converts,
  FORMATS,
  formatsOf,
  formatsText,
  operandBytes,
  OPERANDS,
  paddedRow,
  rowBytes,
  TENSORS,
  type FormatName,
  type Formats,
  type OperandName,
  type Precision,
} from './formats.js';
export {scorePlan, type ScorePlan, type ScoreProduct} from './score_plan.js';
export {scratchLayout, type ScratchLayout} from './scratch.js';
export {ITEM, KEY_ITEM, KEY_MERGE, MERGE, SPAN, VISIT, type RecordFormat} from './format.js';
export {checkPlan, checkWork} from './check.js';
export {checkDevice} from './check_device.js';
export {checkGradientPlan, pairsByKeys} from './check_keys.js';
export {draw} from './draw.js';
export {forEachSpan, keyOfSpan, rowOfItem, toDense, type LineName} from './visit.js';
export {largestOf} from './lines.js';
export {tripMs} from './cost.js';
