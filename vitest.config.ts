import { defineConfig } from 'vitest/config'

// One project: everything under Node. The window is tested by e2e/, in the real Electron.
export default defineConfig({
  test: {
    include: ['{contract,main,renderer,scripts,bench}/**/*.test.{ts,tsx,mjs}'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
})
