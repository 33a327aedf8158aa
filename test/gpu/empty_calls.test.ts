import '@tensorflow/tfjs';
import {specifyEmptyCalls} from '../support/empty_calls.js';

describe('calls of nothing on WebGPU', specifyEmptyCalls);
