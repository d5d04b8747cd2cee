import { MessageChannelMain, type IpcMainInvokeEvent, type MessagePortMain } from 'electron'
import { STREAM_MESSAGE } from '../../contract/ipc.ts'
import type { StreamPort, Streams } from '../chat/streams.ts'
import type { Handlers, RoutesOf } from './router.ts'

/** The port travels to the preload script of the page that asked, which hands it on. */
export function streamHandlers({
  streams,
}: {
  streams: Streams
}): Handlers<RoutesOf<'stream'>, IpcMainInvokeEvent> {
  return {
    'stream.attach': ({ streamId, fromSeq }, { sender: page }) => {
      const stream = streams.get(streamId)
      const { port1, port2 } = new MessageChannelMain()
      page.postMessage(STREAM_MESSAGE, { streamId }, [port2])
      stream.attach(streamPort(port1), fromSeq)
      return null
    },
  }
}

function streamPort(port: MessagePortMain): StreamPort {
  return {
    post: (frame) => port.postMessage(frame),
    onMessage: (listener) => {
      port.on('message', (event) => listener(event.data))
      port.start()
    },
    onClose: (listener) => port.on('close', listener),
    close: () => port.close(),
  }
}
