import { defineConfig } from 'vitest/config'

// One project: everything under Node. The window is tested by e2e/, in the real Electron.
export default defineConfig({
  test: {
    include: ['{contract,main,renderer,scripts,bench}/**/*.test.{ts,tsx,mjs}'],
    // Only what hangs takes so long; a machine with five times more work than cores does not.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    maxWorkers: 2,
  },
})
