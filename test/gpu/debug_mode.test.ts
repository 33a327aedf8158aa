import '@tensorflow/tfjs';
import {specifyDebugMode} from '../support/debug_mode.js';

describe('debug mode of TensorFlow.js on WebGPU', specifyDebugMode);
