import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { build } from 'vite'
import { nodeLauncher } from './node-launcher.ts'
import { createIsolation, type Isolation } from './run-isolated.ts'
import type { ChildLauncher, IsolationReason } from './types.ts'

// The child under test is built here, so that these tests need no build of the app.
let folder = ''
let child = ''
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'kigo isolated é '))
  const source = path.join(folder, 'work.ts')
  writeFileSync(
    source,
    `import fs from 'node:fs'
    import { spawnSync } from 'node:child_process'
    import { Worker } from 'node:worker_threads'
    const done = (act) => { try { return act() ?? 'done' } catch (error) { return error.code ?? error.name } }
    const powers = () => ({
      function: done(() => (() => {}).constructor('return 1')()),
      eval: done(() => (0, eval)('1')),
      read: done(() => fs.readFileSync(process.execPath).length),
      write: done(() => fs.writeFileSync(import.meta.filename + '.wrote', 'x')),
      spawn: done(() => spawnSync(process.execPath, ['-v']).error?.code),
      thread: done(() => void new Worker('0', { eval: true })),
      addon: typeof process.dlopen,
      fetch: typeof fetch,
      env: Object.keys(process.env),
    })
    import { serve } from ${JSON.stringify(path.join(import.meta.dirname, 'serve.ts'))}
    serve(({ what, n }) => {
      if (what === 'echo') return { n, pid: process.pid, env: Object.keys(process.env) }
      if (what === 'throw') throw new Error('thrown ' + n)
      if (what === 'loop') for (;;) n++
      if (what === 'hog') { const all = []; for (;;) all.push(new Array(1e6).fill(n)) }
      if (what === 'talk') return 'x'.repeat(n)
      if (what === 'powers') return powers()
      process.exit(3)
    })`,
  )
  await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      outDir: folder,
      emptyOutDir: false,
      minify: false,
      ssr: true,
      rolldownOptions: { input: source, output: { entryFileNames: 'work.mjs' } },
    },
  })
  child = path.join(folder, 'work.mjs')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let isolation: Isolation
let launches = 0
const counting: ChildLauncher = {
  launch(...args) {
    launches++
    return nodeLauncher.launch(...args)
  },
}
const start = (): void => {
  launches = 0
  isolation = createIsolation(counting)
}
afterEach(() => isolation.close())

// No call here is meant to run out of time by itself, however busy the machine is.
const LIMITS = { milliseconds: 600_000, outputBytes: 1000 }
const ask = (what: string, n = 0, limits = {}): Promise<unknown> =>
  isolation.run(child, { what, n }, { ...LIMITS, ...limits })
const reason = (promise: Promise<unknown>): Promise<IsolationReason> =>
  promise.then(
    () => {
      throw new Error('it should have failed')
    },
    (error: { reason: IsolationReason }) => error.reason,
  )

describe('runIsolated', () => {
  it('answers, one call after another, from one child without an environment', async () => {
    start()
    const answers = (await Promise.all([1, 2, 3].map((n) => ask('echo', n)))) as {
      n: number
      pid: number
      env: string[]
    }[]
    expect(answers.map(({ n }) => n)).toEqual([1, 2, 3])
    expect(new Set(answers.map(({ pid }) => pid)).size).toBe(1)
    expect(answers[0]?.pid).not.toBe(process.pid)
    expect(answers[0]?.env.filter((name) => !/^NODE_CHANNEL/.test(name))).toEqual([])
    expect(launches).toBe(1)
  })

  it('has nothing to do harm with: no code from text, no files, no programs, no threads, no network', async () => {
    start()
    expect(await ask('powers')).toEqual({
      function: 'EvalError',
      eval: 'EvalError',
      read: 'ERR_ACCESS_DENIED',
      write: 'ERR_ACCESS_DENIED',
      spawn: 'ERR_ACCESS_DENIED',
      thread: 'ERR_ACCESS_DENIED',
      addon: 'undefined',
      fetch: 'undefined',
      env: [],
    })
  })

  it('passes on what the script throws, and keeps the child', async () => {
    start()
    await expect(ask('throw', 7)).rejects.toMatchObject({ reason: 'failed', message: 'thrown 7' })
    expect(await ask('echo', 1)).toMatchObject({ n: 1 })
    expect(launches).toBe(1)
  })

  it('kills a child that loops for ever when its time is over, and replaces it', async () => {
    start()
    await ask('echo')
    expect(await reason(ask('loop', 0, { milliseconds: 200 }))).toBe('time')
    expect(await ask('echo', 2)).toMatchObject({ n: 2 })
    expect(launches).toBe(2)
  })

  it('a child that fills its memory dies alone, and is replaced', async () => {
    start()
    expect(await reason(ask('hog'))).toBe('crash')
    expect(await ask('echo', 3)).toMatchObject({ n: 3 })
  })

  it('refuses an answer beyond the limit, exactly', async () => {
    start()
    expect(await ask('talk', 998)).toHaveLength(998)
    expect(await reason(ask('talk', 999))).toBe('output')
    expect(await reason(ask('talk', 50_000_000))).toBe('output')
  })

  it('a child that ends by itself is a crash, and is replaced', async () => {
    start()
    expect(await reason(ask('exit'))).toBe('crash')
    expect(await ask('echo', 4)).toMatchObject({ n: 4 })
    expect(launches).toBe(2)
  })

  it('an abort ends the call and its child at once', async () => {
    start()
    await ask('echo')
    const controller = new AbortController()
    const looping = reason(ask('loop', 0, { signal: controller.signal }))
    setTimeout(() => controller.abort(), 50)
    expect(await looping).toBe('aborted')
    expect(await reason(ask('echo', 0, { signal: controller.signal }))).toBe('aborted')
    expect(await ask('echo', 5)).toMatchObject({ n: 5 })
  })

  it('a script that does not exist is a crash, not a hang', async () => {
    start()
    expect(await reason(isolation.run(path.join(folder, 'missing.mjs'), {}, LIMITS))).toBe('crash')
  })
})
