/** Downloads that fail in seconds when blocked, go on where they stopped, and are whole or not there at all. */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, rmSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { putFile } from './durable.mjs'
import { get } from './http.mjs'
import { say } from './project.mjs'
import { DEFAULT_PORTS, proxyFor } from './proxy.mjs'

/**
 * Whether the host of `url`, or the proxy that leads to it, takes a TCP connection within `ms`. Resolves to null, or to
 * the reason why not.
 */
export async function unreachable(url, ms = 4000) {
  let address
  try {
    address = proxyFor(url) ?? new URL(url)
  } catch (error) {
    return error.message
  }
  const { hostname, port, protocol } = address
  return new Promise((done) => {
    const host = hostname.replace(/^\[(.*)\]$/, '$1')
    const socket = connect({ host, port: Number(port || DEFAULT_PORTS[protocol]) })
    const end = (reason) => {
      socket.destroy()
      done(reason)
    }
    socket.setTimeout(ms, () => end(`${hostname} does not answer within ${ms / 1000} s`))
    socket.once('connect', () => end(null))
    socket.once('error', (error) =>
      end(
        error.code === 'ENOTFOUND' || error.code === 'EAI_AGAIN'
          ? `${hostname} is not known here`
          : `${hostname}: ${error.message}`,
      ),
    )
  })
}

export async function sha256(path) {
  const sum = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), sum)
  return sum.digest('hex')
}

/** The file at `path` is the one meant: size first, then the hash. */
export async function isWhole(path, { bytes, sha256: wanted }) {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat?.size === bytes && (await sha256(path)) === wanted
}

/**
 * Fetches `url` to `path` by way of `path.part`, which a later call takes up again.
 * @param {{bytes: number, sha256: string, label: string}} what
 * @throws Error in plain words: blocked, cut off, or not the bytes that were meant (then the part is dropped)
 */
export async function download(url, path, what) {
  const blocked = await unreachable(url)
  if (blocked) throw new Error(blocked)
  const part = `${path}.part`
  let start = statSync(part, { throwIfNoEntry: false })?.size ?? 0
  if (start > what.bytes) start = 0
  if (start < what.bytes) await fetchFrom(url, part, start, what)
  if (!(await isWhole(part, what))) {
    rmSync(part, { force: true })
    throw new Error('what came is not the file that was meant (size or SHA-256 differs)')
  }
  putFile(part, path)
}

async function fetchFrom(url, part, start, { bytes, label }) {
  const abort = new AbortController()
  const limit = (ms) => setTimeout(() => abort.abort(new Error(`no data for ${ms / 1000} s`)), ms)
  let timer = limit(15_000)
  try {
    const response = await get(url, {
      signal: abort.signal,
      headers: start > 0 ? { range: `bytes=${start}-` } : {},
    })
    const { statusCode } = response
    if (statusCode !== 200 && statusCode !== 206) {
      response.destroy()
      throw new Error(`the server answered ${statusCode}`)
    }
    const from = statusCode === 206 ? start : 0
    const bar = progressBar(label, bytes, from)
    const watch = new Transform({
      transform(chunk, _encoding, next) {
        clearTimeout(timer)
        timer = limit(30_000)
        next(bar.add(chunk.length) > bytes ? new Error('more came than the file is long') : null, chunk)
      },
    })
    await pipeline(response, watch, createWriteStream(part, { flags: from > 0 ? 'a' : 'w' }))
    bar.end()
  } catch (error) {
    throw new Error(error.cause?.message ?? error.message)
  } finally {
    clearTimeout(timer)
  }
}

/** A bar that redraws in a terminal; elsewhere a line each tenth. `add` gives the bytes so far. */
export function progressBar(label, bytes, done = 0) {
  const mib = (n) => (n / 2 ** 20).toFixed(1)
  const live = process.stderr.isTTY
  let shown = -1
  const draw = () => {
    const percent = Math.floor((done / bytes) * 100)
    if (percent === shown || (!live && Math.floor(percent / 10) === Math.floor(shown / 10))) return
    shown = percent
    const bar = '█'.repeat(Math.floor(percent / 4)).padEnd(25, '░')
    const line = `${label}  ${bar} ${String(percent).padStart(3)} %  ${mib(done)} of ${mib(bytes)} MiB`
    if (live) process.stderr.write(`\r${line}`)
    else say(line)
  }
  draw()
  return {
    add(n) {
      done += n
      draw()
      return done
    },
    end() {
      if (live) process.stderr.write('\n')
    },
  }
}
