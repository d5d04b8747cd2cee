/** A model as the app holds it: the engine's, one session with the KV cache, and the way to prompt it. */
import { KigoError } from '../../contract/errors.ts'
import type { MemoryOutlook, Placement } from '../../contract/model.ts'
import { Model, type Session } from '../engine/index.ts'
import type { GgufFileIdentity } from '../gguf/types.ts'
import type { RunIsolated } from '../isolated/types.ts'
import type { OpenModel, OpenModelOptions } from '../models/current.ts'
import { createPromptBuilder, templateOfSettings } from './prompt.ts'
import type { ChatModel } from './replies.ts'
import type { PromptBuilder } from './types.ts'

export class LoadedModel implements ChatModel, OpenModel {
  readonly engine: Model
  readonly session: Session
  readonly prompts: PromptBuilder

  private constructor(engine: Model, session: Session, prompts: PromptBuilder) {
    this.engine = engine
    this.session = session
    this.prompts = prompts
  }

  /** Fails with everything that Model.open() and createSession() say; nothing is left behind then. */
  static async open(path: string, options: OpenModelOptions, run: RunIsolated): Promise<LoadedModel> {
    const engine = await Model.open(path, { ...options, lowPriority: true })
    try {
      const { metadata, facts, templateTokens } = engine.tokenizer
      const prompts = await createPromptBuilder({
        metadata,
        facts,
        tokensOf: templateTokens,
        given: templateOfSettings(options),
        run,
        signal: options.signal,
      })
      if (options.signal.aborted) throw new KigoError('CANCELLED')
      return new LoadedModel(engine, await engine.createSession(), prompts)
    } catch (error) {
      await engine.close()
      throw error
    }
  }

  get name(): string {
    return this.engine.name
  }
  get device(): string {
    return this.engine.device
  }
  get placements(): Placement[] {
    return this.engine.placements
  }
  get nCtx(): number {
    return this.session.nCtx
  }
  get threads(): number {
    return this.engine.threads
  }
  get loadMs(): number {
    return this.engine.loadMs
  }
  get memory(): MemoryOutlook {
    return this.engine.memory
  }
  get files(): readonly GgufFileIdentity[] {
    return this.engine.tokenizer.gguf.files
  }
  get tokenizer(): Model['tokenizer'] {
    return this.engine.tokenizer
  }

  onDeath(listener: (error: KigoError) => void): void {
    this.engine.tokenizer.onDeath(listener)
  }

  inUse(): Record<string, number> {
    return this.engine.inUse()
  }

  close(): Promise<void> {
    return this.engine.close()
  }
}
