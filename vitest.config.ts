import { defineConfig } from 'vitest/config';

/** `npm test`: everything but what takes minutes, which vitest.long.config.ts runs. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/**/*.long.test.ts'],
    pool: 'forks',
    globals: false,
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
});
