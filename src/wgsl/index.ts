export {halvesBytes} from './convert.js';
export type {BindingRole, CallParams, Launch, Program} from './program.js';
export {generate, maskWordsBytes, type GenerateOptions} from './generate.js';
