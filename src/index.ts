export {SplatError} from './support/index.js';
export * from './pattern/index.js';
