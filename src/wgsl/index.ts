export {halvesBytes} from './convert.js';
export type {BindingRole, CallParams, Launch, Layout, Program} from './program.js';
export {PLAIN, tailOf, type Features, type Tail} from './features.js';
export {generateAppend, generateStep, type Step} from './generate_decode.js';
export {generateGradients, generateScoreGradients, type GradientOptions, type ScoreSums} from './generate_gradients.js';
export {generateRounding} from './generate_rounding.js';
export {generate, suitsMatrices, type GenerateOptions} from './generate.js';
export {PARAMS_BYTES} from './params.js';
export {roundedBytes} from './round.js';
