import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { commandArguments, fileArgument, MAX_PATH, refusal, shortened } from './arguments.ts'

const OWN = path.resolve('/opt/kigo/checkout')
const given = (args: string[], folder: string | null = '/home/someone') =>
  fileArgument(['/opt/Kigo', ...args], folder, OWN)
const file = (...args: string[]) => given(args)?.path ?? null

describe('fileArgument', () => {
  it('takes the first argument that is no switch, made absolute', () => {
    expect(file('models/a.gguf')).toBe(path.resolve('/home/someone/models/a.gguf'))
    expect(file('--no-sandbox', '/m/b.gguf', 'c.gguf')).toBe(path.resolve('/m/b.gguf'))
  })

  it('takes what stands behind the end of the switches for a file, also where it looks like one', () => {
    expect(file('--no-sandbox', '--', '--log-net-log=x.gguf')).toBe(
      path.resolve('/home/someone/--log-net-log=x.gguf'),
    )
    expect(file('--', '--cli')).toBe(path.resolve('/home/someone/--cli'))
    expect(file('--', '--')).toBe(path.resolve('/home/someone/--'))
    expect(file('a.gguf', '--', 'b.gguf')).toBe(path.resolve('/home/someone/a.gguf'))
  })

  it('is null where there is none', () => {
    expect(file()).toBeNull()
    expect(file('--enable-features=X', '', '--')).toBeNull()
  })

  it('takes an address of a file, with its escapes', () => {
    expect(file('file:///m/a%20b%C3%A9.gguf')).toBe(path.resolve('/m/a bé.gguf'))
    expect(file('FILE:///m/a.gguf')).toBe(path.resolve('/m/a.gguf'))
    expect(file('file:///m/a.gguf#x')).toBe(path.resolve('/m/a.gguf'))
  })

  it('passes over the app’s own folder, and over no other', () => {
    expect(file(OWN, 'x.gguf')).toBe(path.resolve('/home/someone/x.gguf'))
    expect(given(['.', 'x.gguf'], OWN)?.path).toBe(path.join(OWN, 'x.gguf'))
    expect(file('/usr')).toBe(path.resolve('/usr'))
  })

  it.each([
    ['file:///a%2Fb.gguf', 'file:///a%2Fb.gguf'],
    ['file:///a%00b.gguf', 'file:///a%00b.gguf'],
    ['file:///a%E9.gguf', 'file:///a%E9.gguf'],
    ['file://share/dead/model.gguf', 'file://share/dead/model.gguf'],
    [`/${'a/'.repeat(MAX_PATH)}m.gguf`, path.resolve(`/${'a/'.repeat(MAX_PATH)}`).slice(0, MAX_PATH)],
    [`file:///${'b'.repeat(MAX_PATH)}`, path.resolve(`/${'b'.repeat(MAX_PATH)}`).slice(0, MAX_PATH)],
    // With the folder that it is meant from.
    ['c'.repeat(MAX_PATH - 1), path.resolve(`/home/someone/${'c'.repeat(MAX_PATH)}`).slice(0, MAX_PATH)],
  ])('%s is said to be unreadable instead of failing', (argument, shown) => {
    const file = given([argument])
    expect(file && refusal(file)).toMatchObject({ code: 'MODEL_UNREADABLE', data: { path: shown } })
  })

  it('takes an address that is longer than any path, where the path in it is none too long', () => {
    const name = '俳'.repeat(1000)
    expect(file(`file:///${encodeURIComponent(name)}`)).toBe(path.resolve(`/${name}`))
  })

  it('tells of a working folder that is gone only where it is needed', () => {
    const relative = given(['m.gguf'], null)
    expect(relative && refusal(relative)?.code).toBe('MODEL_UNREADABLE')
    expect(given(['/m.gguf'], null)).toEqual({ path: path.resolve('/m.gguf'), problem: null })
  })
})

describe('a command line that is too long to be sent to the instance that runs', () => {
  const program = '/opt/Kigo'
  const many = Array.from({ length: 1000 }, (_, n) => `/models/a model ${n}.gguf`)
  const short = (...args: string[]) => shortened([program, ...args], given(args))

  it('is told from one that is not', () => {
    expect(short()).toBeNull()
    expect(short('--no-sandbox', 'x'.repeat(MAX_PATH))).toBeNull()
  })

  it('becomes its switches and the file that counts', () => {
    expect(short('--no-sandbox', OWN, ...many, '--lang=de')).toEqual([
      '--no-sandbox',
      '--lang=de',
      '--',
      path.resolve('/models/a model 0.gguf'),
    ])
    expect(short('--no-sandbox', '--', '--odd.gguf', ...many)).toEqual([
      '--no-sandbox',
      '--',
      path.resolve('/home/someone/--odd.gguf'),
    ])
  })

  it('is short then, also where the file alone was too long, which it stays', () => {
    for (const letter of ['n', '俳', '😀', '%', 'a/']) {
      const again = short(letter.repeat(40_000)) ?? []
      expect(shortened([program, ...again], given(again))).toBeNull()
      expect(given(again)).toEqual(given([letter.repeat(40_000)]))
    }
  })

  it('is refused where its switches are what is too long', () => {
    expect(() => short(`--x=${'y'.repeat(40_000)}`)).toThrow('switches on the command line are too long')
  })
})

describe('commandArguments', () => {
  it('are what stands behind --cli', () => {
    expect(commandArguments(['/opt/Kigo', '--no-sandbox', '--cli', '=run', '=--cli'])).toEqual([
      '=run',
      '=--cli',
    ])
    expect(commandArguments(['/opt/Kigo', '--cli'])).toEqual([])
  })

  it('are not asked for by a file of that name', () => {
    expect(commandArguments(['/opt/Kigo', 'cli.gguf'])).toBeNull()
    expect(commandArguments(['/opt/Kigo', '--', '--cli'])).toBeNull()
  })
})
