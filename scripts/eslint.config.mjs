import tseslint from 'typescript-eslint';

/** Globals that would let a pure room see the world: it computes records from records and nothing else. */
const WORLD = [
  ...['window', 'self', 'document', 'navigator', 'globalThis', 'global', 'process', 'Buffer'],
  ...['Date', 'performance', 'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'requestAnimationFrame', 'crypto'],
  ...['fetch', 'XMLHttpRequest', 'localStorage', 'tf', 'GPUBufferUsage', 'GPUShaderStage', 'GPUMapMode'],
];

export default tseslint.config(
  {ignores: ['node_modules/**', 'dist/**', '**/dist/**', '.cache/**', '.gpu/**']},
  {
    files: ['**/*.ts', '**/*.mjs', '**/*.js', '**/*.cjs'],
    extends: [tseslint.configs.recommended],
    linterOptions: {reportUnusedDisableDirectives: 'error'},
    rules: {
      eqeqeq: ['error', 'always', {null: 'ignore'}],
      'no-var': 'error',
      'prefer-const': 'error',
      'object-shorthand': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', {argsIgnorePattern: '^_', varsIgnorePattern: '^_'}],
      // `() => {}` says "do nothing" well enough.
      '@typescript-eslint/no-empty-function': 'off',
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      'no-console': ['error', {allow: ['warn', 'error']}],
      'max-lines': ['error', 330],
      'no-restricted-syntax': ['error', {selector: 'ExportDefaultDeclaration', message: 'Export by name.'}],
    },
  },
  {
    files: [
      'src/{support,pattern,acsr,plan,wgsl}/**/*.ts',
      'src/model/{graph,read,write}/**/*.ts',
      'src/{compile,explain,plan_attention}.ts',
    ],
    rules: {
      'no-console': 'error',
      'no-restricted-globals': ['error', ...WORLD.map((name) => ({name, message: 'A pure room reads only its arguments.'}))],
      'no-restricted-properties': [
        'error',
        {object: 'Math', property: 'random', message: 'A pure room gives one answer to one question.'},
      ],
    },
  },
  // Printing is what it is for.
  {files: ['src/runtime/host/debug.ts'], rules: {'no-console': 'off'}},
  {files: ['**/*.cjs', 'karma.conf.js'], rules: {'@typescript-eslint/no-require-imports': 'off'}},
);
