/**
 * How busy the window's main thread is while a recorded reply is replayed at 300 and 1,500 tokens a second,
 * below a transcript of 500 messages, with no engine running: `npm run bench -- renderer [SECONDS]`.
 * Exits 1 if the 99th percentile of its tasks reaches 33 ms. Needs a Chromium (CHROMIUM names one).
 *
 * Counted are the tasks of at least 1 ms (tens of thousands of empty ones would flatter any percentile), from
 * Chromium's own trace, and the time from one animation frame to the next. The replay itself runs in the page
 * and is part of what is measured.
 */
import { openBrowser } from '../renderer/dev/browser.mjs'

const RATES = [300, 1500]
const LIMIT_MS = 33
/** Characters of a token of the recording, and of the text that it repeats. */
const PER_TOKEN = 4
const RECORDING = 640
const WIDTHS = [12, 8, 8, 8, 10, 8, 9, 8, 8, 12]

/**
 * Prints a table and returns its rows, times in ms.
 * @param {string[]} args
 */
export async function renderer([seconds = '12']) {
  const browser = await openBrowser()
  const rows = []
  console.log(
    'tok/s   tasks ≥ 1 ms   p50 ms   p99 ms   max ms   (CPU p50      p99)   frames   p50 ms   p99 ms   characters',
  )
  try {
    for (const tokensPerSecond of RATES) {
      const row = await replay(browser, tokensPerSecond, Number(seconds))
      rows.push(row)
      const { tasks, cpu, frames, characters } = row
      const cells = [
        tasks.count,
        tasks.p50,
        tasks.p99,
        tasks.max,
        cpu.p50,
        cpu.p99,
        frames.count,
        frames.p50,
        frames.p99,
        characters,
      ]
      console.log(
        [String(tokensPerSecond).padEnd(7), ...cells.map((cell, i) => String(cell).padStart(WIDTHS[i]))].join(
          ' ',
        ),
      )
    }
  } finally {
    await browser.close()
  }
  if (rows.some(({ tasks }) => tasks.p99 >= LIMIT_MS)) {
    console.error(`The 99th percentile of a task reaches ${LIMIT_MS} ms.`)
    process.exitCode = 1
  }
  return rows
}

async function replay(browser, tokensPerSecond, seconds) {
  const repeat = Math.ceil((tokensPerSecond * PER_TOKEN * (seconds + 2)) / RECORDING)
  const page = await browser.open(`scene=long&rate=${tokensPerSecond}&repeat=${repeat}`)
  await page.getByRole('textbox', { name: 'Message' }).fill('Replay')
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Stop' }).waitFor()
  await page.waitForTimeout(1000)
  await browser.browser.startTracing(page, {
    categories: ['toplevel', 'disabled-by-default-devtools.timeline'],
  })
  const frames = await page.evaluate(
    (ms) =>
      new Promise((resolve) => {
        const times = []
        const end = performance.now() + ms
        const tick = (now) => {
          times.push(now)
          if (now < end) requestAnimationFrame(tick)
          else resolve(times.slice(1).map((time, i) => time - times[i]))
        }
        requestAnimationFrame(tick)
      }),
    seconds * 1000,
  )
  const trace = JSON.parse((await browser.browser.stopTracing()).toString())
  const characters = await page
    .getByRole('article', { name: 'Assistant' })
    .last()
    .evaluate((article) => article.innerText.length)
  await page.context().close()
  const tasks = mainThreadTasks(trace.traceEvents)
  return {
    tokensPerSecond,
    tasks: summary(tasks.map(({ wall }) => wall)),
    cpu: summary(tasks.map(({ cpu }) => cpu)),
    frames: summary(frames),
    characters,
  }
}

/** The top tasks of the page's main thread: of the renderers', the one that ran most. Wall clock and CPU, in ms. */
function mainThreadTasks(events) {
  const mains = events.filter(
    (event) => event.ph === 'M' && event.name === 'thread_name' && event.args.name === 'CrRendererMain',
  )
  const byThread = mains.map(({ pid, tid }) =>
    events
      .filter(
        (event) => event.pid === pid && event.tid === tid && event.ph === 'X' && event.name === 'RunTask',
      )
      .map((event) => ({ wall: event.dur / 1000, cpu: (event.tdur ?? event.dur) / 1000 })),
  )
  const ran = (tasks) => tasks.reduce((total, { wall }) => total + wall, 0)
  const busiest = byThread.sort((a, b) => ran(b) - ran(a))[0]
  if (!busiest?.length) throw new Error('The trace holds no task of the page’s main thread.')
  return busiest.filter(({ wall }) => wall >= 1)
}

function summary(durations) {
  const sorted = durations.toSorted((a, b) => a - b)
  const at = (share) =>
    Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(2))
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) }
}
