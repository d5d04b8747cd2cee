/** The page reaches nobody, by any of Chromium's ways to the network. Servers of this computer listen for it. */
import { createSocket, type Socket } from 'node:dgram'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Kigo } from './kigo.ts'

let kigo: Kigo
let udp: Socket
let tcp: Server
/** What the servers heard since the last look. */
let heard: string[] = []

beforeAll(async () => {
  // With names looked up, as they would not be else: each layer is tried by itself.
  kigo = await Kigo.start({ args: ['--host-resolver-rules='] })
  udp = createSocket('udp4').on('message', (message) => heard.push(`udp ${message.length} bytes`))
  tcp = createServer((socket) => {
    heard.push('tcp')
    socket.on('error', () => {}).end()
  })
  await new Promise<void>((resolve) => udp.bind(0, resolve))
  await new Promise<void>((resolve) => tcp.listen(0, resolve))
})
afterAll(async () => {
  udp.close()
  tcp.close()
  await kigo.close()
})

const port = (server: Socket | Server): number => (server.address() as AddressInfo).port

/** This computer's own addresses: the one inside, and one as others see it. */
function addresses(): string[] {
  const outside = Object.values(networkInterfaces())
    .flat()
    .find((address) => address?.family === 'IPv4' && !address.internal)
  return ['127.0.0.1', ...(outside ? [outside.address] : [])]
}

/** In a page: looks for a way out by STUN over UDP and TURN over UDP and TCP; the candidates that it found. */
async function gather([hosts, udpPort, tcpPort]: [string[], number, number]): Promise<string[]> {
  const turn = { username: 'u', credential: 'c' }
  const connection = new RTCPeerConnection({
    iceServers: hosts.flatMap((host) => [
      { urls: `stun:${host}:${udpPort}` },
      { urls: `turn:${host}:${udpPort}?transport=udp`, ...turn },
      { urls: `turn:${host}:${tcpPort}?transport=tcp`, ...turn },
    ]),
  })
  const found: string[] = []
  const gathered = new Promise<void>((resolve) => {
    connection.addEventListener('icecandidate', ({ candidate }) => {
      if (candidate) found.push(candidate.candidate)
      else resolve()
    })
  })
  connection.createDataChannel('out')
  await connection.setLocalDescription(await connection.createOffer())
  await gathered
  connection.close()
  return found
}

/** In a page: asks for a connection before anything is fetched, and for names to be looked up. */
function hint([hosts, , tcpPort]: [string[], number, number]): void {
  for (const host of hosts)
    for (const rel of ['preconnect', 'dns-prefetch', 'prefetch', 'modulepreload']) {
      const link = document.createElement('link')
      link.rel = rel
      link.href = `http://${host}:${tcpPort}/x`
      document.head.append(link)
    }
}

/** The same in a page to which nothing is forbidden: it is heard, so silence means something. */
const openFreePage = (work: string) =>
  kigo.app.evaluate(async ({ BrowserWindow, session }, code) => {
    const free = new BrowserWindow({
      show: false,
      webPreferences: { session: session.fromPartition('free'), sandbox: true },
    })
    free.webContents.setWebRTCIPHandlingPolicy('default')
    await free.loadURL('data:text/html,<head></head>')
    await free.webContents.executeJavaScript(`void (${code})`)
  }, work)

const closeFreePage = () =>
  kigo.app.evaluate(({ BrowserWindow, session }) =>
    BrowserWindow.getAllWindows()
      .find(({ webContents }) => webContents.session === session.fromPartition('free'))
      ?.destroy(),
  )

const places = (): [string[], number, number] => [addresses(), port(udp), port(tcp)]

describe('the page', () => {
  it('finds no way out by WebRTC: no STUN server and no TURN server hears of it', async () => {
    heard = []
    const candidates = await kigo.page.evaluate(gather, places())
    expect(heard).toEqual([])
    expect(candidates).toEqual([])
    await openFreePage(`(${gather.toString()})(${JSON.stringify(places())})`)
    await expect.poll(() => heard).toContainEqual(expect.stringMatching(/^udp/))
    await expect.poll(() => heard).toContain('tcp')
    await closeFreePage()
  })

  it('and none by hints: nothing is connected to before it is fetched', async () => {
    heard = []
    await kigo.page.evaluate(hint, places())
    const own: string[] = []
    const other = createServer((socket) => {
      own.push('tcp')
      socket.on('error', () => {}).end()
    })
    await new Promise<void>((resolve) => other.listen(0, resolve))
    await openFreePage(`(${hint.toString()})(${JSON.stringify([addresses(), 0, port(other)])})`)
    // The hints of the free page came later, and are heard.
    await expect.poll(() => own).toContain('tcp')
    expect(heard).toEqual([])
    await closeFreePage()
    other.close()
  })
})

describe('a name', () => {
  it('is not looked up, whoever asks', async () => {
    const other = await Kigo.start()
    const answer = await other.app.evaluate(({ session }) =>
      session.defaultSession.resolveHost('localhost').then(
        ({ endpoints }) => endpoints.map(({ address }) => address).join(),
        (error: Error) => error.message,
      ),
    )
    expect(answer).toContain('ERR_NAME_NOT_RESOLVED')
    await other.close()
  })
})
