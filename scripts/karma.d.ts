// Karma and its plugins describe no types; these are the parts that are used.

declare module 'karma-chrome-launcher';
declare module 'karma-jasmine';

declare module 'karma' {
  /** Options of karma.conf.js. */
  type Options = Readonly<Record<string, unknown>>;
  export const config: {parseConfig(path: null, options: Options, how: Options): Promise<Options>};
  export class Server {
    constructor(options: Options, done: (code: number) => void);
    start(): Promise<void>;
  }
}
