import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CONTENT_SECURITY_POLICY, fileForUrl, isAppUrl, mimeType } from './app-files.ts'

const folder = path.join(path.sep, 'opt', 'kigo app', 'dist', 'renderer')

describe('fileForUrl', () => {
  it('serves the index for the root and files by their name', () => {
    expect(fileForUrl(folder, 'app://kigo/')).toBe(path.join(folder, 'index.html'))
    expect(fileForUrl(folder, 'app://kigo/?theme=dark#x')).toBe(path.join(folder, 'index.html'))
    expect(fileForUrl(folder, 'app://kigo/assets/a%20b.js')).toBe(path.join(folder, 'assets', 'a b.js'))
  })

  it.each([
    'app://kigo/../secret',
    'app://kigo/..%2f..%2fetc/passwd',
    'app://kigo/%2e%2e/%2e%2e/etc/passwd',
    'app://kigo/%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd',
    'app://kigo/..%5c..%5cwindows',
    'app://kigo/a%00.html',
    'app://kigo/%',
    'app://other/index.html',
    'app://user@kigo/index.html',
    'file:///etc/passwd',
    'https://kigo/index.html',
    'not a url',
  ])('refuses %s, or keeps it inside the folder', (url) => {
    const file = fileForUrl(folder, url)
    if (file !== null) expect(file.startsWith(folder + path.sep)).toBe(true)
    else expect(file).toBeNull()
  })

  it('refuses encoded ways out, hosts that are not ours, and other schemes', () => {
    expect(fileForUrl(folder, 'app://kigo/..%2f..%2fetc/passwd')).toBeNull()
    expect(fileForUrl(folder, 'app://kigo/x/..%2f..%2f..%2frenderer-secret')).toBeNull()
    expect(fileForUrl(folder, 'app://kigo/..%2frenderer-of-another/x.js')).toBeNull()
    expect(fileForUrl(folder, 'app://other/index.html')).toBeNull()
    expect(fileForUrl(folder, 'file:///etc/passwd')).toBeNull()
  })

  it('never leaves the folder, whatever the path', () => {
    const part = fc.constantFrom(
      '..',
      '.',
      '%2e%2e',
      '%2f',
      '%5c',
      '/',
      '\\',
      'a',
      '%00',
      ' ',
      ':',
      'C:',
      '~',
      '%252e',
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const file = fileForUrl(folder, `app://kigo/${parts.join('')}`)
        expect(file === null || file.startsWith(folder + path.sep)).toBe(true)
      }),
      { seed: 1, numRuns: 2000 },
    )
  })
})

describe('the page', () => {
  it('is told from everything else by scheme and host', () => {
    expect(isAppUrl('app://kigo/')).toBe(true)
    for (const url of [
      'app://kigo.evil/',
      'app://evil/kigo',
      'file:///kigo',
      'https://kigo/',
      'about:blank',
      '',
    ]) {
      expect(isAppUrl(url)).toBe(false)
    }
  })

  it('may load nothing from elsewhere and run nothing inline', () => {
    expect(CONTENT_SECURITY_POLICY).toContain("default-src 'none'")
    expect(CONTENT_SECURITY_POLICY).not.toMatch(/unsafe|http|\*/)
  })

  it('gets types that its files need', () => {
    expect(mimeType('/x/index.html')).toBe('text/html; charset=utf-8')
    expect(mimeType('/x/a.WOFF2')).toBe('font/woff2')
    expect(mimeType('/x/a.bin')).toBe('application/octet-stream')
  })
})
