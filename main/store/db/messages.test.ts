import { beforeEach, describe, expect, it } from 'vitest'
import type { MessageId, Part, PathStep } from '../../../contract/tree.ts'
import type { Store } from './methods.ts'
import { temporaryStore } from './testing/temporary.ts'

let store: Store
beforeEach(() => {
  store = temporaryStore()
})

const text = (words: string): Part => ({ kind: 'text', text: words })

/** A question `q…` and its whole answer `a…`, behind `parent`. */
function turn(name: string, parent: MessageId | null, conversation = 'c'): MessageId {
  store.call('beginTurn', [
    {
      conversation,
      title: 'T',
      parent,
      user: { id: `q${name}`, parts: [text(`question ${name}`)] },
      reply: { id: `a${name}`, state: 'queued' },
    },
  ])
  store.call('endReply', [
    { message: `a${name}`, state: 'done', parts: [text(`answer ${name}`)], reason: 'end' },
  ])
  return `a${name}`
}

const path = (head?: MessageId, limit = 100): PathStep[] =>
  store.call('path', [{ conversation: 'c', limit, ...(head ? { head } : {}) }]).value.steps
const shown = (head?: MessageId): string[] => path(head).map((step) => step.node.id)

describe('a turn', () => {
  it('begins with question and reply in one, and ends with what the reply is', () => {
    const { value } = store.call('beginTurn', [
      {
        conversation: 'c',
        title: 'A title',
        parent: null,
        user: { id: 'q', parts: [text('Why?'), { kind: 'attachment', attachment: 'file' }] },
        reply: { id: 'a', state: 'waiting' },
      },
    ])
    expect(value.user).toMatchObject({ id: 'q', parent: null, order: 0, role: 'user', state: 'done' })
    expect(value.reply).toMatchObject({
      id: 'a',
      parent: 'q',
      role: 'assistant',
      state: 'waiting',
      parts: [],
    })

    const stats = {
      ...{ promptTokens: 3, cachedTokens: 0, promptMs: 1, firstTokenMs: 2, tokens: 4 },
      ...{ tokensPerSecond: 5, seed: 6 },
    }
    const parts: Part[] = [{ kind: 'thinking', text: 'Well', ms: 120 }, text('Because.')]
    store.call('endReply', [{ message: 'a', state: 'done', parts, reason: 'stop', stats }])
    expect(path().map(({ node }) => node.parts)).toEqual([
      [text('Why?'), { kind: 'attachment', attachment: 'file' }],
      parts,
    ])
    expect(path()[1]?.node).toMatchObject({ state: 'done', reason: 'stop', stats })
    expect(store.call('page', [{ limit: 10 }]).value).toMatchObject([
      { id: 'c', title: 'A title', head: 'a' },
    ])
  })

  it('takes the draft with it, in the same transaction', () => {
    store.call('create', ['c', 'T'])
    store.call('saveDraft', ['c', 'half a sen'])
    expect(store.call('draft', ['c']).value).toBe('half a sen')
    turn('1', null)
    expect(store.call('draft', ['c']).value).toBe('')
  })

  it('that cannot begin leaves nothing behind', () => {
    turn('1', null)
    const again = {
      ...{ conversation: 'c', title: 'T', parent: 'a1' },
      user: { id: 'q2', parts: [text('x')] },
      reply: { id: 'a1', state: 'queued' as const }, // the id of another
    }
    expect(() => store.call('beginTurn', [again])).toThrow(/UNIQUE/)
    expect(() => store.call('node', ['q2'])).toThrow('no such message')
    expect(shown()).toEqual(['q1', 'a1'])
  })

  it('answers only a message of its own conversation', () => {
    turn('1', null, 'other')
    const foreign = {
      conversation: 'c',
      title: 'T',
      parent: 'a1',
      reply: { id: 'a9', state: 'queued' as const },
    }
    expect(() => store.call('beginTurn', [foreign])).toThrow('no such message')
    expect(() => store.call('conversation' as never, ['c'] as never)).toThrow()
    expect(store.call('page', [{ limit: 10 }]).value.map(({ id }) => id)).toEqual(['other'])
  })
})

describe('a reply that grows', () => {
  const begin = (): void => {
    store.call('beginTurn', [
      { conversation: 'c', title: 'T', parent: null, reply: { id: 'a', state: 'writing' } },
    ])
  }
  const append = (from: number, words: string, n = 0): void => {
    store.call('append', [{ message: 'a', n, kind: 'text', from, text: words }])
  }
  const parts = (): Part[] => store.call('node', ['a']).value.parts

  it('takes text by its place, so that saying it twice changes nothing', () => {
    begin()
    append(0, 'A 😀 ')
    append(5, 'b')
    append(5, 'b')
    append(0, 'A 😀 b')
    expect(parts()).toEqual([text('A 😀 b')])
    append(2, 'c')
    expect(parts()).toEqual([text('A c')])
    append(0, 'second part', 1)
    expect(parts()).toEqual([text('A c'), text('second part')])
  })

  it('refuses text that has a hole in front of it, or comes after the end', () => {
    begin()
    append(0, 'abc')
    expect(() => append(4, 'e')).toThrow('missing')
    store.call('endReply', [{ message: 'a', state: 'done', parts: [text('abc')] }])
    expect(() => append(3, 'd')).toThrow('has ended')
    expect(parts()).toEqual([text('abc')])
  })

  it('keeps text as it is: line ends, marks of any script; a zero and half of a pair as U+FFFD', () => {
    begin()
    const words = 'a\r\n\u2028\uFEFF"\'%_\\ e\u0301 \u202Eabc \uFFFF'
    append(0, words)
    expect(parts()).toEqual([text(words)])
    append(words.length, '\ud83d\u0000')
    expect(parts()).toEqual([text(`${words}\ufffd\ufffd`)])
  })

  it('is interrupted with its words where Kigo ended before it, and goes on from there', () => {
    begin()
    append(0, 'the words so far')
    expect(store.call('recover', []).value).toEqual(['a'])
    expect(store.call('node', ['a']).value).toMatchObject({
      state: 'interrupted',
      parts: [text('the words so far')],
    })
    expect(store.call('search', ['words', 10]).value).toHaveLength(1)
    expect(store.call('recover', []).value).toEqual([])

    store.call('setState', ['a', 'writing'])
    append(16, ', and more')
    store.call('endReply', [{ message: 'a', state: 'done', parts: parts() }])
    expect(store.call('search', ['and more', 10]).value).toMatchObject([{ message: 'a' }])
  })
})

describe('branches', () => {
  it('are siblings in the order in which they were made, and the new one is shown', () => {
    turn('1', null)
    turn('2', 'a1')
    turn('2b', 'a1')
    store.call('beginTurn', [
      { conversation: 'c', title: 'T', parent: 'q2b', reply: { id: 'a2c', state: 'queued' } },
    ])
    expect(shown()).toEqual(['q1', 'a1', 'q2b', 'a2c'])
    expect(path().map((step) => step.siblings)).toEqual([['q1'], ['a1'], ['q2', 'q2b'], ['a2b', 'a2c']])
  })

  it('come back into view down to the message that was looked at last', () => {
    turn('1', null)
    turn('2', 'a1')
    turn('3', 'a2')
    turn('3b', 'a2')
    turn('2b', 'a1')
    expect(shown()).toEqual(['q1', 'a1', 'q2b', 'a2b'])
    expect(store.call('setHead', ['c', 'q2']).value).toBe('a3b')
    expect(store.call('setHead', ['c', 'q3']).value).toBe('a3')
    store.call('setHead', ['c', 'q2b'])
    expect(store.call('setHead', ['c', 'q2']).value).toBe('a3')
    expect(shown()).toEqual(['q1', 'a1', 'q2', 'a2', 'q3', 'a3'])
  })

  it('begin at the first message too', () => {
    turn('1', null)
    turn('1b', null)
    expect(path()[0]?.siblings).toEqual(['q1', 'q1b'])
    expect(store.call('setHead', ['c', 'q1']).value).toBe('a1')
  })

  it('are read from the newest back, piece by piece', () => {
    let parent: MessageId | null = null
    for (let i = 0; i < 1200; ++i) parent = turn(String(i), parent)
    const last = store.call('path', [{ conversation: 'c', limit: 3 }]).value
    expect(last.steps.map(({ node }) => node.id)).toEqual(['a1198', 'q1199', 'a1199'])
    expect(last.more).toBe(true)
    const before = store.call('path', [{ conversation: 'c', head: 'q1198', limit: 5000 }]).value
    expect(before.steps).toHaveLength(2397)
    expect(before.more).toBe(false)
    // Far beyond the depth at which SQLite's cascades end.
    store.call('trash', ['c'])
    expect(store.call('purge', [Date.now() + 1]).value).toEqual(['c'])
    expect(() => store.call('node', ['a0'])).toThrow('no such message')
  })
})
