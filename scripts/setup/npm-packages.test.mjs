import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { matchesLock } from './npm-packages.mjs'

const folder = mkdtempSync(join(tmpdir(), 'kigo-packages-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const lock = join(folder, 'package-lock.json')
const installed = join(folder, '.package-lock.json')
const packages = (all) => JSON.stringify({ packages: all })
const A = { version: '1.0.0', integrity: 'sha512-a' }
const matches = (wanted, there) => {
  writeFileSync(lock, packages({ '': {}, ...wanted }))
  writeFileSync(installed, there)
  return matchesLock(lock, installed)
}

it('what is installed is compared with the lock file, package by package', () => {
  expect(matches({ a: A }, packages({ a: A }))).toBe(true)
  expect(matches({ a: A }, packages({ a: { ...A, version: '1.0.1' } }))).toBe(false)
  expect(matches({ a: A }, packages({ a: { ...A, integrity: 'sha512-b' } }))).toBe(false)
  expect(matches({ a: A, b: A }, packages({ a: A }))).toBe(false)
  expect(matches({ a: A, b: { ...A, optional: true } }, packages({ a: A }))).toBe(true)
})

it('what npm left when it was killed is no installation', () => {
  expect(matches({ a: A }, packages({ a: A }).slice(0, 20))).toBe(false)
  expect(matches({ a: A }, '')).toBe(false)
  rmSync(installed)
  expect(matchesLock(lock, installed)).toBe(false)
})
