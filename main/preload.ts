/** All of Electron that the page sees: three functions. Runs sandboxed, built as one CommonJS file. */
import { contextBridge, ipcRenderer, webUtils } from 'electron'
import {
  DROP_CHANNEL,
  EVENT_CHANNEL,
  REQUEST_CHANNEL,
  STREAM_MESSAGE,
  type KigoBridge,
  type KigoEvent,
} from '../contract/ipc.ts'

const bridge: KigoBridge = {
  request: (route, input) => ipcRenderer.invoke(REQUEST_CHANNEL, { route, input }),
  onEvent(listener) {
    const receive = (_event: unknown, message: KigoEvent): void => listener(message)
    ipcRenderer.on(EVENT_CHANNEL, receive)
    return () => ipcRenderer.off(EVENT_CHANNEL, receive)
  },
  pathForFile(file) {
    const path = webUtils.getPathForFile(file)
    // On the same channel as requests, so it arrives before any that names the file.
    if (path !== '') ipcRenderer.send(DROP_CHANNEL, path)
    return path
  },
}

contextBridge.exposeInMainWorld('kigo', bridge)

// A MessagePort cannot cross the context bridge; posted to the page's own window it can.
ipcRenderer.on(STREAM_MESSAGE, (event, { streamId }: { streamId: string }) => {
  window.postMessage({ type: STREAM_MESSAGE, streamId }, window.location.origin, event.ports)
})
