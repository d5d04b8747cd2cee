/**
 * `node writer-child.mjs WORKER FILE`: writes replies word by word through the store's worker, and says on stdout
 * what was answered: a line `begun ID`, a line `ID LENGTH` for each append, a line `ended ID`. Runs until it is killed.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

const worker = new Worker(process.argv[2], { workerData: { file: process.argv[3] } })
await once(worker, 'message')
let calls = 0
async function call(name, input) {
  worker.postMessage({ id: calls++, name, args: [input] })
  const [reply] = await once(worker, 'message')
  if (reply.type !== 'answer') throw new Error(reply.error.message)
}
const say = (line) => process.stdout.write(`${line}\n`)

let parent = null
for (let i = 0; ; ++i) {
  const id = `a${process.pid}-${i}`
  await call('beginTurn', {
    ...{ conversation: `c${process.pid}`, title: 'T', parent },
    user: { id: `q${id}`, parts: [{ kind: 'text', text: 'question' }] },
    reply: { id, state: 'writing' },
  })
  say(`begun ${id}`)
  let text = ''
  for (let n = 0; n < 20; ++n) {
    const more = `word ${n} of ${id}, `
    await call('append', { message: id, n: 0, kind: 'text', from: text.length, text: more })
    text += more
    say(`${id} ${text.length}`)
  }
  await call('endReply', { message: id, state: 'done', parts: [{ kind: 'text', text }] })
  say(`ended ${id}`)
  parent = id
}
