// `npm run bench:folds`: see docs/benchmarks.md. TensorFlow.js is loaded after the line below, as in run.ts.
import '../test/support/node_webgpu.mjs';

const {main} = await import('./folds.js');
process.exit(await main(process.argv.slice(2)));
