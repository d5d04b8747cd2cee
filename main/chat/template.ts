import { KigoError } from '../../contract/errors.ts'
import type { TemplateAnswer, TemplateContext, TemplateInput } from '../isolated/template-child.ts'
import { IsolationError, type RunIsolated } from '../isolated/types.ts'
import { resourcePath } from '../resources.ts'

/** Generous: an honest template takes a millisecond for a sample, and some more for a long conversation. */
const MILLISECONDS = 5_000
const OUTPUT_BYTES = 64 * 2 ** 20

/**
 * Renders a chat template in the isolated child. `now` is what strftime_now() tells.
 * Throws TEMPLATE_ERROR (`data.raised` where the template itself raised), or CANCELLED.
 */
export async function renderTemplate(
  run: RunIsolated,
  template: string,
  context: TemplateContext,
  options: {
    now?: Date | undefined
    signal?: AbortSignal | undefined
    milliseconds?: number | undefined
  } = {},
): Promise<string> {
  const input: TemplateInput = { template, context, now: localTime(options.now ?? new Date()) }
  let answer: TemplateAnswer
  try {
    const limits = {
      milliseconds: options.milliseconds ?? MILLISECONDS,
      outputBytes: OUTPUT_BYTES,
      signal: options.signal,
    }
    answer = (await run(resourcePath('main/template-child.js'), input, limits)) as TemplateAnswer
  } catch (error) {
    if (!(error instanceof IsolationError)) throw error
    if (error.reason === 'aborted') throw new KigoError('CANCELLED')
    throw new KigoError(
      'TEMPLATE_ERROR',
      `The chat template ${FAULTS[error.reason]}${error.reason === 'failed' ? `: ${error.message}` : ''}.`,
      {
        data: { reason: error.reason, message: error.message },
        cause: error,
      },
    )
  }
  if ('raised' in answer) {
    throw new KigoError('TEMPLATE_ERROR', `The chat template refuses this conversation: ${answer.raised}`, {
      data: { raised: answer.raised },
    })
  }
  return answer.text
}

const FAULTS = {
  time: 'did not end in time',
  output: 'made a prompt that is far too long',
  crash: 'used up the memory that it may have',
  failed: 'cannot be rendered',
}

/** '2026-01-02T03:04:05' on this process's clock and in its zone. */
function localTime(date: Date): string {
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
}
