/** Runs the specs of `?file=` on a page that scripts/told_pages.mjs serves, and tells what comes of them. */

let last: Promise<unknown> = Promise.resolve();

/** In the order of the calls. */
function tell(message: {readonly kind: string; readonly [what: string]: unknown}): Promise<unknown> {
  const body = JSON.stringify(message);
  return (last = last.then(() => fetch('/tell', {method: 'POST', body})));
}

// It breaks when this page's process does.
void fetch('/alive').then((response) => response.text());

for (const level of ['log', 'warn', 'error'] as const) {
  const print = console[level].bind(console);
  console[level] = (...words: unknown[]) => {
    // The next message waits for this one.
    void tell({kind: 'console', text: words.map(String).join(' ')});
    print(...words);
  };
}

const env = jasmine.getEnv();
env.configure({random: false});
env.addReporter({
  specStarted: ({fullName}) => tell({kind: 'started', name: fullName}) as Promise<void>,
  specDone: ({fullName, status, failedExpectations}) =>
    tell({kind: 'spec', name: fullName, status, failures: failedExpectations.map(textOf)}) as Promise<void>,
  suiteDone: ({fullName, failedExpectations}) => tellFailures(fullName, failedExpectations),
  jasmineDone: async ({failedExpectations}) => {
    await tellFailures('all specs', failedExpectations);
    await tell({kind: 'done'});
  },
});

async function tellFailures(name: string, failures: readonly jasmine.FailedExpectation[]): Promise<void> {
  for (const failure of failures) await tell({kind: 'failure', text: `${name}: ${textOf(failure)}`});
}

/** The message, and the place in Firefox's words. */
function textOf({message, stack}: jasmine.FailedExpectation): string {
  return [message, ...(stack ?? '').split('\n').filter((line) => line !== '' && !line.includes('/jasmine-core/'))].join('\n');
}

try {
  const file = new URLSearchParams(location.search).get('file')!.replace(/\.ts$/, '.js');
  const folder = new URL('../..', import.meta.url).href;
  await import(`${folder}test/support/gpu_setup.js`);
  await import(`${folder}${file}`);
  await env.execute();
} catch (error) {
  await tell({kind: 'failure', text: `the file does not load: ${String(error)}`});
  await tell({kind: 'done'});
}
