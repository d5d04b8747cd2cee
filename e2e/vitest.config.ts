import { defineConfig } from 'vitest/config'

/** `npm run e2e`: the real Electron, driven by Playwright, one window at a time. */
export default defineConfig({
  define: { KIGO_TEST_HOOKS: 'true' },
  test: {
    root: import.meta.dirname,
    include: ['*.test.ts'],
    exclude: ['dist.test.ts'],
    globalSetup: ['set-up.ts'],
    // A state that is waited for may be long in coming on a busy machine.
    expect: { poll: { timeout: 30_000 } },
    testTimeout: 120_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
})
