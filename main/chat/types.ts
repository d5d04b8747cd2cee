import type { ChatTemplateVerdict } from '../../contract/model.ts'

export interface ChatTurn {
  role: 'system' | 'user' | 'assistant'
  content: string
}

/**
 * A rendered prompt whose user text can be told from the template's own markers: the template's markers become
 * special tokens, the same words typed by a person do not.
 */
export interface RenderedPrompt {
  /** The text as a person would read it: what `kigo template` prints. */
  text: string
  /**
   * Offsets into `text` (UTF-16 units, ascending) that no special token may span. One stands wherever a message
   * could have a part in a special token; plain text runs on across them.
   */
  barriers: number[]
  /** Texts that the template writes as special tokens, though the file types them as ordinary text. */
  markers?: readonly string[] | undefined
}

export interface PromptBuilder {
  readonly verdict: ChatTemplateVerdict
  /** Tokens that end a turn in this way of prompting; the vocabulary knows most of them by name already. */
  readonly endTokens: readonly number[]
  /** Stop sequences where the end of a turn is no token; mostly none. */
  readonly stop: readonly string[]
  /** One system prompt at most, first. Throws TEMPLATE_ERROR in words. */
  render(
    turns: readonly ChatTurn[],
    options?: { addGenerationPrompt?: boolean; thinking?: boolean; signal?: AbortSignal },
  ): Promise<RenderedPrompt>
}
