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

// A checkout whose native code is one text and whose CMake copies it to everything it is asked for, and talks.
const CMAKE = `#!${process.execPath}
const { copyFileSync, existsSync, writeFileSync } = require('node:fs')
const at = process.argv.indexOf('--build')
console.log(process.argv.slice(2))
if (at < 0) {
  writeFileSync('CMakeCache.txt', process.argv.slice(2).join('\\n'))
} else {
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
  cpSync(join(root, 'native', 'package.json'), join(checkout, 'native', 'package.json'))
  writeFileSync(join(checkout, 'native', 'CMakeLists.txt'), '')
  mkdirSync(join(checkout, 'bin'))
  writeFileSync(join(checkout, 'bin', 'cmake'), CMAKE, { mode: 0o755 })
})
afterEach(() => rmSync(checkout, { recursive: true, force: true }))

const start = (...args) =>
  spawn(process.execPath, [join(checkout, 'scripts', 'build-native.mjs'), ...args], {
    env: {
      ...process.env,
      PATH: `${join(checkout, 'bin')}${delimiter}${process.env.PATH}`,
      CXXFLAGS: '-march=native -DNAME="a b"',
    },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
const ended = (child) => new Promise((done) => child.on('close', (code, signal) => done(signal ?? code)))
const build = (...args) => ended(start(...args))
const source = (text) => writeFileSync(join(checkout, 'native', 'source.cpp'), text)
/** Of a process that nobody has asked for its end yet, a line stays in the table. */
const lives = (pid) =>
  existsSync(`/proc/${pid}/stat`) && !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
const installed = () => readFileSync(join(checkout, 'dist', 'native', 'kigo.node'), 'utf8')

describe.skipIf(process.platform !== 'linux')('the native build', () => {
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

  it("configures the addon with cmake-js's sources and Node's headers from npm, whatever flags are set", async () => {
    source('one')
    expect(await build()).toBe(0)
    // The folder in which cmake-js runs CMake.
    const given = readFileSync(join(checkout, 'build', 'native', 'release', 'CMakeCache.txt'), 'utf8').split(
      '\n',
    )
    const headers = given.find((argument) => argument.startsWith('-DCMAKE_JS_INC='))
    const folders = headers.slice('-DCMAKE_JS_INC='.length).split(';')
    expect(folders.filter((folder) => existsSync(join(folder, 'node_api.h')))).toHaveLength(1)
    expect(folders.filter((folder) => existsSync(join(folder, 'napi.h')))).toHaveLength(1)
    expect(given.some((argument) => argument.startsWith('-DCMAKE_JS_SRC='))).toBe(true)
    expect(given).toContain('-DKIGO_TESTS=OFF')
    expect(given.at(-1)).toBe('-DCMAKE_CXX_FLAGS=-DBUILDING_NODE_EXTENSION -march=native -DNAME="a b"')
  })

  it('leaves stdout to the command that needs it', async () => {
    source('one')
    const child = start()
    let words = ''
    child.stdout.on('data', (text) => (words += text))
    expect(await ended(child)).toBe(0)
    expect(words).toBe('')
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
    expect(lives(cmake)).toBe(false)
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
