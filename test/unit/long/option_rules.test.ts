import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs';
import ts from 'typescript';
import {
  causal,
  createWebGPUBackend,
  full,
  KvCache,
  planAttention,
  prepare,
  relativePositionBias,
  rewriteGraphModel,
  slidingWindow,
  sparseAttention,
  sparseAttentionWithAux,
  SplatError,
} from '../../../src/index.js';
import {GroupedQueryAttention, MultiHeadAttention} from '../../../src/layers/index.js';
import {SHARED_NAMES} from '../../../src/layers/arguments.js';
import {CALL_NAMES} from '../../../src/layers/call_arguments.js';
import {MULTI_HEAD_NAMES} from '../../../src/layers/multi_head_attention.js';
import {SWAP_NAMES} from '../../../src/model/write/options.js';
import {LINE_NAMES, SHAPE_NAMES} from '../../../src/plan_attention.js';
import {optionNames} from '../../../src/runtime/call/check.js';
import {BACKEND_NAMES} from '../../../src/runtime/open/create_backend.js';
import {attendNames, CACHE_NAMES} from '../../../src/runtime/kv/kv_options.js';
import {PREPARE_NAMES} from '../../../src/runtime/call/prepare.js';
import {RELATIVE_NAMES} from '../../../src/runtime/helpers/relative_bias.js';
import {refusal} from '../../support/errors.js';

type Options = Record<string, unknown>;

/** A list of options, what has to be given, and what comes out of a call with them that says whether an option was left out. */
interface Reader {
  readonly names: object;
  readonly needed: Options;
  readonly call: (options: Options) => unknown;
}

const tensors = (length = 3): [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D] => {
  const of = (seed: number): tf.Tensor4D => tf.randomNormal([1, 2, length, 2], 0, 1, 'float32', seed);
  return [of(1), of(2), of(3)];
};
const SIZES = {queryLength: 4, keyLength: 6, headDim: 2};
const config = ({name: _, ...rest}: tf.serialization.ConfigDict): string =>
  JSON.stringify(rest, (key, value) => (key === 'name' ? '' : value));
const applied = (kwargs: Options): unknown => {
  const layer = new MultiHeadAttention({numHeads: 1, keyDim: 2, kernelInitializer: 'ones'});
  return layer.apply(tf.ones([1, 3, 2]), kwargs as never);
};

const READERS: Readonly<Record<string, Reader>> = {
  sparseAttention: {names: optionNames(), needed: {}, call: (options) => sparseAttention(...tensors(), causal(), options)},
  sparseAttentionWithAux: {
    names: optionNames(),
    needed: {},
    call: (options) => sparseAttentionWithAux(...tensors(), causal(), options).logSumExp,
  },
  KvCache: {
    names: CACHE_NAMES,
    needed: {keyHeads: 2, headDim: 2},
    call: (options) => new KvCache(slidingWindow({left: 2}), options as never).bytes,
  },
  'KvCache.attend': {
    names: attendNames(),
    needed: {},
    call: (options) => new KvCache(slidingWindow({left: 2}), {keyHeads: 2, headDim: 2}).attend(...tensors(), options),
  },
  relativePositionBias: {
    names: RELATIVE_NAMES,
    needed: {queryLength: 4, keyLength: 6},
    call: (options) => relativePositionBias(tf.range(0, 8).reshape([4, 2]), options as never),
  },
  prepare: {names: PREPARE_NAMES, needed: SIZES, call: (options) => prepare(causal(), options as never)},
  planAttention: {names: SHAPE_NAMES, needed: SIZES, call: (options) => String(planAttention(causal(), options as never))},
  toDense: {
    names: LINE_NAMES,
    needed: {},
    call: (options) =>
      planAttention(causal(), SIZES)
        .toDense(options as never)
        .join(),
  },
  rewriteGraphModel: {
    names: SWAP_NAMES,
    needed: {pattern: full()},
    call: (options) => JSON.stringify(rewriteGraphModel({}, options as never).report),
  },
  createWebGPUBackend: {
    names: BACKEND_NAMES,
    needed: {},
    // Node has no GPU to ask: what is refused first is an option, then the lack of it.
    call: (options) => createWebGPUBackend(options as never).catch((error: Error) => error.message),
  },
  MultiHeadAttention: {
    names: {...SHARED_NAMES, ...MULTI_HEAD_NAMES},
    needed: {numHeads: 2, keyDim: 2},
    call: (options) => config(new MultiHeadAttention(options as never).getConfig()),
  },
  GroupedQueryAttention: {
    names: SHARED_NAMES,
    needed: {headDim: 2, numQueryHeads: 2, numKeyValueHeads: 1},
    call: (options) => config(new GroupedQueryAttention(options as never).getConfig()),
  },
  'MultiHeadAttention.apply': {names: CALL_NAMES, needed: {}, call: applied},
};

const settled = async (result: unknown): Promise<unknown> => {
  const value = await result;
  return value instanceof tf.Tensor ? Array.from(await value.data()) : value;
};

describe('every option', () => {
  beforeAll(() => tf.setBackend('cpu'));
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  for (const [name, {names, needed, call}] of Object.entries(READERS)) {
    it(`of ${name} may be null or undefined, which is to leave it out`, async () => {
      const expected = await settled(call(needed));
      for (const option of Object.keys(names)) {
        for (const nothing of [null, undefined]) {
          if (option in needed) {
            const act = async (): Promise<unknown> => call({...needed, [option]: nothing});
            await expectAsync(act()).withContext(option).toBeRejectedWithError(SplatError);
          } else {
            const found = await settled(call({...needed, [option]: nothing}));
            expect(found).withContext(`${option}: ${nothing}`).toEqual(expected);
          }
        }
      }
    });

    it(`of ${name} is known by its name, and no other is`, async () => {
      const act = async (): Promise<unknown> => call({...needed, colour: 1});
      const error = await act().then(String, (thrown: Error) => thrown.message);
      expect(error).toMatch(/colour.*found an unknown option, expected one of .*Remove it\.$/);
      for (const option of Object.keys(names)) expect(error).toContain(option);
    });
  }

  it('of a pattern is a size that null does not say: JSON makes null of Infinity', () => {
    expect(refusal(() => slidingWindow({left: null as never})).cure).toContain('JSON makes null of Infinity');
  });
});

describe('the types of options', () => {
  const parse = (path: string): ts.SourceFile =>
    ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);

  /** The names that a door exports. */
  const exported = (door: string): Set<string> => {
    const names = new Set<string>();
    parse(door).forEachChild((node) => {
      if (ts.isExportDeclaration(node) && node.exportClause !== undefined && ts.isNamedExports(node.exportClause))
        node.exportClause.elements.forEach(({name}) => names.add(name.text));
    });
    return names;
  };

  it('take undefined where an option may be left out, also under exactOptionalPropertyTypes', () => {
    const doors = new Set([...exported('src/index.ts'), ...exported('src/layers/index.ts')]);
    const found: string[] = [];
    let seen = 0;
    for (const file of readdirSync('src', {recursive: true, encoding: 'utf8'}).filter((path) => path.endsWith('.ts'))) {
      const visit = (node: ts.Node): void => {
        if (ts.isPropertySignature(node) && node.questionToken !== undefined) {
          seen++;
          if (!/(^|\| )undefined$/.test(node.type?.getText() ?? '')) found.push(`${file}: ${node.getText()}`);
        }
        node.forEachChild(visit);
      };
      parse(join('src', file)).forEachChild((node) => {
        const named = ts.isInterfaceDeclaration(node) || ts.isFunctionDeclaration(node) || ts.isTypeAliasDeclaration(node);
        if (named && doors.has(node.name?.text ?? ''))
          (ts.isFunctionDeclaration(node) ? [...node.parameters] : [node]).forEach(visit);
      });
    }
    expect(found).toEqual([]);
    expect(seen).toBeGreaterThan(60);
  });
});
