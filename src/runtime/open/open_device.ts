import {refuse} from '../../support/index.js';
import type {MatrixConfig} from '../../pure.js';
import {grant, type GrantedFeatures} from '../host/granted.js';
import {halvesFault} from './probe_halves.js';
import {laneFault, type SubgroupSizes} from './probe_lanes.js';
import {waitFor} from '../host/wait.js';

/** What may be asked for beyond what TensorFlow.js asks for, by the names of the public options. */
const FEATURES = {
  float16: 'shader-f16',
  subgroups: 'subgroups',
  tensorCores: 'chromium-experimental-subgroup-matrix',
} as const;
export type ExtraFeature = keyof typeof FEATURES;
export const EXTRA_FEATURES = Object.keys(FEATURES) as ExtraFeature[];

export interface DeviceWishes {
  readonly extras: ReadonlySet<ExtraFeature>;
  /** The extras that the caller named, rather than got by default: to go without them is worth a warning. */
  readonly named: ReadonlySet<ExtraFeature>;
  readonly powerPreference: GPUPowerPreference;
}

export interface OpenDevice {
  readonly device: GPUDevice;
  readonly info: GPUAdapterInfo | undefined;
  readonly granted: GrantedFeatures;
  /** What was wished for and not granted, with the reason. */
  readonly refused: readonly string[];
}

/** Also asked for by tfjs-backend-webgpu 4.22, where the adapter has them. */
const TFJS_FEATURES = ['timestamp-query', 'bgra8unorm-storage'] as const;
/** Raised by tfjs-backend-webgpu 4.22 to what the adapter has. */
const TFJS_LIMITS = [
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxComputeWorkgroupSizeX',
  'maxComputeInvocationsPerWorkgroup',
] as const;
/** Core WebGPU has 8; no kernel of ours needs more than 10, and adapters that have more may pay for them. */
const STORAGE_BUFFERS = 10;

const ELSEWHERE = "Without WebGPU, sparseAttention runs on the backends 'wasm', 'webgl' and 'cpu'.";

/** One way to ask for a device. */
interface Tier {
  readonly extras: readonly ExtraFeature[];
  /** With the limits of the adapter. */
  readonly limits: boolean;
  /** With the features of TensorFlow.js. */
  readonly features: boolean;
}
/** The best comes first. Limits are worth more than extras, until they turn out to be what no device is to be had with. */
const TIERS: readonly Tier[] = [
  {extras: EXTRA_FEATURES, limits: true, features: true},
  {extras: ['float16', 'subgroups'], limits: true, features: true},
  {extras: [], limits: true, features: true},
  {extras: EXTRA_FEATURES, limits: false, features: true},
  {extras: [], limits: false, features: false},
];

/** Why an extra is not granted. */
interface Reason {
  readonly why: string;
  /** The adapter promised it. */
  readonly promised: boolean;
}

/**
 * Opens a device with the wished-for features that the adapter has, and records with `grant` what our kernels may use. An adapter may
 * list what its device then refuses, so there are tiers; what is given up on the way, or was named and is not there, makes one warning.
 *
 * @throws SplatError when there is no adapter, or not even a bare device.
 */
export async function openDevice(wishes: DeviceWishes): Promise<OpenDevice> {
  let promised: readonly ExtraFeature[] | null = null;
  let asked = '';
  let failure = '';
  for (const tier of TIERS) {
    // A fresh one for each try: an adapter makes one device, and in some browsers none after a failure.
    const adapter = await requestAdapter(wishes.powerPreference);
    const info = await infoOf(adapter);
    const offer = readOffer(adapter, info, wishes.extras);
    promised ??= offer.extras;
    const extras = offer.extras.filter((extra) => tier.extras.includes(extra));
    const descriptor = descriptorOf(adapter, extras, tier);
    if (JSON.stringify(descriptor) === asked) continue;
    asked = JSON.stringify(descriptor);

    const opened = await tryToOpen(adapter, descriptor, extras, offer.sizes);
    if (typeof opened === 'string') {
      failure = opened;
      continue;
    }
    const {device, faults} = opened;
    const refused = new Map(offer.refused);
    for (const extra of promised) {
      if (!extras.includes(extra)) refused.set(extra, {why: `no device was to be had with it ("${failure}")`, promised: true});
      else if (!device.features.has(FEATURES[extra])) refused.set(extra, {why: 'the device came without it', promised: true});
    }
    // Of casts there is no warning by default: in Firefox it would come to everybody, and packed halves give the same numbers.
    if (faults.float16 !== null) refused.set('float16', {why: faults.float16, promised: false});
    if (faults.subgroups !== null) refused.set('subgroups', {why: faults.subgroups, promised: true});
    if (extras.includes('tensorCores') && (refused.has('float16') || refused.has('subgroups'))) {
      refused.set('tensorCores', {why: NEEDS_BOTH, promised: false});
    }

    const has = (extra: ExtraFeature): boolean => extras.includes(extra) && !refused.has(extra);
    const granted: GrantedFeatures = Object.freeze({
      float16: has('float16'),
      subgroups: has('subgroups') ? Object.freeze({...offer.sizes}) : null,
      matrixConfigs: Object.freeze(has('tensorCores') ? [...offer.matrixConfigs] : []),
    });
    grant(device, granted);
    return {device, info, granted, refused: tell(refused, wishes.named, tier.limits ? null : failure)};
  }
  return refuse(
    'WebGPU device',
    `none, also without features and raised limits ("${failure}")`,
    'a device of this adapter',
    `Restart the browser or update the GPU's driver. ${ELSEWHERE}`,
  );
}

/** The reasons as sentences. Those that nobody could expect are also printed, in one warning. */
function tell(
  refused: ReadonlyMap<ExtraFeature, Reason>,
  named: ReadonlySet<ExtraFeature>,
  withoutLimits: string | null,
): readonly string[] {
  const sentences: string[] = [];
  const unexpected: string[] = [];
  for (const extra of EXTRA_FEATURES) {
    const reason = refused.get(extra);
    if (reason === undefined) continue;
    sentences.push(`${extra}: ${reason.why}.`);
    if (reason.promised || named.has(extra)) unexpected.push(sentences.at(-1)!);
  }
  if (withoutLimits !== null) {
    sentences.push(`raised limits: no device was to be had with them ("${withoutLimits}").`);
    unexpected.push(sentences.at(-1)!);
  }
  if (unexpected.length > 0) {
    console.warn(`tfjs-splat: the WebGPU backend goes on without what was asked for. ${unexpected.join(' ')}`);
  }
  return Object.freeze(sentences);
}

async function requestAdapter(powerPreference: GPUPowerPreference): Promise<GPUAdapter> {
  const gpu = gpuOfNavigator();
  let reason = 'requestAdapter gives null';
  try {
    const adapter = await gpu.requestAdapter({powerPreference});
    if (adapter !== null) return adapter;
  } catch (error) {
    reason = textOf(error);
  }
  return refuse(
    'WebGPU adapter',
    `none (${reason})`,
    'a GPU that this browser uses',
    `Look at chrome://gpu for why it is blocked. ${ELSEWHERE}`,
  );
}

export function gpuOfNavigator(): GPU {
  const gpu = typeof navigator === 'undefined' ? undefined : (navigator as {gpu?: GPU}).gpu;
  if (gpu != null) return gpu;
  return refuse(
    'WebGPU',
    'no navigator.gpu',
    'a browser with WebGPU, on a page served over https or from localhost',
    `In Node, put the GPU of the npm package webgpu there first. ${ELSEWHERE}`,
  );
}

async function infoOf(adapter: GPUAdapter): Promise<GPUAdapterInfo | undefined> {
  // Before 2024 browsers had a method instead.
  const older = adapter as {requestAdapterInfo?: () => Promise<GPUAdapterInfo>};
  return adapter.info ?? (await older.requestAdapterInfo?.());
}

interface Offer {
  /** Those wished for that the adapter has. */
  readonly extras: readonly ExtraFeature[];
  readonly sizes: SubgroupSizes;
  readonly matrixConfigs: readonly MatrixConfig[];
  readonly refused: ReadonlyMap<ExtraFeature, Reason>;
}

const NEEDS_BOTH = 'they need float16 and subgroups';

function readOffer(adapter: GPUAdapter, info: GPUAdapterInfo | undefined, wished: ReadonlySet<ExtraFeature>): Offer {
  const refused = new Map<ExtraFeature, Reason>();
  const has = (extra: ExtraFeature): boolean => wished.has(extra) && !refused.has(extra);
  for (const extra of wished) {
    const feature = FEATURES[extra];
    if (!adapter.features.has(feature)) refused.set(extra, {why: `the adapter has no feature '${feature}'`, promised: false});
  }
  const sizes = sizesOf(adapter, info);
  if (has('subgroups') && !isPossible(sizes)) {
    const why = `the adapter says that subgroups have ${sizes.min} to ${sizes.max} invocations, expected powers of 2 from 4 to 128`;
    refused.set('subgroups', {why, promised: true});
  }
  const matrixConfigs = matrixConfigsOf(info);
  if (has('tensorCores')) {
    let why: string | null = null;
    if (!has('float16') || !has('subgroups')) why = NEEDS_BOTH;
    else if (sizes.min !== sizes.max) why = `they need subgroups of one size, here are ${sizes.min} to ${sizes.max}`;
    else if (matrixConfigs.length === 0) why = 'the adapter names no shapes of matrices';
    if (why !== null) refused.set('tensorCores', {why, promised: false});
  }
  return {extras: EXTRA_FEATURES.filter(has), sizes, matrixConfigs, refused};
}

function sizesOf(adapter: GPUAdapter, info: GPUAdapterInfo | undefined): SubgroupSizes {
  // While subgroups were an experiment, Chrome had the sizes among the limits.
  const {minSubgroupSize = 0, maxSubgroupSize = 0} = adapter.limits as {minSubgroupSize?: number; maxSubgroupSize?: number};
  return {min: info?.subgroupMinSize ?? minSubgroupSize, max: info?.subgroupMaxSize ?? maxSubgroupSize};
}

const isPossible = ({min, max}: SubgroupSizes): boolean =>
  min <= max && [min, max].every((size) => size >= 4 && size <= 128 && Number.isInteger(Math.log2(size)));

/** Of the adapter: `device.adapterInfo` has an empty list in Node. */
function matrixConfigsOf(info: GPUAdapterInfo | undefined): MatrixConfig[] {
  const {subgroupMatrixConfigs} = (info ?? {}) as {subgroupMatrixConfigs?: Iterable<MatrixConfig>};
  return Array.from(subgroupMatrixConfigs ?? [], ({componentType, resultComponentType, M, N, K}) =>
    Object.freeze({componentType, resultComponentType, M, N, K}),
  );
}

interface Descriptor {
  readonly requiredFeatures: GPUFeatureName[];
  readonly requiredLimits: Record<string, number>;
}

function descriptorOf(adapter: GPUAdapter, extras: readonly ExtraFeature[], {limits, features}: Tier): Descriptor {
  const storage = Math.min(STORAGE_BUFFERS, adapter.limits.maxStorageBuffersPerShaderStage);
  const raised = TFJS_LIMITS.map((limit) => [limit, adapter.limits[limit]] as const);
  return {
    requiredFeatures: [
      ...(features ? TFJS_FEATURES.filter((feature) => adapter.features.has(feature)) : []),
      ...extras.map((extra) => FEATURES[extra] as GPUFeatureName),
    ],
    requiredLimits: limits ? Object.fromEntries([...raised, ['maxStorageBuffersPerShaderStage', storage]]) : {},
  };
}

/** What is wrong with extras that have to be probed, in a sentence each. */
type Faults = Readonly<Record<'float16' | 'subgroups', string | null>>;

/** The device and what is wrong with those of `extras` that it has; or why there is no device, as text. */
async function tryToOpen(
  adapter: GPUAdapter,
  descriptor: Descriptor,
  extras: readonly ExtraFeature[],
  sizes: SubgroupSizes,
): Promise<{device: GPUDevice; faults: Faults} | string> {
  let lost = '';
  try {
    const device = await adapter.requestDevice(descriptor);
    // `lost` never rejects, and a device that is well never settles it.
    void device.lost.then(({message, reason}) => (lost = message || `the device was lost: ${reason}`));
    const untilHeard = (): Promise<unknown> => waitFor(device.queue, device.queue.onSubmittedWorkDone()).catch(() => undefined);
    // Where opening fails for want of memory, say, the standard has browsers give a device that is lost from the start.
    await untilHeard();
    if (lost !== '') return lost;
    const isProbed = (extra: keyof Faults): boolean => extras.includes(extra) && device.features.has(FEATURES[extra]);
    // One after the other: the two share a stack of error scopes.
    const faults = {
      float16: isProbed('float16') ? await halvesFault(device) : null,
      subgroups: isProbed('subgroups') ? await laneFault(device, sizes) : null,
    };
    if (faults.float16 !== null || faults.subgroups !== null) await untilHeard();
    return lost === '' ? {device, faults} : lost;
  } catch (error) {
    return textOf(error);
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message.trim() : String(error));
