export {byteModelConfig, CONTEXT, type LayerConfig, type ModelConfig, type Variant} from './config.js';
export {loadByteModel, type ByteModel, type Training} from './load.js';
export {weightsOf, type LayerWeights} from './look.js';
export type {Sampling} from './sample.js';
export {startSession, type Mode, type Session, type Steps} from './session.js';
