import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { MessageLines, openMessages } from './messages.ts'

/** What a list of typed lines becomes. */
function typed(...lines: string[]): (string | null)[] {
  const begun = new MessageLines()
  return lines.map((line) => begun.push(line, false))
}

describe('lines that are put together to messages', () => {
  it('a line is a message, as it was typed', () => {
    expect(typed('Hello', '  indented ', '', 'say """this"""')).toEqual([
      'Hello',
      '  indented ',
      '',
      'say """this"""',
    ])
  })

  it.each([
    [['"""', 'one', '', '  two', '"""'], 'one\n\n  two'],
    [['"""one', 'two"""'], 'one\ntwo'],
    [['"""one line"""'], 'one line'],
    [['  """one', 'two"""  '], 'one\ntwo'],
    [['"""', '', 'one', '', '"""'], '\none\n'],
    [['""""""'], ''],
  ])('%j between triple quotes', (lines, message) => {
    expect(typed(...lines, 'next')).toEqual([...Array<null>(lines.length - 1).fill(null), message, 'next'])
  })

  it('a pasted block is one message with what was typed around it', () => {
    const begun = new MessageLines()
    expect(begun.push('Explain: def f():', true)).toBeNull()
    expect(begun.push('', true)).toBeNull()
    expect(begun.push('  return 1', true)).toBeNull()
    expect(begun.push('in one word', false)).toBe('Explain: def f():\n\n  return 1\nin one word')
    expect(begun.push('next', false)).toBe('next')
  })

  it('a block that is pasted between typed quotes is part of what stands between them', () => {
    const begun = new MessageLines()
    expect([
      begun.push('"""', false),
      begun.push('a', true),
      begun.push('b', false),
      begun.push('"""', false),
    ]).toEqual([null, null, null, 'a\nb'])
  })

  it('what was begun can be dropped, or had as it is', () => {
    const begun = new MessageLines()
    begun.push('"""a', false)
    expect(begun.inBlock).toBe(true)
    begun.drop()
    expect(begun.push('b', false)).toBe('b')
    begun.push('"""c', false)
    begun.push('d', false)
    expect(begun.rest()).toBe('c\nd')
    expect(begun.rest()).toBeNull()
  })
})

/** A terminal that is typed into, and all that was written to it. */
function terminal(isTTY = true) {
  const stdin = Object.assign(new PassThrough(), { isTTY })
  const stdout = Object.assign(new PassThrough(), { isTTY, columns: 80 })
  let shown = ''
  stdout.setEncoding('utf8').on('data', (text: string) => (shown += text))
  const interrupts: string[] = []
  const messages = openMessages({ stdin, stdout }, () => interrupts.push('Ctrl+C'))
  return { stdin, messages, interrupts, shown: () => shown }
}

async function all(messages: ReturnType<typeof openMessages>): Promise<string[]> {
  const read: string[] = []
  for await (const message of messages.read()) read.push(message)
  return read
}

describe('a terminal', () => {
  it('takes a pasted block as one message, sent by Enter', async () => {
    const { stdin, messages } = terminal()
    stdin.write('hi\r')
    stdin.write('\x1b[200~first\rsecond\r\r  third\x1b[201~')
    stdin.write(' and more\r')
    stdin.write('\x1b[200~one line\x1b[201~\r')
    stdin.end()
    expect(await all(messages)).toEqual(['hi', 'first\nsecond\n\n  third and more', 'one line'])
  })

  it('is asked to mark what is pasted, and let go of at the end', () => {
    const { messages, shown } = terminal()
    expect(shown()).toContain('\x1b[?2004h')
    messages[Symbol.dispose]()
    expect(shown().endsWith('\x1b[?2004l')).toBe(true)
  })

  it('shows that a block is open', async () => {
    const { stdin, messages, shown } = terminal()
    messages.prompt()
    expect(shown()).toContain('> ')
    stdin.write('"""\ra\r"""\r')
    stdin.end()
    expect(await all(messages)).toEqual(['a'])
    expect(shown()).toContain('... ')
  })

  it('what is typed before it asks is typed on behind', async () => {
    const { stdin, messages } = terminal()
    stdin.write('typed')
    messages.prompt()
    stdin.write(' ahead\r')
    stdin.end()
    expect(await all(messages)).toEqual(['typed ahead'])
  })

  it.each([
    ['a line', 'half typed'],
    ['a line with the cursor in it', 'half typed\x1b[D\x1b[D'],
    ['a pasted block', '\x1b[200~one\rtwo\x1b[201~'],
    ['a pasted block of whole lines', '\x1b[200~one\rtwo\r\x1b[201~'],
    ['a block between quotes', '"""one\rtwo'],
  ])('drops %s that was begun, with all of it', async (_, begun) => {
    const { stdin, messages } = terminal()
    stdin.write(begun)
    expect(messages.drop()).toBe(true)
    expect(messages.drop()).toBe(false)
    stdin.write('only this\r')
    stdin.end()
    expect(await all(messages)).toEqual(['only this'])
  })

  it('does not send what was begun when the person leaves, and Ctrl+C is told', async () => {
    const { stdin, messages, interrupts } = terminal()
    stdin.write('"""\rnot finished\r\x03')
    stdin.end()
    expect(await all(messages)).toEqual([])
    expect(interrupts).toEqual(['Ctrl+C'])
  })
})

it('without a terminal nothing is asked for, and the end of the input ends a block', async () => {
  const { stdin, messages, shown } = terminal(false)
  messages.prompt()
  stdin.end('one\n"""two\nthree\n')
  expect(await all(messages)).toEqual(['one', 'two\nthree'])
  expect(shown()).toBe('')
})
