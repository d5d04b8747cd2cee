import { describe, expect, it } from 'vitest'
import { learnWords, type Sample, type TokensOf } from './words.ts'

const FACTS = { controlTexts: ['<|end|>'] }

/** A sample with one question, a reply, and what stands behind the reply; then perhaps a further question. */
const sample = (behind: string, next = ''): Sample => ({
  text: `<|user|>question<|bot|>reply${behind}${next}`,
  said: next === '' ? ['question', 'reply'] : ['question', 'reply', next],
  reply: 'reply',
})

const stopOf = async (behind: string, next = ''): Promise<readonly string[]> =>
  (await learnWords('', [sample(behind, next)], FACTS, undefined)).stop

/** Notes what a vocabulary is asked. */
function asking(answer: Awaited<ReturnType<TokensOf>>) {
  const asked: { written: string; behind: readonly string[] }[] = []
  const tokensOf: TokensOf = (written, behind) => {
    asked.push({ written, behind })
    return answer
  }
  return { asked, tokensOf }
}

describe('what a vocabulary is asked about a template', () => {
  it('is its source and what it wrote around the sample, without what was said', async () => {
    const { asked, tokensOf } = asking({ markers: [], ends: [] })
    await learnWords('SOURCE', [sample('<|over|>', 'further'), sample('<|over|>')], FACTS, tokensOf)
    expect(asked).toHaveLength(1)
    expect(asked[0]?.written.split('\n')).toEqual([
      ...['SOURCE', '<|user|>', '<|bot|>', '<|over|>', ''],
      ...['<|user|>', '<|bot|>', '<|over|>'],
    ])
  })

  it('is what stands between the reply and whatever was said next', async () => {
    const { asked, tokensOf } = asking({ markers: [], ends: [] })
    await learnWords('', [sample('<|over|>\n', 'further'), sample('<|shut|>')], FACTS, tokensOf)
    expect(asked[0]?.behind).toEqual(['<|over|>\n', '<|shut|>'])
  })

  it('is what stands behind the last place of the reply, up to the first thing that was said', async () => {
    const { asked, tokensOf } = asking({ markers: [], ends: [] })
    const text = 'reply, question, reply[end]third[then]second'
    await learnWords('', [{ text, said: ['question', 'second', 'third'], reply: 'reply' }], FACTS, tokensOf)
    expect(asked[0]?.behind).toEqual(['[end]'])
  })
})

describe('how a template ends a reply', () => {
  it('is by a stop text alone where no vocabulary is there to ask', async () => {
    expect(await learnWords('', [sample('[over]')], FACTS, undefined)).toEqual({
      markers: [],
      endTokens: [],
      stop: ['[over]'],
    })
  })

  it('is by tokens, each named once; a place without one says nothing', async () => {
    const { tokensOf } = asking({ markers: ['[over]'], ends: [7, null, 0, 7] })
    const samples = [sample('[over]', 'next'), sample('[over]')]
    expect(await learnWords('', samples, FACTS, tokensOf)).toEqual({
      markers: ['[over]'],
      endTokens: [7, 0],
      stop: [],
    })
  })

  it('needs no stop text where a token stands there, behind white space too', async () => {
    for (const behind of ['<|end|>', '\n<|end|>\n', ' <|end|>']) expect(await stopOf(behind)).toEqual([])
    const { tokensOf } = asking({ markers: ['[over]'], ends: [] })
    expect((await learnWords('', [sample('[over]')], FACTS, tokensOf)).stop).toEqual([])
  })

  it('needs none where a token stands behind one of two samples', async () => {
    const samples = [sample('[over]', 'next'), sample('<|end|>')]
    expect((await learnWords('', samples, FACTS, undefined)).stop).toEqual([])
  })

  it('is no token that stands further behind', async () => {
    expect(await stopOf('[over]<|end|>')).toEqual(['[over]'])
  })

  it('is the same stop text of several samples once', async () => {
    const samples = [sample('[over]', 'next'), sample('[over]'), sample('[shut]')]
    expect((await learnWords('', samples, FACTS, undefined)).stop).toEqual(['[over]', '[shut]'])
  })
})

describe('a stop text', () => {
  it.each([
    ['is a marker in angle brackets', '<|over|>\n<|user|>', '<|over|>'],
    ['is a marker in square brackets', '[/INST] [INST]', '[/INST]'],
    ['is a marker behind white space, without it', ' \n<over>', '<over>'],
    ['is no bracket with a space in it: then it is the line', '<a b>', '<a b>'],
    ['is no square bracket with a space in it: then it is the line', '[a b] c', '[a b] c'],
    ['is no empty bracket: then it is the line', '<> over', '<> over'],
    ['is no empty square bracket: then it is the line', '[] over', '[] over'],
    ['is no marker further behind: then it is the line', 'over <end>', 'over <end>'],
    ['is a first line that holds something', 'User: \nhello', 'User:'],
    ['keeps one line feed before its line', '\n\n### user:\n', '\n### user:'],
    ['keeps a line feed behind a space', ' \n User:', '\nUser:'],
    ['keeps no space before its line', '  User:', 'User:'],
    ['may be two characters', '\nU:', '\nU:'],
  ])('%s', async (_, behind, stop) => {
    expect(await stopOf(behind)).toEqual([stop])
  })

  it.each([[''], ['\n'], [' \n '], ['"'], ['\n"\nmore'], ['\n}']])('is none in %j', async (behind) => {
    expect(await stopOf(behind, 'next')).toEqual([])
  })
})
