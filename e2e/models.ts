/** Model files for the tests in the window: the real ones, and copies that may be harmed. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { modelPath, type TestModel } from '../main/testing/golden.ts'

/** Path of a real model. There is no window test without it, so its absence is a failure. */
export function realModel(name: TestModel): string {
  const file = modelPath(name)
  if (!file)
    throw new Error(`The model ${name} is not there: \`node scripts/fetch-model.mjs ${name}\` fetches it.`)
  return file
}

/** A folder of copies, whose name has a space and letters beyond ASCII. */
export class Copies {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'kigo models für '))

  of(name: TestModel, as: string): string {
    const copy = path.join(this.folder, as)
    copyFileSync(realModel(name), copy)
    return copy
  }

  at(name: string): string {
    return path.join(this.folder, name)
  }

  delete(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
