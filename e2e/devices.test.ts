/** GPUs in the window, played by the tests' backend with the CPU's own numbers: a split model, and a GPU that is lost. */
import { afterEach, describe, expect, it } from 'vitest'
import path from 'node:path'
import { Kigo, PATIENCE, root } from './kigo.ts'
import { realModel } from './models.ts'

const model = realModel('smollm2')
const LONG = 'Write a long story about a lighthouse keeper, a storm and a lost ship.'

let kigo: Kigo
afterEach(() => kigo.close())

function start(fake: string, args: string[] = []): Promise<Kigo> {
  const library = path.join(root, 'dist', 'native', 'libkigo_fake.so')
  return Kigo.start({ args, env: { KIGO_GPU_LIBRARY: library, KIGO_FAKE: `compute,${fake}` } })
}

async function lastMessage() {
  const [newest] = await kigo.ask('chat.list')
  return (await kigo.ask('chat.get', { id: newest?.id ?? '' })).messages.at(-1)
}

async function replyTo(text: string) {
  await kigo.say(text)
  await kigo.finished()
  return lastMessage()
}

describe('a model that is larger than the GPU', () => {
  it('has a card that says where it will run, runs there, and says what it says on the CPU', async () => {
    kigo = await start('name=Small GPU,total=200000000')
    const { page } = kigo
    await kigo.drop(model)
    const words = /^(\d+) of 30 layers on Small GPU, the rest on the CPU: expect it about .* by estimate\.$/
    const line = page.getByText(words)
    await line.waitFor()
    const onGpu = Number(words.exec(await line.innerText())?.[1])
    expect(onGpu).toBeGreaterThan(5)
    await page.getByRole('img', { name: /^Memory of Small GPU: / }).waitFor()
    await page.getByRole('img', { name: /^Memory of CPU: / }).waitFor()

    await kigo.ask('settings.chat', { temperature: 0, maxTokens: 24 })
    await page.getByRole('button', { name: 'Load', exact: true }).click()
    await kigo.loaded()
    expect(await kigo.ask('model.state')).toMatchObject({
      model: {
        device: 'fake:0 + cpu',
        placements: [
          { device: 'fake:0', layerFirst: 0, layerLast: onGpu },
          { device: 'cpu', layerFirst: onGpu, layerLast: 30 },
        ],
      },
    })
    await page.getByRole('banner').getByText('partly on the CPU').waitFor()
    const split = await replyTo('Name three colours.')
    expect(split).toMatchObject({ status: 'done' })
    expect(split?.text.length).toBeGreaterThan(5)

    // The haiku test names the devices too.
    await kigo.menu('Haiku test')
    await page
      .getByRole('region', { name: 'Haiku test' })
      .getByText('Small GPU + CPU', { exact: true })
      .waitFor({ timeout: PATIENCE })
    await page.keyboard.press('Escape')

    // Settings: the GPU by its name, and the layers as a number that Kigo chose.
    await page.getByRole('button', { name: 'Settings', exact: true }).click()
    const device = page.getByRole('combobox', { name: 'Device' })
    expect(await device.locator('option').allInnerTexts()).toEqual([
      'Auto',
      'CPU',
      expect.stringMatching(/^Small GPU, \d+ MiB free$/),
    ])
    expect(await page.getByRole('spinbutton', { name: 'GPU layers' }).getAttribute('placeholder')).toBe(
      String(onGpu),
    )
    await device.selectOption({ label: 'CPU' })
    await page.getByText('loaded with').waitFor()
    await page.getByRole('button', { name: 'Reload', exact: true }).click()
    await expect
      .poll(() => kigo.ask('model.state'), { timeout: PATIENCE })
      .toMatchObject({ status: 'loaded', model: { device: 'cpu' } })
    await kigo.menu('New chat')
    await expect.poll(() => kigo.replies.count()).toBe(0)
    expect((await replyTo('Name three colours.'))?.text).toBe(split?.text)
    expect(kigo.complaints).toEqual([])
  })
})

describe('memory that another program took after the plan', () => {
  it('is told with the context that still fits, and the button loads with it: then there is room to reply', async () => {
    kigo = await start('name=Full GPU,total=400000000,oom_at=200000000,driver=20000000')
    await kigo.ask('settings.load', { device: 'fake:0', contextLength: 8192 })
    const answer = await kigo.request('model.load', { path: model })
    expect(answer).toMatchObject({
      ok: false,
      error: { code: 'OUT_OF_MEMORY', data: { device: 'fake:0', nCtx: 8192 } },
    })
    const fits = answer.ok ? 0 : Number(answer.error.data?.['largestContext'])
    expect(fits).toBeGreaterThan(1000)
    const alert = kigo.page.getByRole('alert')
    await alert.getByRole('button', { name: 'Load on the CPU' }).waitFor()
    await alert.getByRole('button', { name: `Load with ${fits.toLocaleString('en-US')} context` }).click()
    await kigo.loaded()
    expect(await kigo.ask('model.state')).toMatchObject({ model: { device: 'fake:0', nCtx: fits } })
    await kigo.ask('settings.chat', { maxTokens: 8 })
    expect(await replyTo('Name three colours.')).toMatchObject({ status: 'done' })
    expect(kigo.complaints).toEqual([])
  })
})

describe('a GPU that is lost in the middle of a reply', () => {
  it('ends the reply, keeps the words, and the way out leads to the CPU', async () => {
    kigo = await start('name=Weak GPU,lost_at=120', [model])
    const { page } = kigo
    await kigo.loaded()
    expect(await kigo.ask('model.state')).toMatchObject({ model: { device: 'fake:0' } })
    await kigo.ask('settings.chat', { temperature: 0, maxTokens: 400 })
    await kigo.say(LONG)
    const alert = page.getByRole('alert')
    await alert.getByRole('heading', { name: 'The fake device is lost' }).waitFor({ timeout: PATIENCE })
    await alert.getByRole('button', { name: 'Restart Kigo' }).waitFor()
    const broken = await lastMessage()
    expect(broken).toMatchObject({
      status: 'failed',
      error: { code: 'DEVICE_LOST', data: { device: 'fake:0' } },
    })
    expect(broken?.text.length).toBeGreaterThan(20)
    expect(await kigo.ask('devices.list')).toMatchObject({
      devices: [{ id: 'fake:0', name: 'Weak GPU', problem: 'The fake device is lost.' }, { id: 'cpu' }],
      noGpu: { code: 'DEVICE_LOST' },
    })

    await alert.getByRole('button', { name: 'Load on the CPU' }).click()
    await kigo.loaded()
    expect(await kigo.ask('model.state')).toMatchObject({ model: { device: 'cpu' } })
    // The way that was taken leads nowhere any more.
    await alert.getByRole('button', { name: 'Load on the CPU' }).waitFor({ state: 'detached' })
    await kigo.ask('settings.chat', { maxTokens: 16 })
    expect(await replyTo('Go on.')).toMatchObject({ status: 'done', stats: { tokens: 16 } })
    expect(await kigo.replies.count()).toBe(2)
    expect(kigo.complaints).toEqual([])
  })
})

describe('a GPU that was chosen and is not here any more', () => {
  it('is said once, for the file in question and in the words of the window', async () => {
    kigo = await Kigo.start()
    await kigo.ask('settings.load', { device: 'cuda:3' })
    await kigo.page.reload()
    await kigo.page.getByRole('button', { name: 'Start with this one' }).click()
    const alert = kigo.page.getByRole('alert')
    await alert.getByRole('heading', { name: 'There is no device "cuda:3" here' }).waitFor()
    await expect.poll(() => kigo.ask('model.state')).toMatchObject({ status: 'failed' })
    expect(await alert.count()).toBe(1)
    expect(await alert.innerText()).toContain(path.basename(model))
    expect(await alert.innerText()).not.toMatch(/--device|`/)
    await alert.getByRole('button', { name: 'Load on the CPU' }).click()
    await kigo.loaded()
    expect(await kigo.ask('model.state')).toMatchObject({ model: { device: 'cpu' } })
    await expect.poll(() => alert.count()).toBe(0)
  })
})

describe('a load that is cancelled while a message waits for it', () => {
  it('leaves the message with a word and a way back to the load, and the focus in the composer', async () => {
    kigo = await start('name=Slow GPU,load_ms=60000')
    const { page } = kigo
    await page.getByRole('button', { name: 'Start with this one' }).click()
    await page.getByRole('heading', { name: 'Loading SmolLM2 135M Instruct' }).waitFor()
    await kigo.say('Hello')
    await page.getByText('Waits until SmolLM2 135M Instruct is loaded').waitFor()
    await page.getByRole('button', { name: 'Cancel loading' }).click()
    const note = page.getByRole('alert')
    await note.getByRole('heading', { name: 'The load was cancelled, so there is no reply' }).waitFor()
    await expect.poll(() => kigo.message.evaluate((element) => element === document.activeElement)).toBe(true)
    await note.getByRole('button', { name: 'Write it again' }).waitFor()
    await note.getByRole('button', { name: 'Load it again' }).click()
    await expect.poll(() => kigo.ask('model.state')).toMatchObject({ status: 'loading', path: model })
    expect(kigo.complaints).toEqual([])
  })
})

describe('a second load while one runs', () => {
  it('takes its place when a person asks for it', async () => {
    kigo = await start('name=Slow GPU,load_ms=60000')
    const { page } = kigo
    await page.getByRole('button', { name: 'Start with this one' }).click()
    await page.getByRole('heading', { name: 'Loading SmolLM2 135M Instruct' }).waitFor()
    await kigo.drop(realModel('gemma3'))
    await page.getByRole('button', { name: 'Load', exact: true }).click()
    await page.getByRole('heading', { name: 'Loading Gemma 3 270m' }).waitFor()
    expect(await kigo.ask('model.state')).toMatchObject({ status: 'loading', path: realModel('gemma3') })
    expect(await page.getByRole('alert').count()).toBe(0)
    // The way that Kigo's own code is refused stays.
    expect(await kigo.request('model.load', { path: model })).toMatchObject({
      ok: false,
      error: { code: 'MODEL_BUSY' },
    })
  })
})
