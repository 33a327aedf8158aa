import '@tensorflow/tfjs';
import {specifyScores} from '../support/score_cases.js';

// By TensorFlow.js ops, as on other backends, which run all cases.
describe('packed scores on WebGPU:', () =>
  specifyScores(4e-6, 0, ['grouped heads', 'lengths and segments', 'rows without pairs', 'a pattern for each head']));
