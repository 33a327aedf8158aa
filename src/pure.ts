/** What the runtime sees of the rooms that know no TensorFlow.js and no GPU: its one way in, so that this list is all it depends on. */
export {checkAcsr, compress, positionOf, reachOf, slotOf, toSlots, type Acsr, type Reach, type SlotLayout} from './acsr/index.js';
export {acsrText, explain, launchesText, patternText, planText} from './explain.js';
export {Pattern, fromMask, parsePattern, refusePattern} from './pattern/index.js';
export {
  checkPlan,
  CHUNK_PAIRS,
  CORE_DEVICE,
  isWide,
  MOST_FEATURES,
  TILES_VERSION,
  type Device,
  type Implementation,
  type MatrixConfig,
  type Pass,
  type Plan,
  type Problem,
  type Storage,
  type TileShape,
} from './plan/index.js';
export {
  checkLaunches,
  factorsOf,
  FAR_UNIT,
  generateAppend,
  hasFarScores,
  isFarScale,
  PARAMS_BYTES,
  PLAIN,
  scheduleWords,
  scoreUnit,
  type BindingRole,
  type CallParams,
  type DecodeStep,
  type Features,
  type HeldSequence,
  type Launch,
  type Launched,
  type Layout,
  type Program,
  type ScoreSums,
  type Tail,
} from './wgsl/index.js';
export {
  compile,
  compileGradients,
  compileMaskTensor,
  compileRows,
  compileStep,
  complete,
  tuningOf,
  workBytes,
  type Compiled,
  type CompiledGradients,
  type CompileOptions,
  type WorkBytes,
} from './compile.js';
export {problemOf, type AttentionShape} from './plan_attention.js';
