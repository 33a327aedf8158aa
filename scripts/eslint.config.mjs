import {defineConfig} from 'eslint/config';
import tseslint from 'typescript-eslint';

/** Globals that would let a pure room see the world: it computes records from records and nothing else. */
const WORLD = [
  ...['window', 'self', 'document', 'navigator', 'globalThis', 'global', 'process', 'Buffer'],
  ...['Date', 'performance', 'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'requestAnimationFrame', 'crypto'],
  ...['fetch', 'XMLHttpRequest', 'localStorage', 'tf', 'GPUBufferUsage', 'GPUShaderStage', 'GPUMapMode'],
];

/**
 * `void promise;` drops a promise and whatever it rejects with; a comment right above says why that is right. That promises are not
 * dropped without a word is a rule of scripts/oxlint.json, which knows types.
 *
 * @type {import('eslint').Rule.RuleModule}
 */
const voidSaysWhy = {
  create: ({sourceCode, report}) => ({
    /** @param {import('estree').UnaryExpression & import('eslint').Rule.NodeParentExtension} node */
    'ExpressionStatement > UnaryExpression[operator="void"]': (node) => {
      const {parent} = node;
      // In `if (…) void …;` the comment stands above the `if`.
      const statement = parent.parent?.type === 'IfStatement' ? parent.parent : parent;
      if (![parent, statement].some((each) => sourceCode.getCommentsBefore(each).length > 0))
        report({node, message: 'Say in a comment above why nobody waits for this.'});
    },
  }),
};

export default defineConfig(
  {ignores: ['node_modules/**', 'dist/**', '**/dist/**', '.cache/**', '.gpu/**']},
  {
    files: ['**/*.ts', '**/*.mjs', '**/*.js', '**/*.cjs'],
    extends: [tseslint.configs.recommended],
    plugins: {splat: {rules: {'void-says-why': voidSaysWhy}}},
    linterOptions: {reportUnusedDisableDirectives: 'error'},
    rules: {
      eqeqeq: ['error', 'always', {null: 'ignore'}],
      'no-var': 'error',
      'prefer-const': 'error',
      'object-shorthand': 'error',
      'splat/void-says-why': 'error',
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
      'src/{support,pattern,acsr,plan,product,wgsl}/**/*.ts',
      'src/model/{graph,read,write}/**/*.ts',
      'src/{compile,explain,plan_attention,pure}.ts',
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
  // One reader of options: what looks for the nearest name by itself is another one. (Patterns read sizes, by a table of rules.)
  {
    files: ['src/**/*.ts'],
    ignores: ['src/support/**', 'src/pattern/sizes.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: ['**/support/index.js'],
              importNames: ['nearestName'],
              message: 'Read names by readOptions, and values by oneOf.',
            },
          ],
        },
      ],
    },
  },
  // Printing is what it is for.
  {files: ['src/runtime/host/debug.ts'], rules: {'no-console': 'off'}},
  {files: ['**/*.cjs', 'karma.conf.js'], rules: {'@typescript-eslint/no-require-imports': 'off'}},
);
