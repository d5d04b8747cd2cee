export interface Debounced {
  /** After `ms` of quiet. */
  soon(): void
  /** At once; resolves when it is through. Does nothing if nothing is due. */
  now(): Promise<void>
}

export function debounced(ms: number, run: () => Promise<void>): Debounced {
  let timer: ReturnType<typeof setTimeout> | undefined
  let running = Promise.resolve()
  const start = (): void => {
    timer = undefined
    running = running.then(run)
  }
  return {
    soon() {
      clearTimeout(timer)
      timer = setTimeout(start, ms)
    },
    now() {
      if (timer !== undefined) {
        clearTimeout(timer)
        start()
      }
      return running
    },
  }
}
