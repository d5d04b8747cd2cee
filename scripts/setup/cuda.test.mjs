import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { architecturesFor } from './cuda.mjs'
import { root } from './project.mjs'

test.each([
  [['9.0'], '90'],
  [['8.9', '8.9', '9.0', ''], '89,90'],
  [['7.5'], '75'],
  [['8.7'], '86'],
  [['10.3'], '100'],
  [['12.1'], '120'],
  [['11.0'], '100+ptx'],
  [['13.0'], '120+ptx'],
  [['6.1'], null],
  [['6.1', '8.0'], '80'],
  [['[N/A]', ''], null],
])('compute capabilities %j are compiled for as %j', (capabilities, architectures) => {
  expect(architecturesFor(capabilities)).toBe(architectures)
})

test('every package of the toolkit is pinned to one version, and to the hashes of both kinds of processor', () => {
  const text = readFileSync(join(root, 'scripts', 'setup', 'cuda-toolkit.txt'), 'utf8')
  const packages = text
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll('\\\n', ' ')
    .trim()
    .split('\n')
  expect(packages).toHaveLength(7)
  for (const line of packages)
    expect(line).toMatch(/^nvidia-[a-z-]+==[\d.]+( +--hash=sha256:[0-9a-f]{64}){2}$/)
})
