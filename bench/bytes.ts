import {appendFileSync, writeFileSync} from 'node:fs';
import {parseArgs} from 'node:util';
import '@tensorflow/tfjs';
import {byteModelConfig} from '../demo/language_model/config.js';
import {startSession, type Mode, type Session, type Steps} from '../demo/language_model/session.js';
import {untrainedModel} from '../demo/language_model/untrained.js';
import type {ByteModel} from '../demo/language_model/load.js';
import {bytesText} from './bytes_report.js';
import {finish, openGpu} from './gpu.js';
import {list, positive} from './options.js';
import type {BytesRecord} from './records.js';
import {describeRun, line} from './run_record.js';
import {median} from './table.js';

const HELP = `npm run bench:bytes -- [options]
  --n 512,2048,8192,32768  bytes of context
  --bytes 48               bytes that are written after it
  --json FILE              write the JSON lines to FILE`;

const OPTIONS = {
  help: {type: 'boolean', default: false},
  n: {type: 'string'},
  bytes: {type: 'string'},
  json: {type: 'string'},
} as const;

const SYSTEMS = [
  {system: 'tfjs-splat', variant: 'sparse', mode: 'sparse', steps: 'plain'},
  {system: 'tfjs-splat, captured', variant: 'sparse', mode: 'sparse', steps: 'captured'},
  {system: 'tfjs dense', variant: 'causal', mode: 'dense', steps: 'plain'},
] as const;

/** Times the language model of the demo, sparse by plain and by captured steps against dense, byte by byte in turns, after contexts of several lengths. */
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
  const contexts = list(values.n ?? (gpu.software ? '128,512' : '512,2048,8192,32768'));
  const count = positive('--bytes', values.bytes ?? (gpu.software ? '8' : '48'));
  // What a byte costs does not depend on what the model learned.
  const systems = SYSTEMS.map((each) => ({...each, model: untrainedModel(byteModelConfig(each.variant), each.variant)}));
  const writers: Writer[] = [];
  for (const text of contexts) {
    for (const system of systems) writers.push(await read(system, positive('--n', text), count));
  }
  const records = await write(writers, count);
  const error = gpu.takeErrors()[0];
  if (error !== undefined) throw new Error(`WebGPU said: ${error}`);
  if (values.json !== undefined) appendFileSync(values.json, records.map(line).join(''));
  for (const {model} of systems) model.dispose();
  await finish(gpu);
  console.log(bytesText(records));
  if (values.json === undefined) console.log(`\n${[run, ...records].map(line).join('')}`);
  return 0;
}

type System = {readonly system: string; readonly mode: Mode; readonly steps: Steps; readonly model: ByteModel};

/** A session that has read its context. */
interface Writer {
  readonly system: string;
  readonly context: number;
  readonly session: Session;
  readonly firstMs: number;
}

async function read(system: System, context: number, count: number): Promise<Writer> {
  // The first of a length compiles; the second is what a visitor sees from then on.
  (await first(system, context, count)).session.dispose();
  return {system: system.system, context, ...(await first(system, context, count))};
}

async function first({model, mode, steps}: System, context: number, count: number): Promise<Pick<Writer, 'session' | 'firstMs'>> {
  const prompt = Uint8Array.from({length: context}, (_, i) => 32 + ((i * i) % 90));
  const session = startSession(model, mode, context + count + 1, steps);
  const start = performance.now();
  await session.prefill(prompt);
  await session.next({temperature: 0, seed: 1});
  await session.logits();
  return {session, firstMs: performance.now() - start};
}

/** All of them in turns, a byte at a time: what a host does from minute to minute would pass for an effect of the context. */
async function write(writers: readonly Writer[], count: number): Promise<BytesRecord[]> {
  const times = writers.map((): number[] => []);
  for (let i = 0; i < count; i++) {
    for (const [w, {session}] of writers.entries()) {
      const start = performance.now();
      await session.next({temperature: 0, seed: 1});
      // The next byte is being computed already: without waiting, that would count as time of the next writer.
      await session.logits();
      times[w]!.push(performance.now() - start);
    }
  }
  await expectSameBits(writers);
  return writers.map(({system, context, session, firstMs}, w) => {
    const {cacheBytes} = session;
    session.dispose();
    return {kind: 'bytes', system, context, msPerByte: median(times[w]!), firstMs, cacheBytes};
  });
}

/** Captured steps must say what plain ones say. */
async function expectSameBits(writers: readonly Writer[]): Promise<void> {
  for (const {context, session} of writers.filter(({system}) => system === 'tfjs-splat, captured')) {
    const plain = writers.find((writer) => writer.context === context && writer.system === 'tfjs-splat')!;
    const [found, expected] = [await session.logits(), await plain.session.logits()];
    if (found.some((value, i) => !Object.is(value, expected[i])))
      throw new Error(`after ${context} bytes captured steps say something else than plain ones`);
  }
}
