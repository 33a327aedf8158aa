/** The error of a row that the time budget left out. */
export const SKIPPED = 'skipped: over the budget';
