/**
 * The import laws: which room may import which. A room is a folder of src (or compile.ts, explain.ts, plan_attention.ts or pure.ts, which stand as
 * ones); it is imported through its index.ts, and arrows point one way only. pure.ts is what the runtime sees of all pure rooms.
 */
const PURE = ['support', 'pattern', 'acsr', 'plan', 'product', 'wgsl', 'explain', 'compile', 'plan_attention', 'pure'];
const MAY_IMPORT = {
  support: [],
  pattern: ['support'],
  acsr: ['support', 'pattern'],
  plan: ['support', 'acsr'],
  product: ['support', 'plan'],
  wgsl: ['support', 'plan', 'product'],
  explain: ['support', 'pattern', 'acsr', 'plan', 'wgsl'],
  compile: ['support', 'pattern', 'acsr', 'plan', 'wgsl', 'explain'],
  plan_attention: ['support', 'pattern', 'acsr', 'plan', 'explain', 'compile'],
  pure: ['pattern', 'acsr', 'plan', 'product', 'wgsl', 'explain', 'compile', 'plan_attention'],
  runtime: ['support', 'pure'],
  model: ['support', 'pattern', 'acsr', 'runtime'],
  layers: ['support', 'pattern', 'runtime'],
};

/** The same inside rooms that outgrew one sitting. The files that stand beside the sub-rooms put them together and may import all. */
const SUB_ROOMS = {
  wgsl: {
    text: [],
    terms: ['text'],
    tile: ['text', 'terms'],
    around: ['text', 'terms', 'tile'],
    attend: ['text', 'terms', 'tile'],
    matrix: ['text', 'terms', 'tile'],
    gradient: ['text', 'terms', 'tile'],
    ops: ['text', 'tile'],
    product: ['text', 'tile'],
    packed: ['text', 'terms', 'tile'],
  },
  runtime: {
    host: [],
    given: [],
    terms: ['given'],
    tf_ops: ['terms'],
    launch: ['host', 'terms'],
    call: ['host', 'given', 'terms', 'tf_ops', 'launch'],
    helpers: ['host', 'terms', 'call'],
    kv: ['host', 'given', 'terms', 'tf_ops', 'launch', 'call'],
    open: ['host', 'call'],
    ops: ['host', 'given', 'launch', 'call'],
    scores: ['host', 'given', 'terms', 'tf_ops', 'launch', 'call'],
    products: ['host', 'given', 'launch', 'call'],
    capture: ['host', 'launch'],
  },
  model: {
    graph: [],
    read: ['graph'],
    fold: ['graph'],
    write: ['graph', 'read', 'fold'],
    run: ['graph', 'read'],
  },
};

/**
 * Matches every file of a room, whether it is a folder or one file.
 *
 * @param {string} name
 */
const room = (name) => `^src/${name}(/|\\.ts$)`;
/** @param {string[]} names */
const anyOf = (names) => `^src/(${names.join('|')})(/|\\.ts$)`;

const arrows = Object.entries(MAY_IMPORT).map(([name, others]) => ({
  name: `${name}-imports-only-${others.join('-') || 'itself'}`,
  comment: `src/${name} may import ${others.join(', ') || 'no other room'}.`,
  severity: 'error',
  from: {path: room(name)},
  to: {path: '^src/', pathNot: anyOf([name, ...others])},
}));

const subArrows = Object.entries(SUB_ROOMS).flatMap(([name, subs]) => [
  ...Object.entries(subs).map(([sub, others]) => ({
    name: `${name}-${sub}-imports-only-${others.join('-') || 'itself'}`,
    comment: `Of src/${name}, ${sub} may import ${others.join(', ') || 'no other sub-room'}.`,
    severity: 'error',
    from: {path: `^src/${name}/${sub}/`},
    to: {path: `^src/${name}/`, pathNot: `^src/${name}/(${[sub, ...others].join('|')})/`},
  })),
  {
    name: `${name}-has-the-sub-rooms-that-it-has`,
    comment: 'A new sub-room says in SUB_ROOMS what it may import.',
    severity: 'error',
    from: {path: `^src/${name}/`},
    to: {path: `^src/${name}/[^/]+/`, pathNot: `^src/${name}/(${Object.keys(subs).join('|')})/`},
  },
]);

const doors = [
  {
    name: 'import-a-room-not-a-file-inside-it',
    severity: 'error',
    from: {path: '^src/([^/]+)/'},
    // $1 is the room of the importing file.
    to: {path: '^src/[^/]+/', pathNot: ['^src/$1/', '^src/[^/]+/index[.]ts$']},
  },
  {
    name: 'import-a-room-not-a-file-inside-it (from the top of src)',
    severity: 'error',
    from: {path: '^src/[^/]+$'},
    to: {path: '^src/[^/]+/', pathNot: '^src/[^/]+/index[.]ts$'},
  },
  {
    name: 'a-room-does-not-use-its-own-door',
    comment: 'A file that imports the index of its own room makes a cycle in the reader’s head, and soon one in the modules.',
    severity: 'error',
    from: {path: '^src/([^/]+)/'},
    to: {path: '^src/$1/index[.]ts$'},
  },
  {
    name: 'nobody-imports-the-front-doors',
    severity: 'error',
    from: {path: '^src/', pathNot: '^src/(umd|chained)[.]ts$'},
    to: {path: '^src/(index|umd|umd_extras|chained|register)[.]ts$'},
  },
];

module.exports = {
  forbidden: [
    ...arrows,
    ...subArrows,
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: {circular: true},
    },
    ...doors,
    {
      name: 'pure-rooms-import-no-package',
      comment: 'No tfjs, no Node module, nothing from npm.',
      severity: 'error',
      from: {path: anyOf(PURE)},
      to: {pathNot: '^src/'},
    },
    {
      name: 'no-node-modules-in-the-library',
      comment: 'The library runs in a browser.',
      severity: 'error',
      from: {path: '^src/'},
      to: {dependencyTypes: ['core']},
    },
    {
      name: 'the-library-imports-only-itself-and-tfjs',
      comment: 'tfjs-backend-webgpu is an optional peer: cpu and webgl users need not have it.',
      severity: 'error',
      from: {path: '^src/'},
      to: {pathNot: ['^src/', '@tensorflow/tfjs-(core|converter|layers)']},
    },
    {
      name: 'only-the-layers-import-tfjs-layers',
      comment: 'tfjs-layers is an optional peer: who imports no layer from here need not have it.',
      severity: 'error',
      from: {path: '^src/', pathNot: room('layers')},
      to: {path: '@tensorflow/tfjs-layers'},
    },
    {
      name: 'nothing-unresolved',
      severity: 'error',
      from: {},
      to: {couldNotResolve: true},
    },
  ],
  options: {
    doNotFollow: {path: 'node_modules'},
    // The apps import the packed package.
    exclude: {path: '(^|/)dist/|^test/apps/'},
    // Type-only imports obey the laws too: a record that a room may not read, it may not name.
    tsPreCompilationDeps: true,
    tsConfig: {fileName: 'tsconfig.json'},
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.mjs', '.js', '.json'],
    },
  },
};
