const float = {type: 'DT_FLOAT'};
const x = {
  name: 'x',
  op: 'Placeholder',
  input: [],
  attr: {dtype: float, shape: {shape: {dim: [1, 1, 1, 4].map((size) => ({size}))}}},
};

const artifacts = (node, weightSpecs = [], weightData = new ArrayBuffer(0)) => ({
  modelTopology: {node: [x, ...node], versions: {producer: 1}},
  weightSpecs,
  weightData,
});

/** A graph model with attention as the converter writes it: x attends to itself. */
export function plainModel() {
  const product = (name, input, transposed) => ({
    name,
    op: 'BatchMatMulV2',
    input,
    attr: {T: float, adj_x: {b: false}, adj_y: {b: transposed}},
  });
  const nodes = [
    {name: 'scale', op: 'Const', input: [], attr: {dtype: float, value: {tensor: {dtype: 'DT_FLOAT', tensorShape: {}}}}},
    product('scores', ['x', 'x'], true),
    {name: 'scaled', op: 'Mul', input: ['scores', 'scale'], attr: {T: float}},
    {name: 'weights', op: 'Softmax', input: ['scaled'], attr: {T: float}},
    product('y', ['weights', 'x'], false),
  ];
  return artifacts(nodes, [{name: 'scale', shape: [], dtype: 'float32'}], new Float32Array([0.5]).buffer);
}

/** One that was saved after its attention had been swapped. */
export const swappedModel = () => artifacts([{name: 'y', op: 'SparseAttention', input: ['x', 'x', 'x'], attr: {}}]);
