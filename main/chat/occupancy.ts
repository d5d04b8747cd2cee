import { KigoError } from '../../contract/errors.ts'

/** The engine writes one thing at a time: a reply, or the haiku test. Who comes second is told so. */
export class Occupancy {
  #taken = false

  get taken(): boolean {
    return this.#taken
  }

  /** Takes the engine; the returned function gives it back. SESSION_BUSY where it is taken. */
  take(): () => void {
    if (this.#taken) throw new KigoError('SESSION_BUSY')
    this.#taken = true
    let given = false
    return () => {
      if (!given) this.#taken = false
      given = true
    }
  }
}
