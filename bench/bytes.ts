import {appendFileSync, writeFileSync} from 'node:fs';
import {parseArgs} from 'node:util';
import '@tensorflow/tfjs';
import {byteModelConfig} from '../demo/language_model/config.js';
import {startSession, type Mode, type Session} from '../demo/language_model/session.js';
import {untrainedModel} from '../demo/language_model/untrained.js';
import type {ByteModel} from '../demo/language_model/load.js';
import {bytesText} from './bytes_report.js';
import {finish, openGpu} from './gpu.js';
import {list, positive} from './options.js';
import type {BytesRecord} from './records.js';
import {describeRun, line} from './run_record.js';
import {median} from './table.js';

const HELP = `npm run bench:bytes -- [options]
  --n 512,2048,8192        bytes of context
  --bytes 48               bytes that are written after it
  --json FILE              write the JSON lines to FILE`;

const OPTIONS = {
  help: {type: 'boolean', default: false},
  n: {type: 'string'},
  bytes: {type: 'string'},
  json: {type: 'string'},
} as const;

const SYSTEMS = [
  {system: 'tfjs-splat', variant: 'sparse', mode: 'sparse'},
  {system: 'tfjs dense', variant: 'causal', mode: 'dense'},
] as const;

/** Times the language model of the demo, sparse against dense, byte by byte in turns, after contexts of several lengths. */
export async function main(args: readonly string[]): Promise<number> {
  const {values} = parseArgs({args: [...args], options: OPTIONS});
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const gpu = await openGpu();
  const run = describeRun(gpu, 'wall');
  console.log(`${run.device} (${run.driver}), timed by the wall clock\n`);
  if (values.json !== undefined) writeFileSync(values.json, line(run));
  const contexts = list(values.n ?? (gpu.software ? '128,512' : '512,1024,2048,4096,8192,16384'));
  const count = positive('--bytes', values.bytes ?? (gpu.software ? '8' : '48'));
  // What a byte costs does not depend on what the model learned.
  const systems = SYSTEMS.map((each) => ({...each, model: untrainedModel(byteModelConfig(each.variant), each.variant)}));
  const records: BytesRecord[] = [];
  for (const text of contexts) {
    const context = positive('--n', text);
    for (const record of await measure(systems, context, count)) {
      const error = gpu.takeErrors()[0];
      const found = error === undefined ? record : {...record, msPerByte: null, error};
      records.push(found);
      if (values.json !== undefined) appendFileSync(values.json, line(found));
    }
  }
  for (const {model} of systems) model.dispose();
  await finish(gpu);
  console.log(bytesText(records));
  if (values.json === undefined) console.log(`\n${[run, ...records].map(line).join('')}`);
  return records.some(({system, error}) => system === 'tfjs-splat' && error !== undefined) ? 1 : 0;
}

type System = {readonly system: string; readonly mode: Mode; readonly model: ByteModel};

async function measure(systems: readonly System[], context: number, count: number): Promise<BytesRecord[]> {
  const prompt = Uint8Array.from({length: context}, (_, i) => 32 + ((i * i) % 90));
  const running: {readonly session: Session; readonly firstMs: number; readonly times: number[]}[] = [];
  for (const {model, mode} of systems) {
    // The first of a length compiles; the second is what a visitor sees from then on.
    (await first(model, mode, prompt, count)).session.dispose();
    running.push({...(await first(model, mode, prompt, count)), times: []});
  }
  for (let i = 0; i < count; i++) {
    for (const {session, times} of running) {
      const start = performance.now();
      await session.next({temperature: 0, seed: 1});
      times.push(performance.now() - start);
    }
  }
  return running.map(({session, firstMs, times}, i) => {
    const record = {kind: 'bytes' as const, system: systems[i]!.system, context, msPerByte: median(times), firstMs};
    const {cacheBytes} = session;
    session.dispose();
    return {...record, cacheBytes};
  });
}

async function first(model: ByteModel, mode: Mode, prompt: Uint8Array, count: number) {
  const session = startSession(model, mode, prompt.length + count + 1);
  const start = performance.now();
  await session.prefill(prompt);
  await session.next({temperature: 0, seed: 1});
  return {session, firstMs: performance.now() - start};
}
