/** Events from the native thread on their way to one reader: never blocks the writer, ends once. */
export class EventQueue<T> {
  #items: T[] = []
  #end: { error: unknown } | null = null
  #wake: (() => void) | null = null

  push(item: T): void {
    this.#items.push(item)
    this.#wake?.()
  }

  /** What was pushed before is still read; then reading ends, or throws `error`. The first end counts. */
  end(error?: unknown): void {
    this.#end ??= { error }
    this.#wake?.()
  }

  async *read(): AsyncGenerator<T, void, void> {
    for (;;) {
      while (this.#items.length > 0) yield this.#items.shift()!
      if (this.#end) {
        if (this.#end.error !== undefined) throw this.#end.error
        return
      }
      await new Promise<void>((resolve) => (this.#wake = resolve))
      this.#wake = null
    }
  }
}
