/** Replaced by vite: false in what `npm run dist` packages (main/vite.config.ts), true everywhere else. */
declare const KIGO_TEST_HOOKS: boolean

/** Whether this build lets tests reach in from outside. A release does not, whatever its environment says. */
export const TEST_HOOKS: boolean = KIGO_TEST_HOOKS

/** Where tests set what a release decides by itself: another GPU library, a minute, when the window comes. */
export const testEnvironment: Record<string, string | undefined> = TEST_HOOKS ? process.env : {}

/** A release lets nobody debug it from outside. Called before `ready`, when Electron looks at these switches. */
export function refuseDebuggers(switches: { removeSwitch(name: string): void }): void {
  if (TEST_HOOKS) return
  for (const name of DEBUG_SWITCHES) switches.removeSwitch(name)
}

const DEBUG_SWITCHES = [
  'remote-debugging-port',
  'remote-debugging-pipe',
  'remote-debugging-address',
  'remote-debugging-io-pipes',
  'remote-allow-origins',
]
