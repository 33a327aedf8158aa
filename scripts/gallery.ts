// `npm run gallery`: writes docs/gallery.md and its pictures anew. Review what changed with `git diff docs`, as you would review source.
import {mkdirSync, rmSync, writeFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {planAttention, type AttentionPlan} from '../src/plan_attention.js';
import {forEachRun} from '../src/plan/visit.js';
import {COMPOSITIONS, DRAWN_LENGTH, evaluate, LENGTH, WORDS, type Exhibit} from './gallery_patterns.js';

const DOCS = fileURLToPath(new URL('../docs/', import.meta.url));

const HEADS = {headDim: 64, heads: 8};

/** Mid tones that stand on white as well as on black. */
const COLOURS = {contiguous: '#3987d4', strided: '#d97b1f', bits: '#9a6dc8', hidden: '#808080'};

/** All files of the gallery by path under docs: the page, and a picture for each exhibit. */
export function galleryFiles(): Map<string, string> {
  const files = new Map<string, string>();
  const dense = planAt('full()').costMs;
  const section = (exhibits: readonly Exhibit[]): string => exhibits.map((exhibit) => entry(exhibit, dense, files)).join('\n');
  const words = section(WORDS);
  const compositions = section(COMPOSITIONS);
  const contents = `${sheet(WORDS)}\n\n${sheet(COMPOSITIONS)}`;
  return files.set('gallery.md', `${INTRODUCTION}\n${contents}\n\n## The words\n\n${words}\n## Compositions\n\n${compositions}`);
}

/** Small pictures that lead to the large ones. */
const sheet = (exhibits: readonly Exhibit[]): string =>
  exhibits
    .map(({name, title}) => `<a href="#${slug(title)}"><img src="gallery/${name}.svg" width="96" alt="${title}"></a>`)
    .join('\n');

/** The anchor of a heading, as GitHub makes it. */
const slug = (title: string): string =>
  title
    .toLowerCase()
    .replace(/[^\w\s-]/g, '')
    .replace(/\s/g, '-');

const INTRODUCTION = `# Pattern gallery

What each pattern looks like, what it is for and what it costs. Queries go down, keys across, and what is painted is computed:
**blue** in tiles of neighbouring keys, **orange** in tiles of every s-th query and key, so that a stride is as dense for the kernel as a
window; **violet** by the dense kernel, from packed bits. Pictures show ${DRAWN_LENGTH} tokens, the code and its numbers belong to
${LENGTH.toLocaleString('en')}, in float32 with ${HEADS.heads} heads of ${HEADS.headDim}, planned for the limits that every WebGPU device has.

*Density* is the share of all pairs that attend, *tile density* the share of computed pairs that do. The gain is the cost model's prediction
against \`full()\`; [benchmarks](benchmarks.md) has measured times, and [choosing a pattern](choosing.md) says how to pick one.

<!-- Written by npm run gallery from scripts/gallery_patterns.ts. -->
`;

function entry(exhibit: Exhibit, dense: number, files: Map<string, string>): string {
  const {name, title, code, drawn, says} = exhibit;
  const plan = planAt(code);
  files.set(`gallery/${name}.svg`, picture(exhibit, plan.implementation));
  const share = `${(100 * plan.density).toPrecision(3)} %`;
  const times = dense / plan.costMs;
  const gain = times > 1.05 ? `, ${times.toPrecision(2)} times as fast as \`full()\`` : '';
  const cost = `density ${share}, tile density ${plan.tileDensity.toFixed(2)}, ${plan.implementation} kernel${gain}`;
  const caption = drawn === code ? '' : `\n\n*Drawn: \`${drawn}\`.*`;
  return `### ${title}

![${title}: the mask at ${DRAWN_LENGTH} tokens](gallery/${name}.svg)

\`\`\`ts
${code}
\`\`\`

${says}${caption}

At ${LENGTH.toLocaleString('en')} tokens: ${cost}.
`;
}

function planAt(code: string): AttentionPlan {
  return planAttention(evaluate(code, LENGTH), {queryLength: LENGTH, keyLength: LENGTH, ...HEADS});
}

/** An SVG whose unit is a pair. Pairs of a row that lie side by side are one stroke. */
function picture({title, drawn}: Exhibit, implementation: 'fused' | 'dense'): string {
  const n = DRAWN_LENGTH;
  // By the kernel that 4,096 tokens get: at 64 the dense one often wins.
  const plan = planAttention(evaluate(drawn, n), {queryLength: n, keyLength: n, ...HEADS, implementation});
  const strokes = {contiguous: '', strided: '', bits: ''};
  forEachRun(plan, (query, firstKey, keyStride, count, {mask}) => {
    const kind = mask === 'bits' ? 'bits' : keyStride === 1 ? 'contiguous' : 'strided';
    if (keyStride === 1) strokes[kind] += stroke(query, firstKey, count);
    else for (let i = 0; i < count; i++) strokes[kind] += stroke(query, firstKey + keyStride * i, 1);
  });
  const paths = Object.entries(strokes)
    .filter(([, path]) => path !== '')
    .map(([kind, path]) => `<path stroke="${COLOURS[kind as keyof typeof COLOURS]}" d="${path}"/>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="208" height="208" viewBox="-.5 -.5 ${n + 1} ${n + 1}" role="img" shape-rendering="crispEdges">
<title>${title}</title>
<rect width="${n}" height="${n}" fill="${COLOURS.hidden}" fill-opacity=".12"/>
${paths.join('\n')}
</svg>
`;
}

/** Strokes are one unit wide around their middle. */
const stroke = (query: number, key: number, count: number): string => `M${key} ${query}.5h${count}`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  // First: when a pattern throws, the old files stay.
  const files = galleryFiles();
  rmSync(`${DOCS}gallery`, {recursive: true, force: true});
  mkdirSync(`${DOCS}gallery`);
  for (const [path, text] of files) writeFileSync(DOCS + path, text);
  console.log(`${files.size} files of the gallery in docs`);
}
