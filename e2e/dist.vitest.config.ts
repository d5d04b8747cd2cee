import { defineConfig } from 'vitest/config'

/** `npm test -- dist`: packages the app and drives the package. */
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['dist.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 300_000,
    fileParallelism: false,
  },
})
