import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

test('every pair of colours that the design relies on has its contrast', () => {
  const script = fileURLToPath(new URL('./contrast.mjs', import.meta.url))
  // It exits 1, which throws here, when a pair fails.
  const table = execFileSync(process.execPath, [script], { encoding: 'utf8' })
  expect(table.match(/·/g)?.length).toBeGreaterThan(100)
  expect(table.trimEnd()).toMatch(/Every pair passes\.$/)
})
