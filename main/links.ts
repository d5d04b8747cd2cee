/**
 * Which links leave the page for the system's own programs, and as what. They come from a model's text, so nothing is
 * passed on that was not understood. No Electron: tested under Node.
 */

/** Longer ones cannot be shown whole, and some systems cut them. */
const MAX_LINK = 2000
const MAX_SUBJECT = 200
const MAX_BODY = 2000
/** Characters of a mail's text that the person is shown, on one line. */
const SHOWN_BODY = 300

export interface Link {
  /** What is opened. */
  url: string
  /** All of it, as the person is asked. */
  shown: string
}

/** The link as it may be opened, or why it may not. */
export function readLink(text: string): Link | { refusal: string } {
  if (!URL.canParse(text)) return { refusal: 'it is no address' }
  const url = new URL(text)
  if (url.protocol === 'mailto:') return readMail(url)
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    return { refusal: `${url.protocol} is not opened` }
  // "https://bank.example@elsewhere" goes elsewhere.
  if (url.username || url.password) return { refusal: 'it has a name or a password in it' }
  // As the URL standard writes it: a host of look-alike letters is shown by its ASCII name.
  if (url.href.length > MAX_LINK) return { refusal: 'it is too long to be shown' }
  return { url: url.href, shown: url.href }
}

/** One address, a subject and a body: nothing that attaches a file or adds a reader that is not seen. */
function readMail(url: URL): Link | { refusal: string } {
  const address = decoded(url.pathname)
  if (
    address === null ||
    !/^[^\s@<>()[\]\\,;:"%&?/]+@[^\s@<>()[\]\\,;:"%&?/]+$/.test(address) ||
    address.length > 254
  )
    return { refusal: 'it has not one plain address' }
  // Not URLSearchParams: in a mail's address + is a plus.
  const fields = new Map(
    url.search
      .slice(1)
      .split('&')
      .map((field): [string, string] => {
        const at = field.indexOf('=')
        return [field.slice(0, at).toLowerCase(), decoded(field.slice(at + 1)) ?? '']
      }),
  )
  const subject = (fields.get('subject') ?? '').replace(/\p{Cc}+/gu, ' ').slice(0, MAX_SUBJECT)
  const body = (fields.get('body') ?? '')
    .replace(/\r\n?/g, '\n')
    .replace(/[^\P{Cc}\n\t]/gu, '')
    .slice(0, MAX_BODY)
  const query = [
    ...(subject ? [`subject=${encoded(subject)}`] : []),
    ...(body ? [`body=${encoded(body.replaceAll('\n', '\r\n'))}`] : []),
  ]
  const mail = `mailto:${address.split('@').map(encoded).join('@')}${query.length > 0 ? `?${query.join('&')}` : ''}`
  const text = body.replace(/\s+/g, ' ').slice(0, SHOWN_BODY)
  const shown = [
    address,
    ...(subject ? [`Subject: ${subject}`] : []),
    ...(body ? [`Text: ${text}${text.length < body.length ? ' …' : ''}`] : []),
  ].join('\n')
  return { url: mail, shown }
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

/** encodeURIComponent() fails where half a character was cut off. */
const encoded = (text: string): string => encodeURIComponent(Buffer.from(text).toString())
