export {checkLaunches, type Launched} from './check.js';
export {convertedBytes} from './text/row_access.js';
export type {BindingRole, CallParams, Launch, Layout, Program, TermRole, TermRoles, Within} from './text/program.js';
export {FAR_UNIT, type Features} from './text/features.js';
export {tailOf, type Tail} from './terms/fields.js';
export {hasFarScores, PLAIN, scoreUnit, suitsMatrices} from './terms/terms.js';
export {generateAppend, generateStep, type DecodeStep} from './generate_decode.js';
export type {Held, HeldSequence} from './text/held.js';
export {generateGradients, generateScoreGradients, keyResults, type GradientOptions, type ScoreSums} from './generate_gradients.js';
export {generateRounding} from './generate_rounding.js';
export {generate, type GenerateOptions} from './generate.js';
export {cutLaunches} from './launcher.js';
export {PARAMS_BYTES} from './text/params.js';
export {roundedBytes} from './around/round.js';
export {factorsOf, isFarScale} from './text/scale.js';
export {
  generateActivation,
  generateNorm,
  generateNormGradients,
  MOST_WIDTH,
  type NormSizes,
  type OpLaunches,
} from './generate_ops.js';
export {
  generatePackedProduct,
  generatePackedScores,
  generatePackedSoftmax,
  generateSoftmaxGradient,
  weighsAtOnce,
  type PackedLaunches,
  type PackedLines,
  type ProductOptions,
  type SoftmaxOptions,
} from './generate_packed.js';
export {generateProduct, type ProductLaunches} from './generate_product.js';
export type {Activation} from './ops/activation.js';
export type {NormShape} from './ops/norm.js';
export {generateScoreTiles, type ScoreTileLaunches, type ScoreTileOptions} from './generate_score_tiles.js';
