// `npm run bench:masks`: masks that no named pattern says, in tiles and dense. See tiers_run.ts for the order of imports.
import '../test/support/node_webgpu.mjs';

const {main} = await import('./masks.js');
process.exit(await main(process.argv.slice(2)));
