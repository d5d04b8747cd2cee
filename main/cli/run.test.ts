/** What an interrupted command says, in this process: the moment of the interruption is in the test's hand. */
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Session, type GenerateOptions } from '../engine/session.ts'
import { modelPath } from '../testing/golden.ts'
import { runCli } from './index.ts'

const model = modelPath('smollm2')
afterEach(() => void vi.restoreAllMocks())

/** Runs the command; it is interrupted once a reply has `tokens` tokens. */
async function interrupted(args: string[], tokens: number) {
  const controller = new AbortController()
  const generate = Reflect.get(Session.prototype, 'generate') as Session['generate']
  vi.spyOn(Session.prototype, 'generate').mockImplementation(async function* (
    this: Session,
    options: GenerateOptions,
  ) {
    for await (const event of generate.call(this, options)) {
      if (event.type === 'text' && event.tokens >= tokens) controller.abort()
      yield event
    }
  })
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
  const status = await runCli(args, { stdin, stdout, stderr, signal: controller.signal })
  const said = Promise.all([text(stdout), text(stderr)])
  stdout.end()
  stderr.end()
  const [out, err] = await said
  return { status, stdout: out, stderr: err }
}

describe.skipIf(model === null)('kigo run, interrupted (skipped without smollm2)', () => {
  it('with --json: one object with the text so far, and the reason', async () => {
    const args = ['run', '--model', 'smollm2', '--ids', '1,2,3', '--temp', '10', '--top-k', '0', '--json']
    const { status, stdout, stderr } = await interrupted([...args, '--max-tokens', '4000'], 3)
    expect({ status, stderr }).toEqual({ status: 130, stderr: '' })
    const result = JSON.parse(stdout)
    expect(result.reason).toBe('cancelled')
    expect(result.ids.length).toBeGreaterThanOrEqual(3)
    expect(result.ids.length).toBeLessThan(4000)
    expect(result.text).not.toBe('')
  })
})

describe.skipIf(model === null)('what a model says (skipped without smollm2)', () => {
  /** With a reply that sets the window's title, overwrites its own line, and rings. */
  async function said(args: string[], isTTY: boolean) {
    const reply = 'one\x1b]0;title\x07\rtwo\r\n\tthree \x9b31m'
    vi.spyOn(Session.prototype, 'generate').mockImplementation(async function* () {
      yield { type: 'text', text: reply, tokens: 1, records: [] } as never
      yield { type: 'done', reason: 'end', stats: {} } as never
    })
    const stdout = Object.assign(new PassThrough(), { isTTY })
    const [stdin, stderr] = [new PassThrough(), new PassThrough()]
    const status = await runCli(args, { stdin, stdout, stderr, signal: new AbortController().signal })
    stdout.end()
    return { status, reply, out: await text(stdout) }
  }

  it('does not steer a terminal', async () => {
    const { status, out } = await said(['run', '--model', 'smollm2', '--ids', '1'], true)
    expect(status).toBe(0)
    expect(out).toBe('one\\x1b]0;title\\x07two\n\tthree \\x9b31m\n')
  })

  it('goes to a program as it is', async () => {
    const { out, reply } = await said(['run', '--model', 'smollm2', '--ids', '1'], false)
    expect(out).toBe(`${reply}\n`)
  })
})
