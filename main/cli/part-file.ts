import { closeSync, fsyncSync, openSync, renameSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { KigoError } from '../../contract/errors.ts'

/** A file under a temporary name until it is whole. */
export class PartFile {
  readonly #path: string
  readonly #flag: string
  readonly #temporary: string
  #file: number | null

  /**
   * `flag` is what the person gave the path with. INVALID_INPUT, here and below, where the file cannot be written,
   * here too where the disk has less room than `bytes`.
   */
  constructor(path: string, flag: string, bytes = 0) {
    this.#path = path
    this.#flag = flag
    this.#temporary = `${path}.part-${process.pid}`
    const there = this.#try(() => statSync(path, { throwIfNoEntry: false }))
    // It is replaced when all is written, which is not meant for a device such as /dev/full.
    if (there && !there.isFile())
      throw this.#refusal(there.isDirectory() ? 'it is a folder' : 'it is not a file')
    this.#file = this.#try(() => openSync(this.#temporary, 'w'))
    try {
      this.#try(() => this.#checkRoom(bytes))
    } catch (error) {
      this.discard()
      throw error
    }
  }

  /** Writes all of it before it comes back. */
  append(bytes: Uint8Array): void {
    this.#try(() => {
      for (let at = 0; at < bytes.length;) at += writeSync(this.#file!, bytes, at)
    })
  }

  finish(): void {
    this.#try(() => {
      fsyncSync(this.#file!)
      closeSync(this.#file!)
      this.#file = null
      renameSync(this.#temporary, this.#path)
    })
  }

  /** Nothing is left behind of a file that was not finished. */
  discard(): void {
    if (this.#file !== null) closeSync(this.#file)
    this.#file = null
    rmSync(this.#temporary, { force: true })
  }

  #checkRoom(bytes: number): void {
    const { bavail, bsize } = statfsSync(dirname(this.#path))
    const free = bavail * bsize
    if (bytes > free)
      throw this.#refusal(
        `it takes ${gigabytes(bytes)} and the disk has ${gigabytes(free)} free`,
        'Make room, or choose a path on another disk.',
      )
  }

  #try<T>(call: () => T): T {
    try {
      return call()
    } catch (cause) {
      if (cause instanceof KigoError) throw cause
      const full = cause instanceof Error && 'code' in cause && cause.code === 'ENOSPC'
      if (full) throw this.#refusal('the disk is full', 'Make room, or choose a path on another disk.', cause)
      throw this.#refusal(cause instanceof Error ? cause.message : String(cause), undefined, cause)
    }
  }

  #refusal(why: string, hint = `Choose another ${this.#flag}.`, cause?: unknown): KigoError {
    const data = { path: this.#path }
    return new KigoError('INVALID_INPUT', `${this.#path} cannot be written: ${why}.`, { hint, cause, data })
  }
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`
