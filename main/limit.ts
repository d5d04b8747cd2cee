/** At most `n` calls of `work` run at a time; the others wait in the order in which they came. */
export function limited<A extends unknown[], T>(
  n: number,
  work: (...args: A) => Promise<T>,
): (...args: A) => Promise<T> {
  let running = 0
  const waiting: (() => void)[] = []
  return async (...args) => {
    if (running >= n) await new Promise<void>((resolve) => waiting.push(resolve))
    else running++
    try {
      return await work(...args)
    } finally {
      // The place goes to the next one, if there is one.
      const next = waiting.shift()
      if (next) next()
      else running--
    }
  }
}
