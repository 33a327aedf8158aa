import {explain, formatsText, type Compiled, type Program} from '../../src/pure.js';
import {drawWork, type RowWork} from '../shell/charts.js';
import {bytes, duration, percent, whole} from '../shell/format.js';
import {at, copyOnClick, make} from '../shell/page.js';
import {countPairs, countVisits, gridOf, type Grid} from './cells.js';
import {drawHeat, drawLens, drawMask, drawTiles} from './pictures.js';
import {runsOf, spansOf} from './row.js';

interface Shown {
  readonly compiled: Compiled;
  readonly grid: Grid;
  readonly pairs: Float64Array;
  readonly computed: Float64Array;
  readonly full: Float64Array;
}

/** Everything below the controls. */
export class Panels {
  private shown: Shown | null = null;
  private query = 0;
  private key = 0;
  private isHeat = false;

  constructor() {
    copyOnClick(at('copy-all'), () => (this.shown === null ? '' : explain(this.shown.compiled)));
    for (const [id, isHeat] of [
      ['show-kinds', false],
      ['show-heat', true],
    ] as const) {
      at(id).addEventListener('click', () => this.colourBy(isHeat));
    }
  }

  show(compiled: Compiled, planned: string): void {
    const {plan, lines} = compiled;
    const grid = gridOf(plan.problem.queryLength);
    this.shown = {compiled, grid, pairs: countPairs(lines!.rows[0]!, grid), ...countVisits(plan, grid)};
    at('planned').textContent = planned;
    const {nnz, density, tileDensity, implementation} = plan;
    const square = plan.problem.queryLength ** 2;
    at('mask-note').textContent = `${whole(nnz)} of ${whole(square)} pairs attend, ${percent(density)}.`;
    at('tiles-note').textContent =
      implementation === 'dense'
        ? `The dense kernel visits every tile that holds a pair and hides the rest by mask bits: ${percent(tileDensity)} are wanted.`
        : `${percent(tileDensity)} of the pairs computed are wanted.`;
    at('mask').setAttribute('aria-label', `The mask of ${compiled.pattern}. ${at('mask-note').textContent}`);
    at('tiles').setAttribute('aria-label', `The tiles of ${compiled.pattern}. ${at('tiles-note').textContent}`);
    this.showFacts(compiled);
    this.showPrograms(compiled);
    this.redraw();
  }

  /** Draws the pictures in the colours of the present theme. */
  redraw(): void {
    if (this.shown === null) return;
    const {compiled, grid, pairs, computed, full} = this.shown;
    drawMask(at('mask'), pairs, grid);
    if (this.isHeat) drawHeat(at('tiles'), pairs, computed, grid);
    else drawTiles(at('tiles'), computed, full, grid);
    drawLens(at('lens'), compiled.lines!.rows[0]!, this.query, this.key);
    drawWork(at('work'), workOf(this.shown), whole);
  }

  private colourBy(isHeat: boolean): void {
    this.isHeat = isHeat;
    at('show-kinds').setAttribute('aria-pressed', String(!isHeat));
    at('show-heat').setAttribute('aria-pressed', String(isHeat));
    at('kinds-legend').hidden = isHeat;
    at('heat-legend').hidden = !isHeat;
    this.redraw();
  }

  /** Shows one row, and the pairs around (query, key). */
  select(query: number, key: number): void {
    if (this.shown === null) return;
    [this.query, this.key] = [query, key];
    const {lines, plan} = this.shown.compiled;
    const length = plan.problem.queryLength;
    at<HTMLInputElement>('query').value = String(query);
    at<HTMLInputElement>('key').value = String(key);
    at('query-value').textContent = whole(query);
    at('key-value').textContent = whole(key);
    for (const mark of document.querySelectorAll<HTMLElement>('.row-mark')) mark.style.top = `${(100 * (query + 0.5)) / length}%`;
    for (const mark of document.querySelectorAll<HTMLElement>('.column-mark')) mark.style.left = `${(100 * (key + 0.5)) / length}%`;
    at('row-title').textContent = `Query ${whole(query)}`;
    drawLens(at('lens'), lines!.rows[0]!, query, key);
    at('lens-note').textContent = `The pairs around key ${whole(key)}, each a square; this query in orange.`;
    at('lens').setAttribute('aria-label', at('lens-note').textContent ?? '');
    this.showRow(query);
  }

  /** Calls `pick` with the pair that the reader points at. */
  onPick(pick: (query: number, key: number) => void): void {
    for (const picture of document.querySelectorAll<HTMLElement>('[data-picture]')) {
      const take = (event: PointerEvent): void => {
        if (this.shown === null) return;
        const box = picture.getBoundingClientRect();
        const length = this.shown.compiled.plan.problem.queryLength;
        const index = (share: number): number => Math.max(0, Math.min(length - 1, Math.floor(share * length)));
        pick(index((event.clientY - box.top) / box.height), index((event.clientX - box.left) / box.width));
      };
      picture.addEventListener('pointerdown', take);
      // A finger that moves scrolls the page.
      picture.addEventListener('pointermove', (event) => event.buttons === 1 && event.pointerType === 'mouse' && take(event));
    }
  }

  private showRow(query: number): void {
    const {lines, plan} = this.shown!.compiled;
    const runs = runsOf(lines!.rows[0]!, query);
    const keys = runs?.reduce((sum, {count}) => sum + count, 0) ?? 0;
    at('runs-note').textContent =
      runs === null
        ? 'This row would need more than 64 runs, so it is kept as bits.'
        : runs.length === 0
          ? 'This query attends to nothing; its output is 0.'
          : `${whole(keys)} ${keys === 1 ? 'key' : 'keys'}: start + stride · i, for 0 ≤ i < count.`;
    at('runs').replaceChildren(
      ...(runs ?? []).map(({start, stride, count, keys}) => line([start, stride, count].map(whole), [keys])),
    );
    const spans = spansOf(plan, query);
    at('items-note').textContent =
      plan.implementation === 'dense'
        ? 'The dense kernel visits all keys but 64 at a time that no row of the tile attends to.'
        : `${spans.length === 1 ? 'One range' : `${spans.length} ranges`} of keys, by the tiles that own this row.`;
    at('items').replaceChildren(
      ...spans.map(({rows, keys, full}) => make('tr', {}, cell(rows), cell(keys), cell(whole(full), 'number'))),
    );
  }

  private showFacts({plan, launches}: Compiled): void {
    const {tile, passes, slots, schedule, matrix, formats} = plan;
    const items = passes.map(({itemBegin, itemEnd}) => whole(itemEnd - itemBegin));
    const facts: readonly (readonly [string, string])[] = [
      ['Kernel', `${plan.implementation}: ${plan.reason}`],
      ['Predicted', `${duration(plan.costMs)} for 8 heads on the reference GPU, an NVIDIA H200`],
      ['Pairs that attend', `${whole(plan.nnz)}, ${percent(plan.density)} of all`],
      ['Of those computed', `${percent(plan.tileDensity)} attend`],
      [
        'Memory',
        `${bytes(plan.bytes)} beside the tensors; dense scores would take ${bytes(4 * 8 * plan.problem.queryLength ** 2)}`,
      ],
      ['Tile', `${tile.rows} queries × ${tile.keys} keys, ${tile.threadsX} × ${tile.threadsY} invocations`],
      [
        'Work items',
        `${items.join(' + ')}${passes.length > 1 ? `, in ${passes.length} passes` : ''}${slots > 0 ? `, ${slots} partial` : ''}`,
      ],
      ['Schedule', `${bytes(schedule.byteLength)}, shared by all heads`],
      [
        'Reads',
        matrix === null
          ? formatsText(formats)
          : `${formatsText(formats)}, multiplied by tensor cores of ${matrix.M} × ${matrix.N} × ${matrix.K}`,
      ],
      ['Launches', String(launches.length)],
    ];
    at('facts').replaceChildren(...facts.flatMap(([name, value]) => [make('dt', {}, name), make('dd', {}, value)]));
  }

  private showPrograms({launches}: Compiled): void {
    at('launches').textContent = launches
      .map(({program, grid}) => `${program.name}, ${grid.map(whole).join(' × ')} workgroups`)
      .join('; then ');
    const programs = [...new Map(launches.map(({program}) => [program.key, program])).values()];
    at('programs').replaceChildren(...programs.map(listing));
  }
}

function listing({name, code, bindings, invocations, workgroupBytes}: Program): HTMLElement {
  const lines = code.split('\n').length;
  const copy = make('button', {type: 'button', class: 'quiet'}, 'Copy');
  copyOnClick(copy, () => code);
  return make(
    'details',
    {},
    make('summary', {}, `${name} `, make('small', {}, `${lines} lines of WGSL`)),
    make(
      'div',
      {class: 'bar'},
      make(
        'span',
        {class: 'note'},
        `${invocations} invocations, ${whole(workgroupBytes)} bytes shared; binds ${bindings.join(', ')}`,
      ),
      copy,
    ),
    make('pre', {class: 'listing', role: 'region', tabindex: '0', 'aria-label': `WGSL of ${name}`}, code),
  );
}

/** Computed pairs of each query, in at most 128 bins of rows. */
function workOf({grid, computed, full, compiled}: Shown): RowWork[] {
  const length = compiled.plan.problem.queryLength;
  const perBin = Math.ceil(grid.side / 128);
  const work: RowWork[] = [];
  for (let first = 0; first < grid.side; first += perBin) {
    const last = Math.min(grid.side, first + perBin);
    const [from, to] = [first * grid.size, Math.min(length, last * grid.size)];
    const sum = (cells: Float64Array): number => cells.subarray(first * grid.side, last * grid.side).reduce((a, b) => a + b, 0);
    const [all, whole] = [sum(computed) / (to - from), sum(full) / (to - from)];
    work.push({from, to, kind: 'full', pairs: whole}, {from, to, kind: 'partial', pairs: all - whole});
  }
  return work;
}

const cell = (text: string, className = ''): HTMLElement => make('td', className === '' ? {} : {class: className}, text);

const line = (numbers: readonly string[], texts: readonly string[]): HTMLElement =>
  make('tr', {}, ...numbers.map((number) => cell(number, 'number')), ...texts.map((text) => cell(text)));
