import { availableParallelism } from 'node:os'
import { describe, expect, it } from 'vitest'
import { SAMPLING_DEFAULTS } from '../../contract/sampling.ts'
import {
  choice,
  MODEL_OPTIONS,
  modelOptions,
  number,
  numbers,
  parse,
  sampling,
  SAMPLING_OPTIONS,
  tokenIds,
  UsageError,
} from './args.ts'

const OPTIONS = {
  prompt: { type: 'string', short: 'p' },
  json: { type: 'boolean' },
  nul: { type: 'boolean', short: '0' },
} as const

describe('parse', () => {
  it('takes values that begin with a dash, after long and short flags', () => {
    for (const args of [['--prompt', '-5 + 3'], ['--prompt=-5 + 3'], ['-p', '-5 + 3']]) {
      expect(parse(args, OPTIONS).values.prompt).toBe('-5 + 3')
    }
    expect(parse(['--prompt', '--- a list ---', '--json'], OPTIONS).values).toMatchObject({
      prompt: '--- a list ---',
      json: true,
    })
  })

  it('does not take a flag of the command for a value', () => {
    expect(() => parse(['--prompt', '--json'], OPTIONS)).toThrow(UsageError)
    expect(() => parse(['-p', '-0'], OPTIONS)).toThrow(UsageError)
  })

  it('takes -0 for a flag', () => {
    expect(parse(['-0'], OPTIONS).values.nul).toBe(true)
  })

  it('refuses unknown flags, missing values and stray arguments', () => {
    for (const args of [['--loud'], ['--prompt'], ['--json=yes'], ['stray']])
      expect(() => parse(args, OPTIONS)).toThrow(UsageError)
    expect(parse(['a', 'b'], OPTIONS, 'some').positionals).toEqual(['a', 'b'])
  })
})

describe('numbers', () => {
  const range = { min: 0, max: 10, integer: true }

  it('are taken as they are written, or refused with the range', () => {
    expect(number('7', '-n', range)).toBe(7)
    expect(number('.5', '-n', { ...range, integer: false })).toBe(0.5)
    for (const wrong of ['', ' ', '1.5', '11', '-1', '0x5', 'Infinity', '1e99', '7 dwarfs']) {
      expect(() => number(wrong, '-n', range)).toThrow(/-n takes a whole number from 0 to 10/)
    }
  })

  it('come in lists, ids by comma or space', () => {
    expect(numbers('1, 2,3', '-p', range)).toEqual([1, 2, 3])
    expect([...tokenIds(' 1,2 3\n')]).toEqual([1, 2, 3])
    for (const wrong of ['', '1,,2', '1,-2']) expect(() => tokenIds(wrong)).toThrow(UsageError)
  })

  it('choices are named where none fits', () => {
    expect(choice('on', '--thinking', ['on', 'off'])).toBe('on')
    expect(() => choice('maybe', '--thinking', ['on', 'off'])).toThrow('on or off')
  })
})

describe('threads', () => {
  const read = (threads: string) => modelOptions(parse(['--threads', threads], MODEL_OPTIONS).values).threads
  const most = availableParallelism()

  it('are as many as there are processors at most, and are left to Kigo without the flag', () => {
    expect(read(String(most))).toBe(most)
    expect(modelOptions({}).threads).toBeNull()
    for (const wrong of [String(most + 1), '5000', '0']) {
      expect(() => read(wrong)).toThrow(
        `--threads takes a whole number from 1 to ${most} (as many as there are processors), not '${wrong}'`,
      )
    }
  })
})

describe('sampling', () => {
  const read = (...args: string[]) => sampling(parse(args, SAMPLING_OPTIONS).values)

  it('is the contract’s default without flags, and every flag sets its field', () => {
    expect(read()).toEqual(SAMPLING_DEFAULTS)
    expect(
      read(
        ...[
          '--temp',
          '0.5',
          '--top-k',
          '7',
          '--top-p',
          '0.9',
          '--min-p',
          '0',
          '--repeat-penalty',
          '1.1',
          '--repeat-last-n',
          '32',
        ],
        ...['--presence-penalty', '-1', '--frequency-penalty', '0.25', '--seed', '42'],
      ),
    ).toEqual({
      temperature: 0.5,
      topK: 7,
      topP: 0.9,
      minP: 0,
      repeatPenalty: 1.1,
      repeatLastN: 32,
      presencePenalty: -1,
      frequencyPenalty: 0.25,
      seed: 42,
    })
  })

  it('refuses what the contract refuses', () => {
    for (const args of [
      ['--temp', '-1'],
      ['--top-p', '1.1'],
      ['--top-k', '2.5'],
      ['--seed', '4294967296'],
      ['--seed', 'x'],
    ]) {
      expect(() => read(...args)).toThrow(UsageError)
    }
    expect(() => read('--top-k', '2.5')).toThrow("--top-k takes a whole number from 0 to 1000000, not '2.5'")
    expect(() => read('--seed', '-1')).toThrow('--seed takes a whole number from 0 to 4294967295')
    expect(() => read('--repeat-penalty', '0')).toThrow('--repeat-penalty takes a number from 0.01 to 10')
  })
})
