// `npm run bench:tiers`: what subgroups, float16 and tensor cores are worth, on one device. See docs/benchmarks.md.
//
// TensorFlow.js looks for `navigator.gpu` when it is imported, so everything that imports it is loaded after the line below.
import '../test/support/node_webgpu.mjs';

const {main} = await import('./tiers.js');
// Dawn keeps the process alive as long as its instance is referenced, and the instance has to stay referenced.
process.exit(await main(process.argv.slice(2)));
