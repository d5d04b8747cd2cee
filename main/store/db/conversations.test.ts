import { beforeEach, describe, expect, it } from 'vitest'
import type { Store } from './methods.ts'
import { temporaryStore } from './testing/temporary.ts'

let store: Store
beforeEach(() => {
  store = temporaryStore()
})

function say(conversation: string, words: string): void {
  const id = `${conversation}-${words}`
  store.call('beginTurn', [
    {
      ...{ conversation, title: `About ${conversation}`, parent: null },
      user: { id: `q-${id}`, parts: [{ kind: 'text', text: words }] },
      reply: { id: `a-${id}`, state: 'writing' },
    },
  ])
  store.call('endReply', [
    { message: `a-${id}`, state: 'done', parts: [{ kind: 'text', text: `Re: ${words}` }] },
  ])
}
const listed = (deleted = false): string[] =>
  store.call('page', [{ limit: 100, deleted }]).value.map(({ id }) => id)

describe('the list of conversations', () => {
  it('has those in which something was said, in pages that leave none out', () => {
    store.call('create', ['empty', 'New chat'])
    const ids = Array.from({ length: 25 }, (_, i) => `c${i}`)
    for (const id of ids) say(id, 'hello')
    store.call('change', ['c3', { pinned: true }])

    const all = store.call('page', [{ limit: 100 }]).value
    expect(all.map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
    expect(all[0]?.id).toBe('c3')
    const seen = []
    for (let rows = store.call('page', [{ limit: 4 }]).value; rows.length > 0;) {
      seen.push(...rows.map(({ id }) => id))
      rows = store.call('page', [{ limit: 4, after: rows.at(-1) ?? null }]).value
    }
    expect(seen).toEqual(all.map(({ id }) => id))
  })

  it('keeps a name that a person gave', () => {
    say('c', 'hello')
    store.call('change', ['c', { title: 'Mine', titledBy: 'person', settings: { temperature: 0 } }])
    say('c', 'again')
    expect(store.call('page', [{ limit: 1 }]).value).toMatchObject([
      { title: 'Mine', titledBy: 'person', settings: { temperature: 0 }, head: 'a-c-again' },
    ])
  })

  it('gives up a deleted one at once, has it back whole, and loses it only when it is purged', () => {
    say('a', 'keep')
    say('b', 'drop')
    store.call('trash', ['b'])
    expect([listed(), listed(true)]).toEqual([['a'], ['b']])
    expect(store.call('search', ['drop', 10]).value).toEqual([])
    store.call('untrash', ['b'])
    expect(listed().toSorted()).toEqual(['a', 'b'])
    expect(store.call('search', ['drop', 10]).value).toHaveLength(2)

    store.call('trash', ['b'])
    expect(store.call('purge', [0]).value).toEqual([])
    expect(store.call('purge', [Date.now() + 1]).value).toEqual(['b'])
    expect([listed(), listed(true)]).toEqual([['a'], []])
    expect(() => store.call('untrash', ['b'])).toThrow('no such conversation')
  })
})

describe('changes', () => {
  it('are told in order, one number each, and only of what came to be', () => {
    const first = store.call('create', ['c', 'New chat'])
    expect(first).toMatchObject({ changes: [], rev: 0 })
    const turn = store.call('beginTurn', [
      { conversation: 'c', title: 'T', parent: null, reply: { id: 'a', state: 'queued' } },
    ])
    expect(turn.changes.map(({ rev }) => rev)).toEqual(turn.changes.map((_, i) => i + 1))
    expect(turn.changes.map(({ type }) => type)).toContain('node')
    expect(turn.changes.at(-1)).toMatchObject({ type: 'conversation', row: { head: 'a' } })
    expect(() => store.call('setHead', ['c', 'nobody'])).toThrow('no such message')
    const next = store.call('trash', ['c'])
    expect(next.changes).toMatchObject([{ rev: turn.rev + 1, type: 'conversation' }])
  })
})

describe('search', () => {
  it.each([
    ['capital france', 'The capital of France is Paris.', ['capital', 'France']],
    ['FRANCE', 'in france', ['france']],
    ['ÄRGER', 'viel ärger', ['ärger']],
    ['首都', 'フランスの首都はパリです', ['首都']],
    ['都', '首都', ['都']],
    ['東京都', 'これは東京都です', ['東京都']],
    ['世界 你', '你好世界', ['你', '世界']],
    ['a.c', 'a.c and abc', ['a.c']],
    ['100%', 'it is 100% so', ['100%']],
    ['"quoted', 'a "quoted" word', ['"quoted']],
    ['snake_case', 'a snake_case name', ['snake_case']],
    ['NEAR OR', 'near or far', ['near', 'or']],
    ['😀', 'a 😀 b', ['😀']],
    ['well-known /etc/a|b', 'a well-known /etc/a|b', ['well-known', '/etc/a|b']],
  ])('for %s finds it in %s', (query, words, marked) => {
    say('c', words)
    say('d', 'something else: abc, 100, snake case')
    const hits = store.call('search', [query, 10]).value
    expect(hits.map(({ message }) => message)).toEqual([`a-c-${words}`, `q-c-${words}`])
    const { context, marks } = hits[1] ?? { context: '', marks: [] }
    expect(marks.map(([from, to]) => context.slice(from, to))).toEqual(marked)
  })

  it.each(['', '   ', 'nowhere', 'capital nowhere', '*', 'a*', '\u0000', '(', '\ud83d'])(
    'for %j finds nothing and fails at nothing',
    (query) => {
      say('c', 'The capital')
      expect(store.call('search', [query, 10]).value).toEqual([])
    },
  )

  it('finds titles before messages, cuts long texts between characters, and stops at the limit', () => {
    say('capital', 'nothing')
    say('c', `${'😀'.repeat(300)} capital ${'😀'.repeat(300)}`)
    const hits = store.call('search', ['capital', 2]).value
    expect(hits.map(({ message }) => message === null)).toEqual([true, false])
    expect(hits[1]?.context.isWellFormed()).toBe(true)
    expect(hits[1]?.context.length).toBeLessThan(200)
  })

  it('does not find what was replaced', () => {
    say('c', 'one')
    store.call('endReply', [
      { message: 'a-c-one', state: 'done', parts: [{ kind: 'text', text: 'other words' }] },
    ])
    expect(store.call('search', ['Re: one', 10]).value).toEqual([])
    expect(store.call('search', ['other words', 10]).value).toHaveLength(1)
  })
})
