/** Streams entries out of a zip archive, with yauzl (strict about names that climb out of the folder). */
import { chmodSync, createWriteStream, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'

/**
 * @param {string} archive
 * @param {(name: string) => string | null} target where an entry goes, relative to `folder`; null leaves it out
 * @param {string} folder
 */
export async function unzip(archive, folder, target) {
  const { default: yauzl } = await import('yauzl')
  const zip = await new Promise((done, fail) => {
    yauzl.open(archive, { lazyEntries: true, autoClose: true }, (error, file) =>
      error ? fail(error) : done(file),
    )
  })
  await new Promise((done, fail) => {
    zip.on('error', fail)
    zip.on('end', done)
    zip.on('entry', (entry) => {
      extract(zip, entry, folder, target).then(() => zip.readEntry(), fail)
    })
    zip.readEntry()
  })
}

async function extract(zip, entry, folder, target) {
  const name = entry.fileName.endsWith('/') ? null : target(entry.fileName)
  if (name === null) return
  const path = join(folder, name)
  mkdirSync(dirname(path), { recursive: true })
  const stream = await new Promise((done, fail) => {
    zip.openReadStream(entry, (error, opened) => (error ? fail(error) : done(opened)))
  })
  await pipeline(stream, createWriteStream(path))
  const mode = (entry.externalFileAttributes >>> 16) & 0o777
  if (mode) chmodSync(path, mode)
}
