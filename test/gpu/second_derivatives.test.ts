import '@tensorflow/tfjs';
import {specifySecondDerivatives} from '../support/second_derivatives.js';

describe('second derivatives on WebGPU', specifySecondDerivatives);
