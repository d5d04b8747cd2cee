import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { ERRORS, KigoError } from './errors.ts'

const abi = path.join(import.meta.dirname, '..', 'native', 'include', 'kigo', 'abi.h')

describe('the table of errors', () => {
  it('has the names of the C ABI, in its order', () => {
    const body = /typedef enum kigo_status \{([^}]*)\}/.exec(readFileSync(abi, 'utf8'))?.[1] ?? ''
    const names = [...body.matchAll(/KIGO_(\w+) = (\d+)/g)]
    expect(names.map(([, name]) => name)).toEqual(['OK', ...Object.keys(ERRORS)])
    expect(names.map(([, , value]) => Number(value))).toEqual(names.map((_name, index) => index))
  })

  it.each(Object.entries(ERRORS))(
    'says %s in a sentence and names a way out',
    (_code, { when, sentence, wayOut }) => {
      expect(when).not.toBe('')
      expect(sentence).toMatch(/^[A-Z].*\.$/)
      expect(wayOut).toMatch(/^[A-Z].*\.$/)
      expect(`${sentence} ${wayOut}`).not.toMatch(/!|\bplease wait\b|\boops\b/i)
    },
  )
})

describe('KigoError', () => {
  it('crosses as plain data and comes back as it was', () => {
    const error = new KigoError('OUT_OF_MEMORY', 'Too big.', { hint: 'Smaller.', data: { missingBytes: 5 } })
    const back = KigoError.from(structuredClone(error.toData()))
    expect(back).toBeInstanceOf(KigoError)
    expect(back.toData()).toEqual(error.toData())
    expect(KigoError.from(error)).toBe(error)
  })

  it('takes the table’s words where none are given', () => {
    expect(new KigoError('NO_MODEL').toData()).toMatchObject({
      message: ERRORS.NO_MODEL.sentence,
      hint: ERRORS.NO_MODEL.wayOut,
    })
  })

  it.each([
    [new TypeError('x is undefined'), 'x is undefined'],
    ['text', 'text'],
    [{ code: 'NO_SUCH', message: 'm' }, '[object Object]'],
  ])('makes INTERNAL of what it does not know: %s', (thrown, message) => {
    const error = KigoError.from(thrown)
    expect(error).toMatchObject({ code: 'INTERNAL', data: { message } })
    expect(error.cause).toBe(thrown)
  })
})
