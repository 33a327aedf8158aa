/** 0.83 ms, 41 ms, 1.4 s */
export function duration(ms: number): string {
  if (ms >= 10_000) return `${(ms / 1000).toFixed(0)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms >= 100) return `${ms.toFixed(0)} ms`;
  return `${ms < 0.01 ? Number(ms.toPrecision(1)) : Number(ms.toPrecision(2))} ms`;
}

/** 640 KiB, 41 MiB, 2.1 GiB */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10));
  const value = count / 1024 ** power;
  return `${value < 10 && power > 0 ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}

/** 12×, 3.4×, 0.31× */
export function factor(ratio: number): string {
  return `${ratio >= 10 ? Math.round(ratio).toLocaleString('en') : ratio >= 1 ? ratio.toFixed(1) : ratio.toPrecision(2)}×`;
}

/** 6.25 %, 0.0031 % */
export const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;

/** 16,384 */
export const whole = (count: number): string => count.toLocaleString('en');

/** 0.36, 5.1e-6 */
export const significant = (value: number): string =>
  value === 0 || value >= 1e-3 ? String(Number(value.toPrecision(2))) : value.toExponential(1);

/** 380 bytes/s, 12 bytes/s, 0.8 bytes/s */
export const rate = (perSecond: number, unit: string): string =>
  `${perSecond >= 10 ? whole(Math.round(perSecond)) : Number(perSecond.toPrecision(2))} ${unit}/s`;
