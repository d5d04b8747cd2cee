import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ERRORS } from '../../contract/errors.ts'
import { resourcePath } from '../resources.ts'
import { ABI_VERSION, loadAddon } from './load.ts'

// Set-up builds it before tests run, so its absence is a failure.
describe('loadAddon', () => {
  it('finds the built addon, of the version that addon.ts describes', () => {
    expect(existsSync(resourcePath('native/kigo.node'))).toBe(true)
    expect(loadAddon().abiVersion).toBe(ABI_VERSION)
  })

  it('names its errors as the contract does, in the same order', () => {
    expect(loadAddon().statusNames).toEqual(['OK', ...Object.keys(ERRORS)])
  })

  it('lists the CPU with memory and threads', () => {
    const cpu = loadAddon()
      .devices()
      .find(({ id }) => id === 'cpu')!
    expect(cpu.threads).toBeGreaterThan(0)
    expect(cpu.freeBytes).toBeGreaterThan(2 ** 20)
    expect(cpu.totalBytes).toBeGreaterThanOrEqual(cpu.freeBytes)
    expect(cpu.detail).toMatch(/avx512|avx2|scalar/)
  })
})
