import type {Lines} from '../acsr/index.js';
import type {Sliced} from '../support/index.js';
import {addBest, type Choice} from './choose_tiling.js';
import {lowerTiles} from './configurations.js';
import {Draft, EVERY_LINE} from './draft.js';
import {gridLines, lineKinds, lineWords} from './lines.js';
import {REGULAR, type Implementation, type Kinds, type Report, type TileShape} from './plan.js';
import type {Device, Problem} from './problem.js';
import {ownShapes} from './row_wise.js';

/** Lower tiles, and row by row; all heights are powers of two. */
function besidesOf(tile: TileShape, device: Device, {keyLength}: Problem): readonly TileShape[] {
  if (!Number.isInteger(Math.log2(tile.rows))) return [];
  return [...lowerTiles(tile), ...ownShapes(device, keyLength)];
}

/** Tiles, and why these. */
interface Drafted extends Pick<Report, 'implementation' | 'reason' | 'candidates' | 'untried'> {
  readonly draft: Draft;
}

/** The tiles of all lines, each pattern by the tiling that is predicted to be fastest of those allowed. `beside`: shapes that what has no arithmetic may have, too. */
export function* draftRows(
  lines: Lines,
  problem: Problem,
  device: Device,
  implementation: Implementation | 'auto',
  tile: TileShape,
  beside: readonly TileShape[] = besidesOf(tile, device, problem),
): Sliced<Drafted> {
  const kinds: Kinds = {...REGULAR, ...lineKinds(lines)};
  const words = lineWords(lines, problem);
  const draft = new Draft(tile);
  const onGrid = gridLines(kinds, problem);
  const choices: Choice[] = [];
  for (const [index, acsr] of lines.rows.entries()) {
    const own = lines.rows.length === 1 && words[index]!.length === 1 ? EVERY_LINE : words[index]!;
    choices.push(yield* addBest(draft, acsr, {kinds, lines: own, onGrid}, {problem, device, implementation, tile, beside}));
  }
  const [first] = choices as [Choice, ...Choice[]];
  const alike = choices.length === 1;
  return {
    draft,
    candidates: first.candidates,
    untried: first.untried,
    implementation: choices.every((each) => each.implementation === 'dense') ? 'dense' : 'fused',
    reason: alike ? first.reason : `${choices.length} patterns in ${lines.of.length} ${whatDiffers(lines)}: ${first.reason}, …`,
  };
}

const whatDiffers = ({heads, batch}: Lines): string =>
  heads === 1 ? 'sequences' : batch === 1 ? 'heads' : 'heads of all sequences';
