import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { inherited, Kigo, newProfile, removeProfile, root, sandbox } from './kigo.ts'
import { realModel } from './models.ts'

const profiles: string[] = []
afterEach(() => {
  for (const profile of profiles.splice(0)) removeProfile(profile)
})
function freshProfile(): string {
  const profile = newProfile()
  profiles.push(profile)
  return profile
}

describe('a second instance', () => {
  it('hands its file over, brings the first to the front, and ends', async () => {
    const kigo = await Kigo.start()
    const started = spawn(
      process.env['KIGO_TEST_ELECTRON'] ?? '',
      [root, ...sandbox(), path.relative(root, realModel('smollm2'))],
      {
        cwd: root,
        env: { ...inherited(), KIGO_USER_DATA: kigo.profile },
        stdio: 'ignore',
      },
    )
    const code = await new Promise((resolve) => started.once('exit', resolve))
    expect(code).toBe(0)
    // As for a drop: the card is shown, with the whole path from the relative one.
    await kigo.page.getByRole('button', { name: /^Load/ }).first().waitFor()
    expect(await kigo.app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().length)).toBe(1)
    await kigo.close()
  })
})

describe('the next start', () => {
  it('knows the last model’s name and the settings, and loads nothing by itself', async () => {
    const profile = freshProfile()
    const first = await Kigo.start({ profile, args: [realModel('smollm2')] })
    await first.loaded()
    await first.ask('settings.chat', { temperature: 0.25, systemPrompt: 'Be brief.' })
    await first.resize(1000, 700)
    const state = await first.ask('model.state')
    await first.close()

    const second = await Kigo.start({ profile })
    expect(await second.ask('app.info')).toMatchObject({
      chatSettings: { temperature: 0.25, systemPrompt: 'Be brief.' },
    })
    if (state.status !== 'loaded') throw new Error(state.status)
    const name = state.model.inspection.name
    expect(await second.ask('model.state')).toEqual({
      status: 'none',
      lastPath: realModel('smollm2'),
      lastName: name,
    })
    await second.page.getByRole('banner').getByText(name).first().waitFor()
    expect(await second.page.evaluate(() => [window.innerWidth, window.innerHeight])).toEqual([1000, 700])

    // Enter is enough: the model is loaded for what was written.
    await second.ask('settings.chat', { maxTokens: 4 })
    await second.say('Hello')
    await second.loaded()
    await second.finished()
    expect((await second.lastReply.innerText()).length).toBeGreaterThan(1)
    await second.page.getByRole('button', { name: 'Unload model' }).click()
    await second.page.getByRole('button', { name: `Load ${name} again` }).click()
    await second.loaded()
    await second.page.getByRole('button', { name: /^Context: / }).waitFor()
    await second.close()
  })

  it('with settings that cannot be read keeps them aside and says so', async () => {
    const profile = freshProfile()
    writeFileSync(path.join(profile, 'settings.json'), '{"version":1,"chat":{"temp')
    const kigo = await Kigo.start({ profile })
    await kigo.page.getByRole('alert').filter({ hasText: 'settings' }).waitFor()
    const kept = readdirSync(profile).filter((name) => name.startsWith('settings.unreadable-'))
    expect(kept).toHaveLength(1)
    expect(readFileSync(path.join(profile, kept[0] ?? ''), 'utf8')).toBe('{"version":1,"chat":{"temp')
    await kigo.close()
  })

  it('with a file that is not there says so, and the way out works', async () => {
    const kigo = await Kigo.start({ args: ['/no/such/model.gguf'] })
    const alert = kigo.page.getByRole('alert')
    await alert.getByRole('button', { name: 'Find it' }).waitFor()
    expect(await alert.innerText()).toContain('model.gguf')
    // It was never in a list.
    expect(await alert.getByRole('button', { name: 'Remove from the list' }).count()).toBe(0)
    expect(await kigo.ask('model.state')).toMatchObject({
      status: 'failed',
      error: { code: 'MODEL_NOT_FOUND' },
    })
    await kigo.ask('model.load', { path: realModel('smollm2') })
    await kigo.loaded()
    await kigo.message.waitFor()
    await kigo.close()
  })
})

describe('quitting', () => {
  it('in the middle of a load does not hang', async () => {
    const kigo = await Kigo.start()
    await kigo.grant(realModel('gemma3'))
    void kigo.page
      .evaluate((file) => window.kigo.request('model.load', { path: file }), realModel('gemma3'))
      .catch(() => {})
    await expect.poll(() => kigo.ask('model.state').then((state) => state.status)).toMatch(/loading|loaded/)
    await kigo.close()
  })

  it('in the middle of a reply does not hang', async () => {
    const kigo = await Kigo.start({ args: [realModel('smollm2')] })
    await kigo.loaded()
    await kigo.say('Write a very long story.')
    await kigo.stop.waitFor()
    await kigo.close()
  })

  it.skipIf(process.platform === 'win32').each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'by %s, as at the end of a session, keeps what was set a moment before, also once settings were saved',
    async (signal) => {
      const kigo = await Kigo.start()
      const gone = new Promise((resolve) => kigo.app.process().once('exit', resolve))
      const saved = (): string => readFileSync(path.join(kigo.profile, 'settings.json'), 'utf8')
      await kigo.ask('settings.chat', { systemPrompt: 'Answer in prose.' })
      await expect.poll(() => readdirSync(kigo.profile)).toContain('settings.json')
      await expect.poll(saved).toContain('Answer in prose.')
      await kigo.ask('settings.chat', { systemPrompt: 'Answer in verse.' })
      await kigo.app
        .evaluate((_electron, name) => void process.kill(process.pid, name), signal)
        .catch(() => {})
      expect(await gone).toBe(0)
      expect(saved()).toContain('Answer in verse.')
      removeProfile(kigo.profile)
    },
  )

  it('by the window’s own button ends the program, and keeps what was set a moment before', async () => {
    const kigo = await Kigo.start()
    const gone = new Promise((resolve) => kigo.app.process().once('exit', resolve))
    await kigo.page.getByRole('button', { name: 'Settings', exact: true }).click()
    await kigo.page.getByRole('textbox', { name: 'System prompt' }).waitFor()
    // In one go, so that no time passes between the last letter and the button.
    await kigo.page.evaluate(() => {
      document.querySelector<HTMLTextAreaElement>('#system-prompt')?.focus()
      document.execCommand('insertText', false, 'Answer in verse.')
      document.querySelector<HTMLButtonElement>('button[aria-label="Close"]')?.click()
    })
    expect(await gone).toBe(0)
    const settings = JSON.parse(readFileSync(path.join(kigo.profile, 'settings.json'), 'utf8')) as object
    expect(settings).toMatchObject({ chat: { systemPrompt: 'Answer in verse.' } })
    removeProfile(kigo.profile)
  })
})

describe('a page that crashes', () => {
  it('is started again with every word, and the reply goes on', async () => {
    const kigo = await Kigo.start({ args: [realModel('smollm2')] })
    await kigo.loaded()
    await kigo.ask('settings.chat', { maxTokens: 200, seed: 3 })
    await kigo.say('Write a long story.')
    await kigo.stop.waitFor()
    await kigo.app.evaluate(({ BrowserWindow }) =>
      BrowserWindow.getAllWindows()[0]?.webContents.forcefullyCrashRenderer(),
    )
    const state = () =>
      inPage(
        kigo,
        "document.querySelectorAll('article').length + ' ' + document.querySelectorAll('[role=alert]').length",
      )
    await expect.poll(state, { timeout: 30_000 }).toMatch(/^2 [1-9]/)
    await kigo.close()
  })

  it('has what was being typed again, after a crash and after a reload, until it is sent', async () => {
    const kigo = await Kigo.start({ args: [realModel('smollm2')] })
    await kigo.loaded()
    await kigo.ask('settings.chat', { maxTokens: 4 })
    const typed = 'First line\nand a thought that is not'
    await kigo.message.fill(typed)
    await kigo.page.reload()
    await expect.poll(() => kigo.message.inputValue()).toBe(typed)
    await kigo.message.press('Enter')
    await kigo.finished()
    await kigo.page.reload()
    await kigo.lastReply.waitFor()
    expect(await kigo.message.inputValue()).toBe('')

    await kigo.message.fill(typed)
    await kigo.message.press('End')
    await kigo.message.pressSequentially(' finished')
    const id = (await kigo.ask('chat.list'))[0]?.id ?? ''
    await expect.poll(async () => (await kigo.ask('chat.get', { id })).draft).toBe(`${typed} finished`)
    await kigo.app.evaluate(({ BrowserWindow }) =>
      BrowserWindow.getAllWindows()[0]?.webContents.forcefullyCrashRenderer(),
    )
    const shown = () => inPage(kigo, "document.querySelector('.compose textarea').value")
    await expect.poll(shown, { timeout: 30_000 }).toBe(`${typed} finished`)
    await kigo.close()
  })

  it('and an exception in main is logged and shown, not a silent death', async () => {
    const kigo = await Kigo.start()
    await kigo.app.evaluate(() => {
      setTimeout(() => {
        throw new Error('thrown by a test')
      }, 0)
    })
    await kigo.page.getByRole('alert').first().waitFor()
    await expect
      .poll(() => readFileSync(path.join(kigo.profile, 'logs', 'kigo.log'), 'utf8'))
      .toContain('thrown by a test')
    expect(await kigo.request('app.info')).toMatchObject({ ok: true })
    await kigo.close()
  })
})

/**
 * A script's value in a page that crashed: Playwright has given that page up, so main looks into it. What is sent in the
 * moment of the crash is never answered: each look has its limit.
 */
function inPage(kigo: Kigo, script: string): Promise<string> {
  return kigo.app.evaluate(({ BrowserWindow }, code) => {
    const look = BrowserWindow.getAllWindows()[0]?.webContents.executeJavaScript(code) as Promise<string>
    return Promise.race([
      look.catch(() => 'not yet'),
      new Promise<string>((resolve) => setTimeout(() => resolve('no answer'), 1000)),
    ])
  }, script)
}
