/** The documents name files: each of them must exist. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../setup/project.mjs'

const DOCUMENTS = ['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md']
const OURS = /^(contract|main|renderer|native|e2e|bench|scripts|assets)\/[\w./*-]+$/

/** One line for each name of a file that is not there. */
export function brokenNames() {
  return DOCUMENTS.flatMap((document) => {
    const text = readFileSync(join(root, document), 'utf8')
    const links = [...text.matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, target]) => target)
    const names = [...text.matchAll(/`([^`\n]+)`/g)].map(([, name]) => name)
    const paths = [
      ...links.filter((target) => !/^https?:/.test(target)),
      ...names.filter((name) => OURS.test(name)),
    ]
    return paths
      .filter((path) => !isThere(path))
      .map((path) => `${document} names ${path}, which is not there`)
  })
}

function isThere(path) {
  if (!path.includes('*')) return existsSync(join(root, path))
  const [folder, pattern] = [path.slice(0, path.lastIndexOf('/')), path.slice(path.lastIndexOf('/') + 1)]
  const name = new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`)
  return existsSync(join(root, folder)) && readdirSync(join(root, folder)).some((entry) => name.test(entry))
}
