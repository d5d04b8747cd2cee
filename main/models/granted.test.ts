import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { KigoError } from '../../contract/errors.ts'
import { createGrantedPaths } from './granted.ts'

const given = path.resolve('/home/someone/model.gguf')
const recent = path.resolve('/models/recent.gguf')

describe('the files that the page may name', () => {
  it('are those that a person gave, however they are written', () => {
    const paths = createGrantedPaths(() => [])
    paths.grant(`${path.dirname(given)}${path.sep}x${path.sep}..${path.sep}model.gguf`)
    expect(() => paths.check(given)).not.toThrow()
    expect(() => paths.check(path.join(path.dirname(given), '.', 'model.gguf'))).not.toThrow()
  })

  it('and those that are listed, also when they are taken off the list while they are in use', () => {
    const list = [recent]
    const paths = createGrantedPaths(() => list)
    expect(() => paths.check(recent)).not.toThrow()
    list.pop()
    expect(() => paths.check(recent)).not.toThrow()
    expect(() => createGrantedPaths(() => list).check(recent)).toThrow(
      expect.objectContaining({ code: 'FORBIDDEN' }),
    )
  })

  it.each([
    ['its neighbour', path.join(path.dirname(given), 'other.gguf')],
    ['its folder', path.dirname(given)],
    ['a file below it', path.join(given, 'x')],
    ['a way out of its folder', `${path.dirname(given)}/../../etc/passwd`],
    ['a share', '//host/share/model.gguf'],
  ])('and not %s', (_what, file) => {
    const paths = createGrantedPaths(() => [recent])
    paths.grant(given)
    expect(() => paths.check(file)).toThrow(expect.objectContaining({ code: 'FORBIDDEN' }))
  })

  it('are absolute: a relative one is a mistake, and granting one grants nothing', () => {
    const paths = createGrantedPaths(() => [])
    paths.grant('model.gguf')
    expect(() => paths.check('model.gguf')).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }))
    expect(() => paths.check(path.resolve('model.gguf'))).toThrow(
      expect.objectContaining({ code: 'FORBIDDEN' }),
    )
  })

  it('are not those that can be no file: why is said again', () => {
    const paths = createGrantedPaths(() => [])
    const problem = new KigoError('MODEL_UNREADABLE')
    paths.refuse('file:///a%2Fb', problem)
    expect(() => paths.check('file:///a%2Fb')).toThrow(problem)
  })
})
