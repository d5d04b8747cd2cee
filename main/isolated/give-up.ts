/** Of `process` and the global object: what opens files, programs and connections, and what loads more code. */
const OF_PROCESS = [
  'binding',
  '_linkedBinding',
  'dlopen',
  'getBuiltinModule',
  'kill',
  '_kill',
  'chdir',
  'report',
]
const OF_ALL = ['fetch', 'WebSocket', 'EventSource', 'WebAssembly', 'require', 'module']

/**
 * Takes from this process what rendering a template has no use for, before the first one is read: a mistake in the
 * interpreter must find nothing to use. Besides, launchers start it without an environment and with flags that let no
 * text become code; under plain Node the system's files and programs are closed to it too.
 */
export function giveUpPowers(): void {
  for (const name of Object.keys(process.env)) delete process.env[name]
  for (const name of OF_PROCESS) Reflect.deleteProperty(process, name)
  for (const name of OF_ALL) Reflect.deleteProperty(globalThis, name)
}
