import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { haikuProblem } from '../main/haiku/index.ts'
import { Kigo, PATIENCE } from './kigo.ts'
import { realModel } from './models.ts'

const MINUTE = 7
const SEEDS = Array.from({ length: 60 }, (_, i) => i + 1)

let kigo: Kigo
beforeAll(async () => {
  const env = { KIGO_HAIKU_MINUTE: String(MINUTE), KIGO_HAIKU_SEEDS: SEEDS.join(',') }
  kigo = await Kigo.start({ args: [realModel('smollm2')], env })
  await kigo.loaded()
})
afterAll(() => kigo.close())

describe('the haiku test', () => {
  it('in the menu shows a haiku with the minute in its card, the attempts and the time', async () => {
    await kigo.menu('Haiku test')
    const card = kigo.page.getByRole('region', { name: 'Haiku test' })
    await card.waitFor()
    await expect.poll(() => card.innerText(), { timeout: PATIENCE }).toMatch(/attempt/i)
    await expect.poll(() => card.innerText(), { timeout: PATIENCE }).toMatch(/\bseven\b/i)
    await expect.poll(() => card.innerText(), { timeout: PATIENCE }).toMatch(/\d\s*s\b/)
  })

  it('has the focus, and stays where it is when the settings open beside it', async () => {
    const card = kigo.page.getByRole('region', { name: 'Haiku test' })
    await expect.poll(() => card.locator(':focus').count()).toBe(1)
    const settings = kigo.page.getByRole('complementary', { name: 'Settings' })
    await kigo.page.keyboard.press('Control+,')
    await settings.waitFor()
    await kigo.page.keyboard.press('Control+,')
    await settings.waitFor({ state: 'detached' })
    expect(await card.innerText()).toMatch(/\bseven\b/i)
  })

  it('gives the same haiku for the same seeds, and every attempt as it was written', async () => {
    const once = await kigo.ask('haiku.run')
    const twice = await kigo.ask('haiku.run')
    expect(once).toMatchObject({ minute: MINUTE, words: 'seven', ok: true, device: 'cpu' })
    expect(once.attempts.map(({ seed }) => seed)).toEqual(SEEDS.slice(0, once.attempts.length))
    expect(twice.haiku).toBe(once.haiku)
    expect(haikuProblem(once.haiku ?? '', MINUTE)).toBeNull()
    expect(once.attempts.at(-1)?.text).toContain(once.haiku)
  })

  it('is one thing at a time with replies', async () => {
    const answers = await kigo.page.evaluate(() =>
      Promise.all([window.kigo.request('haiku.run', null), window.kigo.request('haiku.run', null)]),
    )
    expect(answers.map((answer) => (answer.ok ? 'ok' : answer.error.code)).toSorted()).toEqual([
      'SESSION_BUSY',
      'ok',
    ])
  })

  it('can be stopped', async () => {
    const answer = await kigo.page.evaluate(async () => {
      const running = window.kigo.request('haiku.run', null)
      await window.kigo.request('haiku.stop', null)
      return running
    })
    expect(answer).toMatchObject({ ok: false, error: { code: 'CANCELLED' } })
  })
})
