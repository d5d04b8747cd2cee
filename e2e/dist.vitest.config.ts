import { defineConfig } from 'vitest/config'

/** `npm test -- dist`: packages the app and drives the package. */
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['dist.test.ts'],
    // A state that is waited for may be long in coming on a busy machine.
    expect: { poll: { timeout: 30_000 } },
    testTimeout: 120_000,
    hookTimeout: 300_000,
    fileParallelism: false,
  },
})
