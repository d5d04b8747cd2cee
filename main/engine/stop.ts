/**
 * Finds stop sequences in text that arrives in pieces. What could still become one is held back, so that a stop
 * sequence is never partly shown; the result does not depend on how the text was cut into pieces.
 */
export class StopMatcher {
  readonly #stops: readonly string[]
  #held = ''

  /** Empty sequences are ignored. */
  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== '')
  }

  /** The text that may be shown now, and whether a stop sequence follows it. After a stop, nothing more is due. */
  push(text: string): { text: string; stopped: boolean } {
    const all = this.#held + text
    const at = this.#firstComplete(all)
    if (at !== null) {
      this.#held = ''
      return { text: all.slice(0, at), stopped: true }
    }
    const free = all.length - this.#suffixThatMayBecomeStop(all)
    this.#held = all.slice(free)
    return { text: all.slice(0, free), stopped: false }
  }

  /** The generation ended: what was held back was no stop sequence after all. */
  flush(): string {
    const rest = this.#held
    this.#held = ''
    return rest
  }

  /** Where the stop sequence begins that is complete first, as if the text came letter by letter. */
  #firstComplete(text: string): number | null {
    const complete = this.#stops
      .map((stop) => ({ begin: text.indexOf(stop), length: stop.length }))
      .filter(({ begin }) => begin >= 0)
      .sort((a, b) => a.begin + a.length - (b.begin + b.length) || a.begin - b.begin)
    return complete[0]?.begin ?? null
  }

  /** None is whole in the text, or it would have been found. */
  #suffixThatMayBecomeStop(text: string): number {
    const lengths = this.#stops.map((stop) => {
      let length = stop.length
      while (!text.endsWith(stop.slice(0, length))) length--
      return length
    })
    return Math.max(0, ...lengths)
  }
}
