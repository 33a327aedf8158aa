/** The landing page: what this is, where to go, and whether this browser can run the fused kernel. */
import {findAdapter, NO_WEBGPU} from '../shell/adapter.js';
import {bytes} from '../shell/format.js';
import {at, copyOnClick, ready, report, startPage} from '../shell/page.js';

startPage();
copyOnClick(at('copy'), () => at('example').textContent ?? '');

const adapter = await findAdapter();
if (adapter === null) {
  at('machine').textContent = `${NO_WEBGPU} The pages compute on the processor until then, at small sizes.`;
  at('machine').classList.add('lacking');
} else {
  const {where, software, device} = adapter;
  const means = software ? 'All pages work, at small sizes' : `One binding holds up to ${bytes(device.maxBindingBytes)}`;
  at('machine').textContent = `This browser has WebGPU, on ${where}. ${means}.`;
}
ready();
report({ok: true, summary: at('machine').textContent ?? ''});
