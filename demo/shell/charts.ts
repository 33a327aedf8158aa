import * as Plot from '@observablehq/plot';
import {whole} from './format.js';
import {make} from './page.js';
import {binaryTicks, decimalTicks} from './ticks.js';

const STYLE = {background: 'none', color: 'var(--ink-2)', fontSize: '12px', fontFamily: 'inherit', overflow: 'visible'};

/** A line of a chart. Colours are variables of the style sheet, so that charts follow the theme. */
export interface Series {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly {readonly x: number; readonly y: number}[];
}

export interface LineChart {
  readonly series: readonly Series[];
  readonly x: string;
  readonly y: string;
  /** Prints a value of y. */
  readonly print: (value: number) => string;
  /** Marks on the axis of y. Default decimal. */
  readonly ticks?: 'decimal' | 'binary';
}

const drawings = new WeakMap<Element, () => Element[]>();
const resized = new ResizeObserver((entries) => {
  // Drawing changes heights that are observed here: done at once, that is a loop, which browsers report as an error.
  requestAnimationFrame(() => {
    for (const {target} of entries) target.replaceChildren(...(drawings.get(target)?.() ?? []));
  });
});

/** Fills `host` with what `draw` makes for its width, now and whenever that changes. */
function keepDrawn(host: HTMLElement, draw: (width: number) => Element[]): void {
  let width = NaN;
  let drawn: Element[] = [];
  drawings.set(host, () => {
    // Its height changes by being drawn.
    if (host.clientWidth !== width) {
      width = host.clientWidth;
      drawn = draw(Math.max(280, width));
    }
    return drawn;
  });
  host.replaceChildren(...drawings.get(host)!());
  resized.observe(host);
}

/** Values over lengths, both on a logarithmic axis, with the names of the lines above. */
export function drawLines(host: HTMLElement, {series, x, y, print, ticks = 'decimal'}: LineChart): void {
  const points = series.flatMap(({name, points}) => points.map((point) => ({...point, name})));
  if (points.length === 0) return;
  const lengths = [...new Set(points.map((point) => point.x))];
  const values = points.map((point) => point.y);
  // A little air, so that no point is on the border and a flat line has an axis.
  const range = [0.85 * Math.min(...values), 1.15 * Math.max(...values)] as const;
  const marks = (ticks === 'binary' ? binaryTicks : decimalTicks)(...range);
  const said = series.map(
    ({name, points}) => `${name}: ${points.map((point) => `${whole(point.x)} ${print(point.y)}`).join(', ')}`,
  );
  keepDrawn(host, (width) => {
    // Logarithms on plain scales: a logarithmic scale of Plot leaves out labels as it sees fit.
    const chart = Plot.plot({
      width,
      height: Math.min(420, Math.max(280, width * 0.45)),
      marginLeft: 64,
      marginRight: 20,
      marginBottom: 40,
      style: STYLE,
      x: {
        label: x,
        ticks: lengths.map(Math.log2),
        tickFormat: (log: number) => shortLength(Math.round(2 ** log)),
        labelAnchor: 'center',
        inset: 8,
      },
      y: {
        label: y,
        domain: range.map(Math.log2),
        ticks: marks.map(Math.log2),
        tickFormat: (log: number) => print(2 ** log),
        grid: true,
      },
      color: {domain: series.map(({name}) => name), range: series.map(({colour}) => colour)},
      marks: [
        Plot.line(points, {x: logOf('x'), y: logOf('y'), z: 'name', stroke: 'name', strokeWidth: 2}),
        Plot.dot(points, {x: logOf('x'), y: logOf('y'), fill: 'name', r: 3.5, stroke: 'var(--surface)'}),
        Plot.tip(
          points,
          Plot.pointer({
            x: logOf('x'),
            y: logOf('y'),
            title: ({name, x, y}: {name: string; x: number; y: number}) => `${name}\n${whole(x)}: ${print(y)}`,
            fill: 'var(--surface)',
          }),
        ),
      ],
    });
    return [legendOf(series), named(chart, said)];
  });
}

const logOf =
  (axis: 'x' | 'y') =>
  (point: {readonly x: number; readonly y: number}): number =>
    Math.log2(point[axis]);

function legendOf(series: readonly Series[]): HTMLElement {
  return make(
    'ul',
    {class: 'legend'},
    ...series.map(({name, colour}) => make('li', {}, make('i', {class: 'key', style: `background: ${colour}`}), name)),
  );
}

/** 512, 1k, 16k */
const shortLength = (length: number): string => (length >= 1024 && length % 512 === 0 ? `${length / 1024}k` : String(length));

/** A bar of one value; null: there is none, and `label` says why. */
export interface Bar {
  readonly name: string;
  readonly value: number | null;
  readonly label: string;
  readonly colour: string;
}

export function drawBars(host: HTMLElement, bars: readonly Bar[]): void {
  const shown = bars.map((bar) => ({...bar, value: bar.value ?? 0}));
  keepDrawn(host, (width) => {
    const chart = Plot.plot({
      width,
      height: 34 * bars.length + 8,
      marginLeft: 128,
      marginRight: 84,
      marginTop: 4,
      marginBottom: 4,
      style: {...STYLE, fontSize: '13px'},
      x: {axis: null, domain: [0, Math.max(...shown.map(({value}) => value)) || 1]},
      y: {domain: bars.map(({name}) => name), label: null, tickSize: 0, padding: 0.3},
      marks: [
        Plot.barX(shown, {x: 'value', y: 'name', fill: 'colour'}),
        Plot.text(shown, {x: 'value', y: 'name', text: 'label', dx: 6, textAnchor: 'start', fill: 'var(--ink-2)'}),
        Plot.ruleX([0], {stroke: 'var(--line)'}),
      ],
    });
    return [
      named(
        chart,
        bars.map(({name, label}) => `${name}: ${label}`),
      ),
    ];
  });
}

/** A part of a mirrored histogram: rows `from ≤ row < to` and what they cost. */
export interface RowWork {
  readonly from: number;
  readonly to: number;
  readonly kind: 'full' | 'partial';
  readonly pairs: number;
}

/** Work over rows, rows down as in a mask. */
export function drawWork(host: HTMLElement, work: readonly RowWork[], print: (pairs: number) => string): void {
  keepDrawn(host, (width) => {
    const chart = Plot.plot({
      width,
      height: Math.min(420, width),
      marginLeft: 48,
      marginBottom: 36,
      style: STYLE,
      x: {label: 'pairs computed for each query', labelAnchor: 'center', ticks: 5, tickFormat: print, grid: true},
      y: {label: 'query', reverse: true, ticks: 6, tickFormat: (row: number) => whole(row), labelAnchor: 'top'},
      color: {domain: ['full', 'partial'], range: ['var(--plan-full)', 'var(--plan-partial)']},
      marks: [
        Plot.rectX(
          work,
          Plot.stackX({
            order: ['full', 'partial'],
            y1: 'from',
            y2: 'to',
            x: 'pairs',
            fill: 'kind',
            inset: 0,
            shapeRendering: 'crispEdges',
          }),
        ),
        Plot.ruleX([0], {stroke: 'var(--line)'}),
      ],
    });
    const total = (kind: RowWork['kind']): number =>
      work.reduce((sum, bin) => sum + (bin.kind === kind ? bin.pairs * (bin.to - bin.from) : 0), 0);
    return [
      named(chart, [
        `Work of each query: ${print(total('full'))} pairs in full tiles`,
        `${print(total('partial'))} in partial tiles`,
      ]),
    ];
  });
}

function named(chart: Element, parts: readonly string[]): Element {
  // Plot names the groups inside, which a screen reader would read in place of the sentence.
  for (const inner of chart.querySelectorAll('[aria-label]')) inner.removeAttribute('aria-label');
  chart.setAttribute('role', 'img');
  chart.setAttribute('aria-label', parts.join('; '));
  return chart;
}
