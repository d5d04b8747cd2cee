import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { npm } from './project.mjs'

const MODULE = JSON.stringify(join(import.meta.dirname, 'project.mjs'))
/** Says who it is and waits; ends at SIGTERM as programs do, or, asked so, takes a moment for it. */
const PROGRAM = `
  if (process.argv.includes('slowly')) process.on('SIGTERM', () => setTimeout(() => process.exit(7), 300))
  process.stderr.write(process.pid + ' is there\\n')
  setInterval(() => {}, 1000)`

const alive = (pid) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe.skipIf(process.platform === 'win32')('a script that is to end while it runs a program', () => {
  it.each(['at once', 'slowly'])('ends behind it (%s), by the same signal, and says nothing', async (how) => {
    const script = `import(${MODULE}).then(async ({ run }) => {
      await run(process.execPath, ['-e', ${JSON.stringify(PROGRAM)}, '${how}'])
      process.stderr.write('went on')
    })`
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    const there = new Promise((done) =>
      child.stderr.setEncoding('utf8').on('data', (text) => {
        said += text
        if (said.endsWith('\n')) done(Number.parseInt(said, 10))
      }),
    )
    const program = await there
    expect(alive(program)).toBe(true)
    child.kill('SIGTERM')
    const signal = await new Promise((done) => child.on('close', (_code, by) => done(by)))
    expect(signal).toBe('SIGTERM')
    expect(alive(program)).toBe(false)
    expect(said).toBe(`${program} is there\n`)
  })
})

describe('npm', () => {
  afterEach(() => vi.unstubAllEnvs())

  it('is npm, whichever package manager started set-up', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kigo-npm-'))
    writeFileSync(join(folder, 'yarn.js'), 'process.exit(9)')
    vi.stubEnv('npm_execpath', join(folder, 'yarn.js'))
    expect(await npm(['--version'], { stdio: 'ignore' })).toBe(0)
    rmSync(folder, { recursive: true })
  })
})
