import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { commandArguments, fileArgument, MAX_PATH } from './arguments.ts'

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
    'file:///a%2Fb.gguf',
    'file:///a%00b.gguf',
    'file:///a%E9.gguf',
    'file://share/dead/model.gguf',
    `/${'a/'.repeat(MAX_PATH)}m.gguf`,
  ])('%s is said to be unreadable instead of failing', (argument) => {
    expect(given([argument])?.problem).toMatchObject({
      code: 'MODEL_UNREADABLE',
      data: { path: argument.slice(0, MAX_PATH) },
    })
  })

  it('tells of a working folder that is gone only where it is needed', () => {
    expect(given(['m.gguf'], null)?.problem?.code).toBe('MODEL_UNREADABLE')
    expect(given(['/m.gguf'], null)).toEqual({ path: path.resolve('/m.gguf'), problem: null })
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
