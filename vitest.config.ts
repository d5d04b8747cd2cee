import { defineConfig } from 'vitest/config'

// One project: everything under Node. The window is tested by e2e/, in the real Electron.
export default defineConfig({
  define: { KIGO_TEST_HOOKS: 'true' },
  test: {
    include: ['{contract,main,renderer,scripts,bench}/**/*.test.{ts,tsx,mjs}'],
    // What is tested is the same on a computer with a GPU; tests that want one bring the fake one.
    env: { KIGO_GPU_LIBRARY: '' },
    // Only what hangs takes so long; a machine with five times more work than cores does not.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    maxWorkers: 2,
  },
})
