import { beforeEach, describe, expect, it } from 'vitest'
import { FakeAddon, FakeSession, piecesOf, type Script } from '../engine/testing/fake-addon.ts'
import { Session } from '../engine/session.ts'
import { Bencher } from './bencher.ts'

const SCRIPT: Script = { pieces: Array<string>(200).fill('x') }
let native: FakeSession
let bencher: Bencher
let abort: AbortController
beforeEach(() => {
  native = new FakeSession(256, SCRIPT)
  const context = { addon: new FakeAddon(SCRIPT), pieces: piecesOf(SCRIPT), endTokens: [0], nVocab: 201 }
  abort = new AbortController()
  bencher = new Bencher(new Session(native, context), 201, abort.signal)
})

const requests = () => native.requests.map(({ tokens, maxTokens }) => ({ tokens: tokens.length, maxTokens }))

describe('a bench', () => {
  it('reads its prompt behind exactly the depth, which is read once', async () => {
    expect(await bencher.prompt(32, 100)).toBe((32 / 2) * 1000) // the fake reads any prompt in 2 ms
    expect(await bencher.prompt(32, 100)).toBe((32 / 2) * 1000)
    expect(requests()).toEqual([
      { tokens: 100, maxTokens: 1 },
      { tokens: 132, maxTokens: 1 },
      { tokens: 132, maxTokens: 1 },
    ])
  })

  it('reads the whole prompt again at depth 0', async () => {
    for (let i = 0; i < 3; i++) expect(await bencher.prompt(32, 0)).toBe((32 / 2) * 1000)
    expect(requests()).toEqual(Array(3).fill({ tokens: 32, maxTokens: 1 }))
  })

  it('generates behind the depth: one token that the prompt gives, then as many steps as asked for', async () => {
    expect(await bencher.generation(16, 100)).toBeGreaterThan(0)
    expect(native.length).toBe(117)
    expect(await bencher.generation(16, 100)).toBeGreaterThan(0)
    expect(await bencher.generation(16, 0)).toBeGreaterThan(0)
    expect(requests()).toEqual([
      { tokens: 100, maxTokens: 1 },
      { tokens: 100, maxTokens: 17 },
      { tokens: 100, maxTokens: 17 },
      { tokens: 1, maxTokens: 17 },
    ])
  })

  it('stops when it is cancelled', async () => {
    abort.abort()
    await expect(bencher.generation(16, 0)).rejects.toMatchObject({ code: 'CANCELLED' })
  })
})
