import * as Plot from '@observablehq/plot';
import {measured, type Verdict} from './agreement.js';
import {bytes, duration, factor} from './format.js';
import type {Measured, Outcome} from './runs.js';

export interface Cells {
  readonly title: string;
  readonly detail: string;
  readonly median: string;
  readonly first: string;
  readonly gpu: string;
  readonly attention: string;
  readonly peak: string;
  readonly ratio: string;
  /** Instead of the numbers: why there are none. */
  readonly reason: string;
}

/** One row a run; the page and the terminal print the same. */
export function tableCells(outcomes: readonly Outcome[]): Cells[] {
  const base = measured(outcomes, 'asIs');
  return outcomes.map((outcome) => {
    const {title, detail} = outcome.spec;
    if (outcome.kind !== 'measured')
      return {title, detail, median: '', first: '', gpu: '', attention: '', peak: '', ratio: '', reason: outcome.reason};
    return {
      title,
      detail,
      median: duration(outcome.medianMs),
      first: duration(outcome.firstMs),
      gpu: outcome.gpu === null ? '' : duration(outcome.gpu.totalMs),
      attention: outcome.gpu === null ? '' : duration(outcome.gpu.attentionMs),
      peak: outcome.peakBytes === null ? '' : bytes(outcome.peakBytes),
      ratio: base === null || base === outcome ? '' : comparison(base, outcome),
      reason: '',
    };
  });
}

/** `2.9× faster, attention 15× faster, 9.1× less memory` */
function comparison(base: Measured, other: Measured): string {
  const found = [ratio(base.medianMs, other.medianMs, 'faster', 'slower', 'as fast')];
  if (base.gpu && other.gpu)
    found.push(`attention ${ratio(base.gpu.attentionMs, other.gpu.attentionMs, 'faster', 'slower', 'as fast')}`);
  if (base.peakBytes && other.peakBytes)
    found.push(ratio(base.peakBytes, other.peakBytes, 'less memory', 'more memory', 'as much memory'));
  return found.join(', ');
}

function ratio(base: number, other: number, better: string, worse: string, same: string): string {
  if (Math.abs(base / other - 1) < 0.05) return same;
  return base >= other ? `${factor(base / other)} ${better}` : `${factor(other / base)} ${worse}`;
}

export function fillTable(body: HTMLElement, outcomes: readonly Outcome[]): void {
  body.replaceChildren(
    ...tableCells(outcomes).map((cells) => {
      const row = document.createElement('tr');
      const head = element('th', cells.title);
      head.scope = 'row';
      head.append(element('small', cells.detail));
      row.append(head);
      if (cells.reason !== '') {
        const reason = element('td', cells.reason);
        reason.colSpan = 6;
        reason.className = 'refused';
        row.append(reason);
        return row;
      }
      for (const text of [cells.median, cells.first, cells.gpu, cells.attention, cells.peak]) {
        const cell = element('td', text === '' ? '–' : text);
        cell.className = 'number';
        row.append(cell);
      }
      const last = element('td', '');
      last.className = 'number';
      const [time = '–', ...rest] = cells.ratio === '' ? [] : cells.ratio.split(', ');
      last.append(time, ...rest.map((text) => element('small', text)));
      row.append(last);
      return row;
    }),
  );
}

export function fillVerdicts(list: HTMLElement, found: readonly Verdict[]): void {
  list.replaceChildren(
    ...found.map(({state, text}) => {
      const item = element('li', text);
      item.className = state;
      return item;
    }),
  );
}

interface Bar {
  readonly name: string;
  readonly part: string;
  readonly colour: string;
  readonly value: number;
}

/** A bar a run: the GPU's time for attention and for the rest, or the wall time where the GPU has no clock. */
export function drawTimes(host: HTMLElement, outcomes: readonly Outcome[]): void {
  drawBars(host, outcomes, duration, (outcome) => {
    if (outcome.gpu === null) return [['a run', 'var(--neutral)', outcome.medianMs]];
    const {totalMs, attentionMs} = outcome.gpu;
    return [
      ['attention', 'var(--accent)', attentionMs],
      ['the rest', 'var(--neutral)', totalMs - attentionMs],
    ];
  });
}

export function drawMemory(host: HTMLElement, outcomes: readonly Outcome[]): void {
  drawBars(host, outcomes, bytes, ({peakBytes}) => (peakBytes === null ? [] : [['memory', 'var(--neutral)', peakBytes]]));
}

type Part = readonly [name: string, colour: string, value: number];

/** One bar a run, made of parts, their sum at its end. */
function drawBars(
  host: HTMLElement,
  outcomes: readonly Outcome[],
  print: (value: number) => string,
  partsOf: (run: Measured) => Part[],
): void {
  const bars: Bar[] = [];
  const ends = outcomes.map((outcome) => {
    const name = outcome.spec.short;
    const parts = outcome.kind === 'measured' ? partsOf(outcome) : [];
    for (const [part, colour, value] of parts) bars.push({name, part, colour, value});
    const value = parts.reduce((sum, part) => sum + part[2], 0);
    return {name, value, label: parts.length > 0 ? print(value) : 'not measured'};
  });
  const chart = Plot.plot({
    width: Math.max(300, host.clientWidth),
    height: 30 * ends.length + 8,
    marginLeft: 112,
    marginRight: 88,
    marginTop: 4,
    marginBottom: 4,
    style: {background: 'none', color: 'var(--ink)', fontSize: '13px', fontFamily: 'inherit'},
    x: {axis: null, domain: [0, Math.max(...ends.map(({value}) => value)) || 1]},
    y: {domain: ends.map(({name}) => name), label: null, tickSize: 0, padding: 0.3},
    marks: [
      Plot.barX(bars, {x: 'value', y: 'name', fill: 'colour'}),
      Plot.text(ends, {x: 'value', y: 'name', text: 'label', dx: 6, textAnchor: 'start', fill: 'var(--ink-2)'}),
      Plot.ruleX([0], {stroke: 'var(--line)'}),
    ],
  });
  chart.setAttribute('role', 'img');
  chart.setAttribute('aria-label', ends.map(({name, label}) => `${name}: ${label}`).join('; '));
  host.replaceChildren(chart);
}

function element<K extends keyof HTMLElementTagNameMap>(tag: K, text: string): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
