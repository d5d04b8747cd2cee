import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { download, unreachable } from './fetch.mjs'

const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7) % 251))
const what = { label: 'test', bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
const folder = mkdtempSync(join(tmpdir(), 'kigo-fetch-'))
const path = join(folder, 'file')
const part = `${path}.part`

let asked = []
let answer
const server = createServer((request, response) => {
  asked.push(request.headers.range ?? null)
  answer(request, response)
})
const url = () => `http://127.0.0.1:${server.address().port}/file`

function serve(request, response) {
  const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
  response.writeHead(start > 0 ? 206 : 200, { 'content-length': bytes.length - start })
  response.end(bytes.subarray(start))
}

beforeAll(() => new Promise((done) => server.listen(0, '127.0.0.1', done)))
afterAll(() => {
  server.close()
  rmSync(folder, { recursive: true, force: true })
})
beforeEach(() => {
  vi.stubEnv('no_proxy', '*')
  asked = []
  answer = serve
  rmSync(path, { force: true })
  rmSync(part, { force: true })
})
afterEach(() => vi.unstubAllEnvs())

describe('a download', () => {
  it('leaves the whole file and no part', async () => {
    await download(url(), path, what)
    expect(readFileSync(path).equals(bytes)).toBe(true)
    expect(existsSync(part)).toBe(false)
  })

  it('that is cut off leaves no file, and is taken up where it stopped', async () => {
    answer = (_request, response) => {
      response.writeHead(200, { 'content-length': bytes.length })
      response.write(bytes.subarray(0, 40_000))
      // Cut off once a beginning lies on the disk: what is still on its way then is lost.
      const timer = setInterval(() => {
        if (!statSync(part, { throwIfNoEntry: false })?.size) return
        clearInterval(timer)
        response.destroy()
      }, 5)
    }
    await expect(download(url(), path, what)).rejects.toThrow()
    expect(existsSync(path)).toBe(false)
    const kept = statSync(part).size
    expect(kept).toBeGreaterThan(0)
    answer = serve
    await download(url(), path, what)
    expect(readFileSync(path).equals(bytes)).toBe(true)
    expect(asked[1]).toBe(`bytes=${kept}-`)
  })

  it('starts again where the server does not take it up', async () => {
    writeFileSync(part, 'an old beginning')
    answer = (_request, response) => response.end(bytes)
    await download(url(), path, what)
    expect(readFileSync(path).equals(bytes)).toBe(true)
  })

  it('of other bytes than were meant is refused and dropped', async () => {
    answer = (_request, response) => response.end(Buffer.alloc(bytes.length))
    await expect(download(url(), path, what)).rejects.toThrow('not the file that was meant')
    expect(existsSync(path)).toBe(false)
    expect(existsSync(part)).toBe(false)
  })

  it('of more bytes than were meant is refused', async () => {
    answer = (_request, response) => response.end(Buffer.concat([bytes, bytes]))
    await expect(download(url(), path, what)).rejects.toThrow('more came than the file is long')
    expect(existsSync(path)).toBe(false)
  })

  it('that the server denies says what it answered', async () => {
    answer = (_request, response) => response.writeHead(404).end()
    await expect(download(url(), path, what)).rejects.toThrow('the server answered 404')
  })
})

describe('a host', () => {
  it('that answers is reachable', async () => {
    expect(await unreachable(url())).toBeNull()
  })

  it('that refuses is told in words', async () => {
    expect(await unreachable('http://127.0.0.1:1/')).toMatch(/127\.0\.0\.1/)
  })
})
