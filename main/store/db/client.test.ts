import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Change } from '../../../contract/tree.ts'
import { resourcePath } from '../../resources.ts'
import { openStore, type StoreClient } from './client.ts'
import { temporaryFolder } from './testing/temporary.ts'

const CHILD = path.join(import.meta.dirname, 'testing', 'writer-child.mjs')
const WORKER = resourcePath('main/store-worker.js')

async function open(file: string, onChange: (change: Change) => void = () => {}): Promise<StoreClient> {
  const store = await openStore(file, onChange)
  onTestFinished(() => store.close())
  return store
}
const BEGIN = { conversation: 'c', title: 'T', parent: null, reply: { id: 'a', state: 'writing' as const } }

describe('the store in its worker', () => {
  it('answers in the order of the calls, tells changes before the answer, and is all there when it opens again', async () => {
    const file = path.join(temporaryFolder(), 'kigo.db')
    const changes: Change[] = []
    const store = await open(file, (change) => changes.push(change))
    const begun = store.call('beginTurn', BEGIN).then(() => changes.length)
    const row = store.call('page', { limit: 5 })
    expect(await begun).toBeGreaterThan(0)
    expect(await row).toMatchObject([{ id: 'c', head: 'a' }])
    await store.call('endReply', { message: 'a', state: 'done', parts: [{ kind: 'text', text: 'words' }] })
    expect(changes.map(({ rev }) => rev)).toEqual(changes.map((_, i) => i + 1))
    await Promise.all([store.close(), store.close()])
    await expect(store.call('page', { limit: 5 })).rejects.toMatchObject({ code: 'STORE_UNWRITABLE' })

    const again = await open(file)
    expect([again.keptAside, again.interrupted]).toEqual([null, []])
    expect(await again.call('node', 'a')).toMatchObject({ parts: [{ kind: 'text', text: 'words' }] })
  })

  it('fails a call in words, and goes on', async () => {
    const store = await open(path.join(temporaryFolder(), 'kigo.db'))
    await expect(store.call('trash', 'nobody')).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: 'There is no such conversation.',
    })
    await store.call('beginTurn', BEGIN)
    await expect(store.call('beginTurn', BEGIN)).rejects.toMatchObject({ code: 'INTERNAL' })
    expect(await store.call('page', { limit: 5 })).toHaveLength(1)
  })

  it('names the damaged file that it kept aside, and what cannot be opened', async () => {
    const folder = temporaryFolder()
    const file = path.join(folder, 'kigo.db')
    writeFileSync(file, 'not a database'.repeat(500))
    expect((await open(file)).keptAside).toMatch(/kigo\.damaged-.*\.db$/)
    await expect(openStore(folder, () => {})).rejects.toMatchObject({ code: 'STORE_UNWRITABLE' })
  })

  it('has every word that was answered after a kill in the middle, and the reply as interrupted', async () => {
    const file = path.join(temporaryFolder(), 'kigo.db')
    const answered = new Map<string, number>()
    const ended = new Set<string>()
    for (let round = 0; round < 12; ++round) {
      // Somewhere else in a reply each time.
      for (const line of await writeUntilKilled(file, 4 + round * 7)) {
        const [first = '', second = ''] = line.split(' ')
        if (first === 'begun') answered.set(second, 0)
        else if (first === 'ended') ended.add(second)
        else answered.set(first, Number(second))
      }
    }
    const store = await openStore(file, () => {})
    for (const [id, length] of answered) {
      const node = await store.call('node', id)
      const text = node.parts[0]?.kind === 'text' ? node.parts[0].text : ''
      expect(text.length).toBeGreaterThanOrEqual(length)
      expect(text.slice(0, length)).toBe(wordsOf(id).slice(0, length))
      if (ended.has(id)) expect(node.state).toBe('done')
      else expect(['interrupted', 'done']).toContain(node.state)
    }
    expect(answered.size).toBeGreaterThan(12)
    expect(store.keptAside).toBeNull()
    await store.close()
  })
})

const wordsOf = (id: string): string => Array.from({ length: 20 }, (_, n) => `word ${n} of ${id}, `).join('')

/** Kills the writer once it said so many lines; resolves to what it had said by then. */
function writeUntilKilled(file: string, lines: number): Promise<string[]> {
  const child = spawn(process.execPath, [CHILD, WORKER, file], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  return new Promise((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (said.split('\n').length > lines) child.kill('SIGKILL')
    })
    child.on('error', reject)
    child.on('close', (code) => {
      if (code !== null) reject(new Error(`the writer ended with ${code}`))
      // The last line may have been cut short: it was not said.
      else resolve(said.split('\n').slice(0, -1))
    })
  })
}
