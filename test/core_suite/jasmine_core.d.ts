declare module 'jasmine-core/lib/jasmine-core/jasmine.js' {
  const jasmineRequire: {
    core(require: unknown): typeof jasmine;
    /** describe, it, expect and their like. */
    interface(core: typeof jasmine, env: jasmine.Env): Record<string, unknown>;
  };
  export default jasmineRequire;
}
