/**
 * Starts counting; the function that comes back tells the processor time of this process since then, ms. Unlike
 * the clock it does not count what else the machine does, so that a test may set a limit with it where quadratic
 * work would take many times longer. How fast things are is for bench/ to say, not for tests.
 */
export function processorTime(): () => number {
  const start = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(start)
    return (user + system) / 1000
  }
}
