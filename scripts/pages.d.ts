// What pages keep for the scripts that look at them.
import type axe from 'axe-core';
import type {PageResult} from '../demo/shell/page.js';
import type {Page} from '../test/gpu_crash/page.js';
import type {run, Told} from '../test/long_calls/page.js';

declare global {
  interface Window {
    /** What a page of the site has to say, once it has done its work. */
    pageResult?: PageResult;
    /** Of test/gpu_crash. */
    page?: Page;
    /** Of test/long_calls. */
    run?: typeof run;
    told?: Told;
    axe: typeof axe;
  }
}
