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
      return {title, detail, median: '', first: '', gpu: '', peak: '', ratio: '', reason: outcome.reason};
    return {
      title,
      detail,
      median: duration(outcome.medianMs),
      first: duration(outcome.firstMs),
      gpu: outcome.gpuMs === null ? '' : duration(outcome.gpuMs),
      peak: outcome.peakBytes === null ? '' : bytes(outcome.peakBytes),
      ratio: base === null || base === outcome ? '' : comparison(base, outcome),
      reason: '',
    };
  });
}

/** `12× faster, 9.1× less memory` */
function comparison(base: Measured, other: Measured): string {
  const time = ratio(base.medianMs, other.medianMs, 'faster', 'slower');
  if (base.peakBytes === null || other.peakBytes === null) return time;
  return `${time}, ${ratio(base.peakBytes, other.peakBytes, 'less memory', 'more memory')}`;
}

function ratio(base: number, other: number, better: string, worse: string): string {
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
        reason.colSpan = 5;
        reason.className = 'refused';
        row.append(reason);
        return row;
      }
      for (const text of [cells.median, cells.gpu, cells.first, cells.peak]) {
        const cell = element('td', text === '' ? '–' : text);
        cell.className = 'number';
        row.append(cell);
      }
      const last = element('td', '');
      last.className = 'number';
      const [time = '–', memory] = cells.ratio === '' ? [] : cells.ratio.split(', ');
      last.append(time, ...(memory === undefined ? [] : [element('small', memory)]));
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

/** One bar a run, the run that is ours in the accent colour, the number at its end. */
export function drawBars(host: HTMLElement, outcomes: readonly Outcome[], what: 'medianMs' | 'peakBytes'): void {
  const print = what === 'medianMs' ? duration : bytes;
  const bars = outcomes.map((outcome) => {
    const value = outcome.kind === 'measured' ? outcome[what] : null;
    return {
      name: outcome.spec.title,
      ours: outcome.spec.name === 'fused',
      value: value ?? 0,
      label: value === null ? 'not measured' : print(value),
    };
  });
  const largest = Math.max(...bars.map(({value}) => value));
  if (largest === 0) {
    host.replaceChildren();
    return;
  }
  const chart = Plot.plot({
    width: 480,
    height: 30 * bars.length + 8,
    marginLeft: 168,
    marginRight: 78,
    marginTop: 4,
    marginBottom: 4,
    style: {background: 'none', color: 'var(--ink)', fontSize: '13px', fontFamily: 'inherit'},
    x: {axis: null, domain: [0, largest]},
    y: {domain: bars.map(({name}) => name), label: null, tickSize: 0, padding: 0.3},
    marks: [
      Plot.barX(bars, {x: 'value', y: 'name', fill: (bar) => (bar.ours ? 'var(--accent)' : 'var(--neutral)'), rx: 3}),
      Plot.text(bars, {x: 'value', y: 'name', text: 'label', dx: 6, textAnchor: 'start', fill: 'var(--ink-2)'}),
      Plot.ruleX([0], {stroke: 'var(--line)'}),
    ],
  });
  chart.setAttribute('role', 'img');
  chart.setAttribute('aria-label', bars.map(({name, label}) => `${name}: ${label}`).join('; '));
  host.replaceChildren(chart);
}

function element<K extends keyof HTMLElementTagNameMap>(tag: K, text: string): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
