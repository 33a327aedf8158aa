import {converts, type Work} from '../plan/index.js';
import {launcher} from './launcher.js';
import type {Launch} from './text/program.js';
import {roundGrid, roundProgram} from './around/round.js';

/** What a plan launches whose features are too wide for our kernels: the rounding of query, key and value where they are read as float16. */
export const generateRounding = (plan: Work): readonly Launch[] =>
  Object.freeze(
    converts(plan.formats) ? [launcher(plan, {}).one(roundProgram(plan, plan.formats), roundGrid(plan, plan.formats))] : [],
  );
