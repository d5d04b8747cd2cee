/**
 * The pre-tokenizers that GGUF files name in tokenizer.ggml.pre: how each cuts text before byte pairs are merged.
 * Behaviour is llama.cpp's, oddities included, because those are the ids that converted files are used with; the
 * reference data hold every name to it. A name that is not here is refused: a near miss gives wrong text silently.
 */
import { CLASS } from './unicode.ts'
import { matches, type Cut, type Rule } from './pre-split.ts'

export interface PreTokenizer {
  rules: readonly Rule[]
  /** A piece that is a token as a whole is not split and merged again. */
  ignoreMerges?: true
  /** BOS is added unless the file says otherwise. */
  addBos?: true
  /** 'bytes': merges run over bytes (GPT-2's alphabet); 'escaped': over characters, with ▁ for a space. */
  units?: 'escaped'
  /** Runs of line feeds are looked up as a whole (Gemma 4). */
  wholeLineFeeds?: true
  /** Han characters are a class of their own. */
  han?: true
}

// Sets for use within [...] over the class view.
const L = `A-Za-z${CLASS.letter}`
const N = `0-9${CLASS.number}`
const M = CLASS.mark
const P = `!-#%-*,-/:;?@\\[-\\]_{}${CLASS.punctuation}`
const S = `$+<=>^\`|~${CLASS.symbol}`
/** Letters that are not ASCII lower case / upper case: all that the reference knows of case. */
const UPPER = `A-Z${CLASS.letter}`
const LOWER = `a-z${CLASS.letter}`
/** Han characters, where they are a class of their own: letters and the rest of their blocks. */
const HAN_LETTER = '\xd6'
const HAN_OTHER = '\xd7'

const CONTRACTION = "'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])"
const WORD = `[^\\r\\n${L}${N}]?[${L}]+`
const CASED_WORD = (suffix: string, mark = ''): string =>
  `[^\\r\\n${L}${N}]?[${UPPER}${mark}]*[${LOWER}${mark}]+${suffix}|[^\\r\\n${L}${N}]?[${UPPER}${mark}]+[${LOWER}${mark}]*${suffix}`
const MARKED_WORD = `[^\\r\\n${L}${N}]?[${L}${M}]+`
const OTHERS = ` ?[^\\s${L}${N}]+`
const SPACES = '\\s+(?!\\S)|\\s+'
const LINES = `\\s*[\\r\\n]+|${SPACES}`

const classes = (...alternatives: string[]): Rule =>
  matches('classes', new RegExp(alternatives.join('|'), 'g'))
const text = (pattern: string): Rule => matches('text', new RegExp(pattern, 'gu'))

const GPT2 = classes(`'(?:[stmd]|re|ve|ll)`, ` ?[${L}]+`, ` ?[${N}]+`, OTHERS, '\\s+(?!\\S)')
const LLAMA3 = classes(CONTRACTION, WORD, `[${N}]{1,3}`, `${OTHERS}[\\r\\n]*`, LINES)
const QWEN2 = classes(CONTRACTION, WORD, `[${N}]`, `${OTHERS}[\\r\\n]*`, LINES)
const EACH_NUMBER = classes(`[${N}]`)
const NUMBERS_BY_3 = classes(`[${N}]{1,3}`)
const LINES_APART = classes('[^\\n]+|\\n+')
const CHINESE_AND_KANA = text('[一-龥\\u3040-ゟ゠-ヿ]+')
const PUNCTUATED_WORD = `[!-/:-@\\[-\`{-~][A-Za-z]+|[^\\r\\n${L}${P}${S}]?[${L}${M}]+`
/** The reference writes U+3000 into this set but sees it as white space before it looks. */
const DEEPSEEK_PUNCTUATION = text('[\\t-\\r ]?[!-/:-~！-／：-～‘-‟、。]+')
const DEEPSEEK_CHINESE = text('[一-龥\\u0800-一가-\\ud7ff]+')
/** Cased letters, as of an older Unicode. */
const DEEPSEEK_LETTERS = text(
  `[\\t-\\r ]?[${(
    '41-5a 61-7a b5 c0-d6 d8-f6 f8-1ba 1bc-1bf 1c4-293 295-2af 370-373 376 377 37b-37d 37f 386 ' +
    '388-38a 38c 38e-3a1 3a3-3f5 3f7-481 48a-52f 531-556 10a0-10c5 13a0-13f5 13f8-13fd 1c90-1cba ' +
    '1cbd-1cbf 1d00-1d2b 1d6b-1d77 1d79-1d9a 1e00-1f15 1f18-1f1d 1f20-1f45 1f48-1f4d 1f50-1f57 1f59 ' +
    '1f5b 1f5d 1f5f-1f7d 1f80-1fb4 1fb6-1fbc 1fbe 1fc2-1fc4 1fc6-1fcc 1fd0-1fd3 1fd6-1fdb 1fe0-1fec ' +
    '1ff2-1ff4 1ff6-1ffc 2102 2107 210a-2113 2115 2119-211d 2124 2126 2128 212a-212d 212f-2134 2139 ' +
    '213c-213f 2145-2149 214e 2183 2184 2c00-2c7b 2c7e-2ce4 2ceb-2cee 2cf2 2cf3 a640-a66d a680-a69b ' +
    'a722-a76f a771-a787 a78b-a78e ab70-abbf fb00-fb06 fb13-fb17 ff21-ff3a ff41-ff5a 10400-1044f ' +
    '104b0-104d3 104d8-104fb 10c80-10cb2 10cc0-10cf2 118a0-118df 1e900-1e943'
  )
    .replace(/[0-9a-f]+/g, '\\u{$&}')
    .replaceAll(' ', '')}]+`,
)
const NOT_SEPARATORS = text(' ?[^(\\t-\\r |.,!?…。，、।۔،)]+')

/** Runs of `pattern`, each cut by `cutRun` into offsets within the run. Linear where a lookahead would not be. */
function runs(view: Rule['view'], pattern: RegExp, cutRun: (length: number, next: string) => number[]): Rule {
  const cut: Cut = (piece) => {
    const cuts: number[] = []
    for (const { 0: run, index } of piece.matchAll(pattern)) {
      for (const at of cutRun(run.length, piece.charAt(index + run.length))) cuts.push(index + at)
    }
    return cuts
  }
  return { view, cut }
}

/** \s+$, which as an expression takes quadratic time on white space that is not at the end. */
const TRAILING_SPACE: Rule = { view: 'classes', cut: (piece) => [piece.trimEnd().length] }

/** 0, then groups of three counted from the right: 12345 → 0, 2, 5. */
function thousands(length: number): number[] {
  const cuts = [0]
  for (let at = length % 3 || 3; at <= length; at += 3) cuts.push(at)
  return cuts
}

const TABLE: [names: string, PreTokenizer][] = [
  [
    'gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert jina-v1-en jina-v2-code roberta-bpe exaone4 mpt olmo jais trillion granite-docling',
    { rules: [GPT2] },
  ],
  ['starcoder refact command-r smollm codeshell exaone minerva-7b mellum2', { rules: [EACH_NUMBER, GPT2] }],
  [
    'llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano',
    { rules: [LLAMA3], ignoreMerges: true, addBos: true },
  ],
  ['dbrx smaug-bpe glm4 chatglm-bpe', { rules: [LLAMA3] }],
  [
    'minicpm5',
    {
      rules: [NUMBERS_BY_3, classes(CONTRACTION, WORD, `[${N}]+`, `${OTHERS}[\\r\\n]*`, LINES)],
      ignoreMerges: true,
    },
  ],
  [
    'jais-2',
    {
      rules: [
        classes(
          CONTRACTION,
          WORD,
          `[${N}]{1,3}`,
          `${OTHERS}[\\r\\n]*`,
          '\\s*[\\r\\n]+',
          ...[512, 256, 128, 64, 32, 16, 8, 4].map((n) => `\\s{${n}}(?!\\S)`),
          '\\s{1,2}(?!\\S)',
          '\\s',
        ),
      ],
    },
  ],
  ['qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2', { rules: [QWEN2] }],
  ['laguna', { rules: [LINES_APART, QWEN2] }],
  ['ufakzeka', { rules: [classes(WORD, `[${N}]`, `${OTHERS}[\\r\\n]*`, LINES)] }],
  [
    'qwen35',
    { rules: [classes(CONTRACTION, MARKED_WORD, `[${N}]`, ` ?[^\\s${L}${M}${N}]+[\\r\\n]*`, LINES)] },
  ],
  [
    'bailingmoe bailingmoe2 llada-moe',
    { rules: [classes(CONTRACTION, WORD, `[${N}]`, `${OTHERS}[\\r\\n]*`, '\\s*[\\r\\n]', SPACES)] },
  ],
  ['seed-coder', { rules: [classes(CONTRACTION, WORD, `[${N}]`, ` ?[^\\s${L}${N}]+`, LINES)] }],
  [
    'exaone-moe',
    {
      rules: [
        classes(
          CONTRACTION,
          `[^\\r\\n${L}${N}]?[${L}]${M}*(?: ?[${L}]${M}*)*`,
          `[${N}]`,
          `${OTHERS}[\\r\\n/]?`,
          '\\s*[\\r\\n]',
          SPACES,
        ),
      ],
    },
  ],
  [
    'tekken',
    {
      rules: [classes(CASED_WORD(''), `[${N}]`, `${OTHERS}[\\r\\n/]*`, LINES)],
      ignoreMerges: true,
      addBos: true,
    },
  ],
  [
    'gpt-4o llama4 kanana2 talkie minimax-m2',
    { rules: [classes(CASED_WORD(`(?:${CONTRACTION})?`), `[${N}]{1,3}`, `${OTHERS}[\\r\\n/]*`, LINES)] },
  ],
  [
    'granite-embed-multi-97m',
    {
      rules: [classes(CASED_WORD(`(?:${CONTRACTION})?`, M), `[${N}]{1,3}`, `${OTHERS}[\\r\\n/]*`, LINES)],
      ignoreMerges: true,
    },
  ],
  [
    'tiny_aya cohere2moe',
    {
      // \d{1,3}(?=(?:\d{3})*\b): groups from the right, and only where a run of digits ends at a word boundary.
      rules: [
        runs('classes', /\d+/g, (length, next) => (/\w/.test(next) ? [] : thousands(length))),
        classes(`${MARKED_WORD}(?:${CONTRACTION})?`, `[${N}]{1,3}`, `${OTHERS}[\\r\\n/]*`, LINES),
      ],
    },
  ],
  [
    'youtu',
    {
      rules: [
        text('[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥\\u3040-ゟ゠-ヿ]+'),
        classes(`${MARKED_WORD}(?:${CONTRACTION})?`, `[${N}]`, `${OTHERS}[\\r\\n/]*`, LINES),
      ],
      ignoreMerges: true,
    },
  ],
  [
    'superbpe',
    {
      // \p{N}+, then an empty match before every group of three digits counted from the right.
      rules: [
        classes(`[${N}]+`),
        runs('classes', /\d{3,}/g, (length) => thousands(length).slice(length % 3 ? 1 : 0, -1)),
      ],
    },
  ],
  [
    'afmoe',
    {
      // Only the end of each group is cut: what stands before a number stays with its first group.
      rules: [
        runs('classes', new RegExp(`[${N}]+`, 'g'), (length) => thousands(length).slice(1)),
        text(
          '[一-鿿㐀-䶿\\uf900-\\ufaff\\u3040-ゟ゠-ヿ\\uff65-\\uff9f\\u2f00-\\u2fdf\\u0e40-\\u0e7f\\u0e80-\\u0eff\\u1780-\\u17ff\\u1000-\\u109f\\uaa60-\\uaa7f\\ua9e0-\\ua9ff가-\\ud7af\\u1100-\\u11ff]+',
        ),
        classes(PUNCTUATED_WORD, ` ?[${P}${S}]+[\\r\\n]*`, LINES),
      ],
    },
  ],
  [
    'deepseek-v3 hunyuan-dense hy_v4 joyai-llm',
    { rules: [NUMBERS_BY_3, CHINESE_AND_KANA, classes(PUNCTUATED_WORD, ` ?[${P}${S}]+[\\r\\n]*`, LINES)] },
  ],
  [
    'spark2_5',
    {
      rules: [
        NUMBERS_BY_3,
        CHINESE_AND_KANA,
        classes(PUNCTUATED_WORD, ` ?[${P}${S}]+`, '[\\r\\n]', SPACES),
        EACH_NUMBER,
      ],
    },
  ],
  [
    'deepseek-llm',
    {
      rules: [
        classes('[\\r\\n]'),
        DEEPSEEK_LETTERS,
        DEEPSEEK_PUNCTUATION,
        TRAILING_SPACE,
        DEEPSEEK_CHINESE,
        classes(`[${N}]+`),
      ],
    },
  ],
  [
    'deepseek-coder',
    {
      rules: [
        classes('[\\r\\n]'),
        classes(`\\s?[${L}]+`),
        classes(`\\s?[${P}]+`),
        DEEPSEEK_CHINESE,
        EACH_NUMBER,
      ],
    },
  ],
  ['falcon', { rules: [classes(`[${P}$+<=>^~|\`]+`), GPT2, classes('[0-9][0-9][0-9]')] }],
  ['default', { rules: [classes(`[${P}$+<=>^~|]+`), GPT2, classes(`[${N}]+`), classes('[0-9][0-9][0-9]')] }],
  ['bloom gpt3-finnish poro-chat', { rules: [NOT_SEPARATORS] }],
  ['viking', { rules: [NOT_SEPARATORS, EACH_NUMBER] }],
  [
    'chameleon',
    {
      rules: [
        classes('<sentinel:[0-9]+>'),
        classes('IMGIMG[A-I]{1,4}Z'),
        classes('[\\t\\n]|    |  '),
        EACH_NUMBER,
        classes(`[${P}!-/:-@\\[-\`{-~]`),
        GPT2,
      ],
      addBos: true,
    },
  ],
  [
    'kimi-k2',
    {
      rules: [
        classes(
          `[${HAN_LETTER}${HAN_OTHER}]+`,
          `[^\\r\\n${L}${N}${HAN_LETTER}${HAN_OTHER}]?[${L}]+(?:${CONTRACTION})?`,
          `[${N}]{1,3}`,
          ` ?[^\\s${L}${N}${HAN_LETTER}]+[\\r\\n]*`,
          LINES,
        ),
      ],
      han: true,
    },
  ],
  [
    'gemma4 granite-embed-multi-311m',
    { rules: [LINES_APART], units: 'escaped', wholeLineFeeds: true, addBos: true },
  ],
  ['sarvam-moe', { rules: [LINES_APART], units: 'escaped' }],
]

/** By name, as tokenizer.ggml.pre has it. */
export const PRE_TOKENIZERS: ReadonlyMap<string, PreTokenizer> = new Map(
  TABLE.flatMap(([names, preTokenizer]) => names.split(' ').map((name) => [name, preTokenizer] as const)),
)

const HAN_BLOCKS = [
  [0x4e00, 0x9fff],
  [0x3400, 0x4dbf],
  [0x20000, 0x2a6df],
  [0x2a700, 0x2ebef],
  [0xf900, 0xfaff],
  [0x2f800, 0x2fa1f],
] as const

/** A copy of the class table in which Han characters have their own classes. */
export function withHan(classOf: Uint8Array): Uint8Array {
  const letter = CLASS.letter.charCodeAt(0)
  const copy = classOf.slice()
  for (const [first, last] of HAN_BLOCKS) {
    for (let c = first; c <= last; c++)
      copy[c] = (classOf[c] === letter ? HAN_LETTER : HAN_OTHER).charCodeAt(0)
  }
  return copy
}
