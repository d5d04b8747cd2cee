import { describe, expect, it } from 'vitest'
import { readLink } from './links.ts'

describe('a link', () => {
  it('to the web is opened as it is shown, whole', () => {
    const url = 'https://example.com/a/b?c=d&e=%20f#g'
    expect(readLink(url)).toEqual({ url, shown: url })
    expect(readLink('http://example.com')).toEqual({
      url: 'http://example.com/',
      shown: 'http://example.com/',
    })
  })

  it('to a host of look-alike letters is shown by its ASCII name', () => {
    expect(readLink('https://аpple.com/')).toMatchObject({ shown: 'https://xn--pple-43d.com/' })
  })

  it.each([
    ['a file', 'file:///etc/passwd'],
    ['a share', 'smb://host/share'],
    ['another program', 'ms-msdt:/id PCWDiagnostic'],
    ['a script', 'javascript:alert(1)'],
    ['data', 'data:text/html,x'],
    ['the app itself', 'app://kigo/'],
    ['a settings page', 'x-apple.systempreferences:'],
    ['what pretends to be elsewhere', 'https://bank.example@evil.example/'],
    ['what is too long to be shown', `https://example.com/${'a'.repeat(2000)}`],
    ['no address', 'example'],
    ['a mail to nobody', 'mailto:'],
    ['a mail to two', 'mailto:a@example.com,b@example.com'],
    ['a mail with a header in its address', 'mailto:a@example.com%0d%0abcc:b@example.com'],
    ['a mail with a switch for an address', 'mailto:%22-X%22@example.com'],
    ['a mail with broken escapes', 'mailto:a%E9@example.com'],
  ])('to %s is not opened', (_what, url) => {
    expect(readLink(url)).toEqual({ refusal: expect.any(String) })
  })

  it('to an address is cut to address, subject and body', () => {
    expect(
      readLink(
        'mailto:a+b@example.com?Subject=Hi%20there+you&cc=c@example.com&bcc=d@example.com&attach=/etc/passwd&body=one%0D%0Atwo%00',
      ),
    ).toEqual({
      url: 'mailto:a%2Bb@example.com?subject=Hi%20there%2Byou&body=one%0D%0Atwo',
      shown: 'a+b@example.com\nSubject: Hi there+you\nText: one two',
    })
    expect(readLink('mailto:a@example.com')).toEqual({
      url: 'mailto:a@example.com',
      shown: 'a@example.com',
    })
  })

  it('to an address keeps a header out of its subject', () => {
    expect(readLink('mailto:a@example.com?subject=x%0d%0aBcc:%20b@example.com')).toMatchObject({
      url: 'mailto:a@example.com?subject=x%20Bcc%3A%20b%40example.com',
    })
  })

  it('to an address whose text was cut in the middle of a character still opens', () => {
    expect(
      readLink(`mailto:a@example.com?body=${encodeURIComponent('a'.repeat(1999) + '😀')}`),
    ).toMatchObject({
      url: expect.stringMatching(/%EF%BF%BD$/),
    })
  })
})
