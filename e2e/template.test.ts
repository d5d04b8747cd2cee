import { afterAll, beforeAll, expect, it } from 'vitest'
import { Kigo } from './kigo.ts'
import { realModel } from './models.ts'

const model = realModel('smollm2')
/** What was said, and nothing around it: the model goes on with code. */
const PLAIN = '{% for m in messages %}{{ m.content }}{% endfor %}'

let kigo: Kigo
beforeAll(async () => {
  kigo = await Kigo.start({ args: [model] })
  await kigo.loaded()
})
afterAll(() => kigo.close())

it('a chat template that does not work is refused at the next load, and the model in use stays', async () => {
  await kigo.page.keyboard.press('Control+,')
  await kigo.page.getByRole('textbox', { name: 'Chat template' }).fill('{% if %}')
  const reload = kigo.page.getByRole('note').getByRole('button', { name: 'Reload' })
  await reload.click()
  await kigo.page.getByText('The chat template of the settings does not work').first().waitFor()
  expect(await kigo.ask('model.state')).toMatchObject({ status: 'loaded', model: { path: model } })
})

it('one that works takes the place of the model’s own, and code keeps its indentation, shown and copied', async () => {
  await kigo.page.getByRole('textbox', { name: 'Chat template' }).fill(PLAIN)
  await kigo.page.getByRole('note').getByRole('button', { name: 'Reload' }).click()
  await expect
    .poll(async () => {
      const state = await kigo.ask('model.state')
      return state.status === 'loaded' && state.model.asked.chatTemplate
    })
    .toBe(PLAIN)
  await kigo.ask('settings.chat', { temperature: 0, maxTokens: 6 })
  await kigo.say('def double(x):\n    # twice x')
  await kigo.finished()
  const reply = kigo.page.locator('article[aria-label="Assistant"]').last()
  expect(await reply.textContent()).toMatch(/^ {4}return x/)
  await kigo.page.getByRole('log').getByRole('button', { name: 'Copy' }).last().click()
  await expect.poll(() => kigo.app.evaluate(({ clipboard }) => clipboard.readText())).toMatch(/^ {4}return x/)
})

it('left no complaint in the console', () => {
  expect(kigo.complaints).toEqual([])
})
