import { describe, expect, it } from 'vitest'
import { CHAT_SETTINGS_DEFAULTS, ChatSettingsPatch, LoadSettingsPatch } from './sampling.ts'

describe('a patch of settings', () => {
  it('holds the fields that were given and fills in no default', () => {
    expect(ChatSettingsPatch.parse({ topK: 10 })).toEqual({ topK: 10 })
    expect(ChatSettingsPatch.parse({})).toEqual({})
  })

  it('can set a field to null', () => {
    expect(ChatSettingsPatch.parse({ seed: null })).toEqual({ seed: null })
    expect(LoadSettingsPatch.parse({ threads: null })).toEqual({ threads: null })
  })

  it('refuses what the whole settings refuse, and undefined', () => {
    expect(ChatSettingsPatch.safeParse({ temperature: -1 }).success).toBe(false)
    expect(ChatSettingsPatch.safeParse({ temperature: Number.NaN }).success).toBe(false)
    expect(ChatSettingsPatch.safeParse({ temperature: undefined }).success).toBe(false)
  })

  it('knows every field of the settings', () => {
    expect(ChatSettingsPatch.parse(CHAT_SETTINGS_DEFAULTS)).toEqual(CHAT_SETTINGS_DEFAULTS)
  })
})
