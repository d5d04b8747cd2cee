import path from 'node:path'
import { defineConfig, mergeConfig } from 'vitest/config'
import unit from '../../vitest.config.ts'

/** The unit tests that scripts/mutate.mjs names. */
export default mergeConfig(
  { ...unit, test: { ...unit.test, include: [] } },
  defineConfig({
    test: {
      root: path.join(import.meta.dirname, '..', '..'),
      include: [process.env['KIGO_MUTATED'] ?? ''],
    },
  }),
)
