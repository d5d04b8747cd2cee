declare global {
  /** Playwright calls it once it has attached to the app. */
  var __playwright_run: (() => void) | undefined
}

/**
 * Resolves at once; where `KIGO_WAIT_FOR_PLAYWRIGHT` is set, when Playwright has attached: it may wait for ever for
 * a window that is being made at that moment, so the tests have none made before.
 */
export function attached(env: Record<string, string | undefined>): Promise<void> {
  if (env['KIGO_WAIT_FOR_PLAYWRIGHT'] === undefined) return Promise.resolve()
  return new Promise((resolve) => {
    globalThis.__playwright_run = resolve
  })
}
