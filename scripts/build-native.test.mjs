import { spawn } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { root } from './setup/project.mjs'

// A checkout whose native code is one text and whose CMake copies it to everything it is asked for.
const CMAKE = `#!${process.execPath}
const { copyFileSync, existsSync, writeFileSync } = require('node:fs')
const at = process.argv.indexOf('--build')
if (at > 0) {
  const build = process.argv[at + 1]
  for (const name of ['kigo.node', 'libkigo_fake.so', 'kigo_tests']) copyFileSync('source.cpp', build + '/' + name)
  if (existsSync('hangs')) {
    writeFileSync('hangs', String(process.pid))
    setInterval(() => {}, 1000)
  }
}
`

let checkout
beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), 'ki go ü-'))
  cpSync(join(root, 'scripts', 'build-native.mjs'), join(checkout, 'scripts', 'build-native.mjs'))
  cpSync(join(root, 'scripts', 'setup'), join(checkout, 'scripts', 'setup'), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'))
  mkdirSync(join(checkout, 'native'))
  mkdirSync(join(checkout, 'bin'))
  writeFileSync(join(checkout, 'bin', 'cmake'), CMAKE, { mode: 0o755 })
})
afterEach(() => rmSync(checkout, { recursive: true, force: true }))

const start = (...args) =>
  spawn(process.execPath, [join(checkout, 'scripts', 'build-native.mjs'), ...args], {
    env: { ...process.env, PATH: `${join(checkout, 'bin')}${delimiter}${process.env.PATH}` },
    stdio: ['ignore', 'ignore', 2],
  })
const ended = (child) => new Promise((done) => child.on('close', (code, signal) => done(signal ?? code)))
const build = (...args) => ended(start(...args))
const source = (text) => writeFileSync(join(checkout, 'native', 'source.cpp'), text)
const installed = () => readFileSync(join(checkout, 'dist', 'native', 'kigo.node'), 'utf8')

describe.skipIf(process.platform === 'win32')('the native build', () => {
  it('installs what the sources say, whatever was built in between', async () => {
    source('one')
    expect(await build()).toBe(0)
    source('two')
    expect(await build('--tests')).toBe(0)
    expect(installed()).toBe('two')
    source('one')
    expect(await build()).toBe(0)
    expect(installed()).toBe('one')
  })

  it('that is ended takes CMake along, and leaves nothing that passes for a build', async () => {
    const hangs = join(checkout, 'native', 'hangs')
    source('one')
    expect(await build()).toBe(0)
    source('two')
    writeFileSync(hangs, '')
    const child = start()
    while (readFileSync(hangs, 'utf8') === '') await sleep(20)
    const cmake = Number(readFileSync(hangs, 'utf8'))
    child.kill('SIGTERM')
    expect(await ended(child)).toBe('SIGTERM')
    expect(() => process.kill(cmake, 0)).toThrow()
    rmSync(hangs)
    source('one')
    expect(await build()).toBe(0)
    expect(installed()).toBe('one')
  })

  it('goes on where a lock was left behind without an owner', async () => {
    source('one')
    mkdirSync(join(checkout, 'build', 'native', 'release'), { recursive: true })
    writeFileSync(join(checkout, 'build', 'native', 'release', '.lock'), '')
    expect(await build()).toBe(0)
    expect(existsSync(join(checkout, 'build', 'native', 'release', '.lock'))).toBe(false)
  })
})
