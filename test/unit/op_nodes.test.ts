import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import {specifyOpNodes} from '../support/op_nodes.js';

describe('nodes of norms and activations', () => {
  beforeAll(() => tf.setBackend('cpu'));
  specifyOpNodes();
});
