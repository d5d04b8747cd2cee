/** The child's side: answers one message after another, whichever of the two ways it was started. */
import { giveUpPowers } from './give-up.ts'
import type { ChildMessage, ParentMessage } from './types.ts'

interface ParentPort {
  on(event: 'message', listener: (event: { data: unknown }) => void): unknown
  postMessage(message: unknown): void
}

/** Calls `work` on each input and sends back what it returns (plain JSON data) or the message of what it throws. */
export function serve(work: (input: unknown) => unknown): void {
  const port = (process as unknown as { parentPort?: ParentPort }).parentPort
  const send = (message: ChildMessage): void => {
    if (port) port.postMessage(message)
    else process.send?.(message)
  }
  const answer = ({ input, outputBytes }: ParentMessage): void => {
    try {
      const json = JSON.stringify(work(input))
      send(Buffer.byteLength(json) > outputBytes ? { type: 'tooLong' } : { type: 'answer', json })
    } catch (error) {
      send({ type: 'error', message: error instanceof Error ? error.message : String(error) })
    }
  }
  if (port) port.on('message', (event) => answer(event.data as ParentMessage))
  else process.on('message', (message) => answer(message as ParentMessage))
  giveUpPowers()
  // A parent that is gone needs no answers.
  process.on('disconnect', () => process.exit())
  send({ type: 'ready' })
}
