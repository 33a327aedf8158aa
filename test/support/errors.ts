import {SplatError} from '../../src/support/index.js';

/** The `SplatError` that `act` throws; fails the test, saying what happened instead, when it throws none. */
export function refusal(act: () => unknown): SplatError {
  let result: unknown;
  try {
    result = act();
  } catch (error) {
    if (error instanceof SplatError) return error;
    throw error;
  }
  throw new Error(`expected a SplatError, got ${String(result)}`);
}
