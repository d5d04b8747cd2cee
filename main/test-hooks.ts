/** Replaced by vite: false in what `npm run dist` packages (main/vite.config.ts), true everywhere else. */
declare const KIGO_TEST_HOOKS: boolean

/** Whether this build lets tests reach in from outside. A release does not, whatever its environment says. */
export const TEST_HOOKS: boolean = KIGO_TEST_HOOKS

/** Where tests set what a release decides by itself: another GPU library, a minute, when the window comes. */
export const testEnvironment: Record<string, string | undefined> = TEST_HOOKS ? process.env : {}
