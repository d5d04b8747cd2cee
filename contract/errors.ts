/**
 * Every way in which Kigo can fail on purpose: one table for C++, main, the window and the command line.
 * `KIGO_<CODE>` in native/include/kigo/abi.h uses the same names; errors.test.ts holds the two together.
 * `when` is for engineers, `sentence` is what a person reads if the thrower gives nothing more exact,
 * `wayOut` is the hint line: what to do now.
 */
export const ERRORS = {
  MODEL_NOT_FOUND: {
    when: 'the path does not exist (any more), before or while loaded',
    sentence: 'There is no file at this path.',
    wayOut: 'Check the path, or choose the file again.',
  },
  MODEL_UNREADABLE: {
    when: 'the file exists and cannot be opened or read (permission, a folder, an I/O error)',
    sentence: 'The file cannot be read.',
    wayOut: 'Check that it is a file and that you may read it.',
  },
  MODEL_NOT_GGUF: {
    when: 'the magic is not GGUF (the sentence says what the file is), or the version is 1 or unknown, or the byte order is big-endian',
    sentence: 'This is not a GGUF model that Kigo can read.',
    wayOut: 'Choose a .gguf file of version 2 or 3, little-endian.',
  },
  MODEL_TRUNCATED: {
    when: 'the header or a tensor ends beyond the end of the file, a split part is missing, or the file is a piece of one',
    sentence: 'The file is cut short.',
    wayOut: 'Download the file again, whole.',
  },
  MODEL_INVALID: {
    when: 'the header breaks one of the checks of the format, or shapes do not follow from the hyperparameters',
    sentence: 'The file is damaged or was made wrongly.',
    wayOut: 'Download it again, or get it from another source.',
  },
  MODEL_FILE_CHANGED: {
    when: 'size or time of the file changed after its header was read, or pages vanished while it was loaded',
    sentence: 'The model file changed while Kigo was using it.',
    wayOut: 'Load the model again.',
  },
  UNSUPPORTED_ARCHITECTURE: {
    when: 'general.architecture, an option of it, or a tensor is one that the engine does not run, or the file is no language model',
    sentence: 'Kigo does not run this architecture yet.',
    wayOut: 'Choose another model, or another version of this one.',
  },
  UNSUPPORTED_QUANTIZATION: {
    when: 'a tensor has a type that the engine does not run',
    sentence: 'Kigo does not run this quantisation yet.',
    wayOut: 'Choose another quantisation of the same model, for example Q4_K_M or Q8_0.',
  },
  UNSUPPORTED_TOKENIZER: {
    when: 'tokenizer.ggml.model or tokenizer.ggml.pre is one that Kigo does not know',
    sentence: 'Kigo does not know this tokenizer. Guessing would give wrong text, so it was not loaded.',
    wayOut: 'Choose another model, or a newer conversion of this one.',
  },
  OUT_OF_MEMORY: {
    when: 'the memory plan exceeds what is free, or an allocation failed all the same',
    sentence: 'The model does not fit into memory with this context length.',
    wayOut: 'Choose a smaller context length or a smaller model, or close other programs.',
  },
  DEVICE_UNAVAILABLE: {
    when: 'the asked device does not exist, or has no driver or a driver that is too old',
    sentence: 'This device is not available.',
    wayOut: 'Use the CPU, or a device that is here.',
  },
  DEVICE_LOST: {
    when: 'the device stopped answering or reported a sticky error',
    sentence: 'The device stopped answering.',
    wayOut:
      'Go on with the CPU: the conversation is kept. A restart of Kigo ends it, and lets the device be tried again.',
  },
  NO_MODEL: {
    when: 'something that needs a loaded model is asked for while none is loaded',
    sentence: 'No model is loaded.',
    wayOut: 'Open a model first.',
  },
  MODEL_BUSY: {
    when: 'a second load is asked for while one is loading',
    sentence: 'A model is being loaded already.',
    wayOut: 'Wait for it, or cancel it first.',
  },
  MODEL_CLOSED: {
    when: 'a model or session is used after it was closed',
    sentence: 'The model was unloaded.',
    wayOut: 'Load it again.',
  },
  SESSION_BUSY: {
    when: 'a second generation is asked for while one is running in the same session',
    sentence: 'A reply is being written already.',
    wayOut: 'Wait for it, or stop it first.',
  },
  PROMPT_TOO_LONG: {
    when: 'the prompt alone leaves no room for a reply in the context',
    sentence: 'The prompt is longer than the context.',
    wayOut: 'Shorten it, start a new chat, or load the model with a larger context length.',
  },
  NUMERIC_ERROR: {
    when: 'NaN or infinity appeared in the logits',
    sentence: 'The model produced numbers that are not finite, so the reply was ended.',
    wayOut: 'The file may be damaged: check its hash or download it again.',
  },
  TEMPLATE_ERROR: {
    when: 'the chat template cannot be parsed, raises, or exceeds its time or output limit',
    sentence: 'The chat template of this model failed.',
    wayOut: 'Start a new chat, or choose another file of this model.',
  },
  CANCELLED: {
    when: 'a load or another long step was cancelled by the person',
    sentence: 'Cancelled.',
    wayOut: 'Start it again when you like.',
  },
  INVALID_INPUT: {
    when: 'an argument is out of its range: an IPC call, a flag, text that is not UTF-8, a token id',
    sentence: 'This input is not valid.',
    wayOut: 'See the details, correct it and try again.',
  },
  FORBIDDEN: {
    when: 'a request came from a frame that is not the app’s own page',
    sentence: 'This request is not allowed.',
    wayOut: 'Use the window of Kigo itself.',
  },
  STREAM_NOT_FOUND: {
    when: 'a stream is attached to that does not exist or was dropped',
    sentence: 'There is no such stream.',
    wayOut: 'Reload the conversation.',
  },
  DOWNLOAD_FAILED: {
    when: 'a download ended early or what arrived has the wrong hash',
    sentence: 'The download failed.',
    wayOut: 'Check the connection and try again.',
  },
  HAIKU_FAILED: {
    when: 'no attempt of the haiku test passed',
    sentence: 'No attempt held the minute exactly once in three lines.',
    wayOut: 'Try again, or try a larger model.',
  },
  STORE_DAMAGED: {
    when: 'the database of the conversations holds bytes that SQLite did not write',
    sentence: 'The saved conversations are damaged.',
    wayOut: 'Restart Kigo: it keeps the damaged file aside and begins a new one.',
  },
  STORE_NEWER: {
    when: 'the database was written by a newer Kigo',
    sentence: 'The conversations were saved by a newer Kigo.',
    wayOut: 'Start the newer Kigo. Nothing was changed.',
  },
  STORE_UNWRITABLE: {
    when: 'the database cannot be opened, read or written: permission, a full or broken disk, a lock',
    sentence: 'The conversations cannot be saved.',
    wayOut: 'Check that the profile folder is writable and the disk is not full.',
  },
  INTERNAL: {
    when: 'something that should not happen did',
    sentence: 'Something went wrong inside Kigo.',
    wayOut: 'The details and the log help to find out what; please report them.',
  },
} as const satisfies Record<string, { when: string; sentence: string; wayOut: string }>

export type ErrorCode = keyof typeof ERRORS

/** What crosses a boundary (IPC, worker, child): plain data. */
export interface ErrorData {
  code: ErrorCode
  /** One sentence for a person: the thing, then the number, then what follows. */
  message: string
  /** The way out. */
  hint?: string | undefined
  /** Facts for the details view and for tests: key, tensor, byte offset, missing bytes… JSON only. */
  data?: Record<string, unknown> | undefined
}

/** Every expected failure in main and the CLI is one of these. */
export class KigoError extends Error {
  readonly code: ErrorCode
  readonly hint: string
  readonly data: Record<string, unknown> | undefined

  constructor(
    code: ErrorCode,
    message?: string,
    extra: { hint?: string | undefined; data?: Record<string, unknown> | undefined; cause?: unknown } = {},
  ) {
    super(message ?? ERRORS[code].sentence, extra.cause === undefined ? {} : { cause: extra.cause })
    this.name = 'KigoError'
    this.code = code
    this.hint = extra.hint ?? ERRORS[code].wayOut
    this.data = extra.data
  }

  toData(): ErrorData {
    return { code: this.code, message: this.message, hint: this.hint, data: this.data }
  }

  /** Any thrown value as a KigoError; what is not one already becomes INTERNAL with its cause kept. */
  static from(thrown: unknown): KigoError {
    if (thrown instanceof KigoError) return thrown
    if (isErrorData(thrown))
      return new KigoError(thrown.code, thrown.message, {
        hint: thrown.hint,
        data: thrown.data,
        cause: thrown,
      })
    const message = thrown instanceof Error ? thrown.message : String(thrown)
    return new KigoError('INTERNAL', undefined, { data: { message }, cause: thrown })
  }
}

function isErrorData(value: unknown): value is ErrorData {
  return (
    typeof value === 'object' &&
    value !== null &&
    'code' in value &&
    typeof value.code === 'string' &&
    Object.hasOwn(ERRORS, value.code) &&
    'message' in value &&
    typeof value.message === 'string'
  )
}
