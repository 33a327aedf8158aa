// `npm run bench:scores`: see docs/benchmarks.md. TensorFlow.js is loaded after the line below, as in run.ts.
import '../test/support/node_webgpu.mjs';

const {main} = await import('./scores.js');
process.exit(await main(process.argv.slice(2)));
