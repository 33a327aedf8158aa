import {hash} from '../../support/index.js';
import type {AdapterWords} from './device.js';

/** How adapters call themselves, for people. */
export function adapterText(info: AdapterWords | undefined): string {
  return wordsOf(info).join(' ') || 'unknown';
}

/**
 * What a tuning is kept under: the words of the adapter. Firefox gives none, and others a vendor alone, which is every GPU of theirs; then
 * limits, features and the browser have to tell devices apart.
 */
export function deviceText({limits, features}: GPUDevice, info: AdapterWords | undefined): string {
  const words = wordsOf(info);
  if (words.some((word) => word !== info?.vendor)) return words.join(' ');
  // The limits are on the prototype.
  const numbers: string[] = [];
  for (const name in limits) numbers.push(`${name} ${String(limits[name as keyof GPUSupportedLimits])}`);
  const known = [...numbers.sort(), ...[...features].sort()].join();
  const {userAgent = 'no browser'} = (globalThis as {navigator?: {userAgent?: string}}).navigator ?? {};
  return `${words[0] ?? 'a GPU'} without a name (limits and features ${hash(known)}, ${userAgent})`;
}

const wordsOf = ({vendor, architecture, device, description}: AdapterWords = {}): string[] =>
  [vendor, architecture, device, description].filter((word) => word != null && !/^(unknown)?$/i.test(word)) as string[];
