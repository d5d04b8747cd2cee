import type { ChatTemplateVerdict } from '../../contract/model.ts'

export interface ChatTurn {
  role: 'system' | 'user' | 'assistant'
  content: string
}

/** A rendered prompt whose user text can be told from the template's own markers. */
export interface RenderedPrompt {
  /** The text as a person would read it: what `kigo template` prints. */
  text: string
  /** The same in pieces: only `template` pieces may become special tokens. Joined they give `text`. */
  parts: { text: string; special: boolean }[]
}

export interface PromptBuilder {
  readonly verdict: ChatTemplateVerdict
  /** One system prompt at most, first. Throws TEMPLATE_ERROR in words. */
  render(turns: ChatTurn[], options?: { addGenerationPrompt?: boolean; thinking?: boolean; signal?: AbortSignal }): Promise<RenderedPrompt>
}
