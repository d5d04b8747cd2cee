import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** A folder of its own for a test's files. */
export class TempFiles {
  readonly dir = mkdtempSync(path.join(tmpdir(), 'kigo-gguf-'))

  /** Writes a file and returns its path. */
  write(bytes: Buffer, name = 'test.gguf'): string {
    const file = path.join(this.dir, name)
    writeFileSync(file, bytes)
    return file
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true })
  }
}
