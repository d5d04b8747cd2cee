import path from 'node:path'
import { defineConfig, mergeConfig } from 'vitest/config'
import unit from '../../vitest.config.ts'

/**
 * The unit tests that scripts/mutate.mjs names, without those of many inputs (fuzz, property, golden): they would run
 * anew for every change, and what only they notice is a promise that no test names.
 */
export default mergeConfig(
  { ...unit, test: { ...unit.test, include: [] } },
  defineConfig({
    test: {
      root: path.join(import.meta.dirname, '..', '..'),
      include: [process.env['KIGO_MUTATED'] ?? ''],
      exclude: ['**/*.fuzz.test.*', '**/*.property.test.*', '**/{golden,*.golden}.test.*'],
    },
  }),
)
