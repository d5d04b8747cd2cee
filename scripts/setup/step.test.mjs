import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { cache, root } from './project.mjs'
import { step } from './step.mjs'

mkdirSync(cache, { recursive: true })
const folder = mkdtempSync(join(cache, 'step-test-'))
const name = `test-${process.pid}`
const input = join(folder, 'sources')
const output = join(folder, 'output')
const stamp = join(cache, 'stamps', `${name}.json`)
let runs = 0

const take = (more = {}) =>
  step(name, {
    inputs: [relative(root, input)],
    outputs: [output],
    run() {
      runs += 1
      writeFileSync(output, `built ${runs}`)
    },
    ...more,
  })

beforeEach(() => {
  runs = 0
  rmSync(stamp, { force: true })
  rmSync(input, { recursive: true, force: true })
  rmSync(output, { force: true })
  mkdirSync(input)
  writeFileSync(join(input, 'a.ts'), 'a')
})
afterAll(() => {
  rmSync(stamp, { force: true })
  rmSync(folder, { recursive: true, force: true })
})

describe('a step', () => {
  it('runs once and is skipped while its inputs stay the same', async () => {
    expect(await take()).toBe(true)
    writeFileSync(join(input, 'a.ts'), 'a') // written again, same contents
    expect(await take()).toBe(false)
    expect(runs).toBe(1)
  })

  it('runs again when an input changes, appears or goes', async () => {
    await take()
    writeFileSync(join(input, 'a.ts'), 'b')
    await take()
    writeFileSync(join(input, 'c.ts'), '')
    await take()
    rmSync(join(input, 'c.ts'))
    await take()
    expect(runs).toBe(4)
  })

  it('is not moved by tests and documents among its inputs', async () => {
    await take()
    writeFileSync(join(input, 'a.test.ts'), '')
    writeFileSync(join(input, 'README.md'), '')
    expect(await take()).toBe(false)
  })

  it('runs again when what it left was touched or removed', async () => {
    await take()
    writeFileSync(output, 'cut')
    expect(await take()).toBe(true)
    rmSync(output)
    expect(await take()).toBe(true)
  })

  it('leaves no stamp when it fails, so it runs again', async () => {
    const fails = take({ run: () => Promise.reject(new Error('out of disk')) })
    await expect(fails).rejects.toThrow('out of disk')
    expect(existsSync(stamp)).toBe(false)
    expect(await take()).toBe(true)
  })

  it('runs once when two want it at the same time', async () => {
    expect((await Promise.all([take(), take()])).sort()).toEqual([false, true])
    expect(readFileSync(output, 'utf8')).toBe('built 1')
  })
})
