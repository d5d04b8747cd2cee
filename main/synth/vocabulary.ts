/**
 * A vocabulary of any size for byte-level BPE, made of syllables: "ki", " ki", " kimo", " kimora". Each token but
 * the 256 bytes is what one merge makes of two others, so text is cut up by the same work as with a real vocabulary
 * of that size; what the tokens are is made up.
 */
const CONSONANTS = [...'bdfghjklmnprstvz']
const VOWELS = [...'aeiou']
const SYLLABLES = CONSONANTS.flatMap((consonant) => VOWELS.map((vowel) => consonant + vowel))

export const CONTROL_TOKENS = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'] as const

export interface SynthVocabulary {
  tokens: string[]
  /** tokenizer.ggml.token_type */
  types: number[]
  merges: string[]
  ids: Record<(typeof CONTROL_TOKENS)[number], number>
}

const NORMAL = 1
const CONTROL = 3

/** The least size: bytes and control tokens. */
export const LEAST_VOCABULARY = 256 + CONTROL_TOKENS.length

/** `size` tokens, the control tokens last. */
export function syntheticVocabulary(size: number): SynthVocabulary {
  const tokens = byteLetters()
  const space = tokens[32]!
  const merges: string[] = []
  const normal = size - CONTROL_TOKENS.length
  for (const [left, right] of pairs(space)) {
    if (tokens.length === normal) break
    tokens.push(left + right)
    merges.push(`${left} ${right}`)
  }
  if (tokens.length !== normal) throw new Error(`a vocabulary of ${size} tokens cannot be made`)
  const types = [...tokens.map(() => NORMAL), ...CONTROL_TOKENS.map(() => CONTROL)]
  const ids = Object.fromEntries(CONTROL_TOKENS.map((text, i) => [text, normal + i]))
  tokens.push(...CONTROL_TOKENS)
  return { tokens, types, merges, ids: ids as SynthVocabulary['ids'] }
}

/** The merges in order: letters to syllables, then words of one, two and three of them. */
function* pairs(space: string): Generator<[left: string, right: string]> {
  for (const syllable of SYLLABLES) yield [syllable[0]!, syllable[1]!]
  let words = [space]
  for (let syllables = 1; syllables <= 3; syllables++) {
    const longer: string[] = []
    for (const word of words) {
      for (const syllable of SYLLABLES) {
        longer.push(word + syllable)
        yield [word, syllable]
      }
    }
    words = longer
  }
}

/** How byte-level BPE writes each byte: printable Latin-1 as itself, the others as letters from U+0100 on. */
function byteLetters(): string[] {
  let other = 0x100
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173)
    return String.fromCodePoint(printable ? byte : other++)
  })
}
