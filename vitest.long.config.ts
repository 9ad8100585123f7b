import { defineConfig } from 'vitest/config';

/** `npm run check:long`: many seeds, long runs, measurements. */
export default defineConfig({
  test: {
    include: ['test/**/*.long.test.ts'],
    pool: 'forks',
    globals: false,
    fileParallelism: false,
    testTimeout: 600_000,
    hookTimeout: 60_000,
    passWithNoTests: true,
  },
});
