/** Entry of the child that renders chat templates: see template.ts for the parent's side. */
import { renderJinja, TemplateRaised, type TemplateContext } from '../chat/jinja.ts'
import { serve } from './serve.ts'

export interface TemplateInput {
  template: string
  context: TemplateContext
  /** Local time without zone, '2026-01-02T03:04:05': the child may not know the parent's zone. */
  now: string
}

export type TemplateAnswer = { text: string } | { raised: string }

serve((raw): TemplateAnswer => {
  const { template, context, now } = raw as TemplateInput
  try {
    return { text: renderJinja(template, context, new Date(now)) }
  } catch (error) {
    if (error instanceof TemplateRaised) return { raised: error.message }
    throw error
  }
})
