/**
 * The C ABI between Kigo and its backends (cpu, cuda, the tests' fake): one table of function pointers.
 *
 * A backend library exports one symbol, `kigo_backend` (KIGO_BACKEND_SYMBOL), which returns its table. Nothing
 * of C++ crosses: no exception, no STL type, no object that one side allocates and the other frees.
 *
 * Units. Tokens and positions count from 0; sizes are bytes; times are milliseconds. Shapes are written
 * row-major, slowest first: [n_tokens][n_embd]. Real vectors are float32.
 *
 * Errors. A function returns kigo_status. Anything but KIGO_OK leaves a message and details for
 * `last_error()`, which belongs to the calling thread and stands until that thread's next call. An object on
 * which a call failed can still be closed; what else it can do is said at each function.
 *
 * Threads. A model and its sessions are used by one thread at a time (the caller's model thread). Only
 * `model_tally` and `session_length` may be called from any thread meanwhile; callbacks run on the calling
 * thread of the function they were given to.
 */
#ifndef KIGO_ABI_H
#define KIGO_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KIGO_ABI_VERSION 5u
#define KIGO_BACKEND_SYMBOL "kigo_backend"

/** The table of contract/errors.ts, by name and in its order. A backend returns those that concern it. */
typedef enum kigo_status {
  KIGO_OK = 0,
  KIGO_MODEL_NOT_FOUND = 1,
  KIGO_MODEL_UNREADABLE = 2,
  KIGO_MODEL_NOT_GGUF = 3,
  KIGO_MODEL_TRUNCATED = 4,
  KIGO_MODEL_INVALID = 5,
  KIGO_MODEL_FILE_CHANGED = 6,
  KIGO_UNSUPPORTED_ARCHITECTURE = 7,
  KIGO_UNSUPPORTED_QUANTIZATION = 8,
  KIGO_UNSUPPORTED_TOKENIZER = 9,
  KIGO_OUT_OF_MEMORY = 10,
  KIGO_DEVICE_UNAVAILABLE = 11,
  KIGO_DEVICE_LOST = 12,
  KIGO_NO_MODEL = 13,
  KIGO_MODEL_BUSY = 14,
  KIGO_MODEL_CLOSED = 15,
  KIGO_SESSION_BUSY = 16,
  KIGO_PROMPT_TOO_LONG = 17,
  KIGO_NUMERIC_ERROR = 18,
  KIGO_TEMPLATE_ERROR = 19,
  KIGO_CANCELLED = 20,
  KIGO_INVALID_INPUT = 21,
  KIGO_FORBIDDEN = 22,
  KIGO_STREAM_NOT_FOUND = 23,
  KIGO_DOWNLOAD_FAILED = 24,
  KIGO_HAIKU_FAILED = 25,
  KIGO_STORE_DAMAGED = 26,
  KIGO_STORE_NEWER = 27,
  KIGO_STORE_UNWRITABLE = 28,
  KIGO_INTERNAL = 29,
} kigo_status;

/** One fact about an error: `text`, or `number` where text is NULL. Keys are camelCase, as in JSON. */
typedef struct kigo_detail {
  const char* key;
  const char* text;
  double number;
} kigo_detail;

/**
 * What went wrong in the calling thread's last failed call. `message` is one sentence for a person, UTF-8.
 * Details in use: tensor, type, layer, path, missingBytes, neededBytes, freeBytes, largestContext, tokens, nCtx,
 * device.
 */
typedef struct kigo_error {
  kigo_status status;
  const char* message;
  const kigo_detail* details;
  int32_t n_details;
} kigo_error;

/** Asked between layers, within large products and between steps of loading; a non-zero answer ends the call with
 *  KIGO_CANCELLED. */
typedef struct kigo_cancel {
  int (*poll)(void* context);
  void* context;
} kigo_cancel;

/* ---- what a model is ------------------------------------------------------------------------------------ */

enum { KIGO_MIXER_ATTENTION = 0 };
enum { KIGO_FFN_DENSE = 0 };
enum { KIGO_ACTIVATION_SILU = 0, KIGO_ACTIVATION_GELU = 1 };
/** Which dimensions of a head turn together: (2i, 2i+1), or (i, i + n_rot/2). */
enum { KIGO_ROPE_NORM = 0, KIGO_ROPE_NEOX = 1 };

/** One layer. Biases, q/k norms and post norms are on where their tensors exist. */
typedef struct kigo_layer_config {
  int32_t mixer;
  int32_t ffn;
  int32_t n_head;
  int32_t n_head_kv;
  int32_t head_dim; /* of q, k and v alike */
  int32_t n_ff;
  int32_t activation;
  int32_t rope;
  int32_t n_rot;             /* dimensions of a head that turn; even */
  int32_t yarn_original_ctx; /* 0: no YaRN; else rope_scale is 1/factor */
  int32_t rope_freqs;        /* angles are divided by rope_freqs.weight, where that tensor exists */
  int32_t window;            /* position i sees j when i - j < window; 0: all */
  double rope_base;
  double rope_scale;   /* angles are multiplied by it */
  double rope_mscale;  /* cos and sin are multiplied by it */
  double attn_scale;   /* scores are multiplied by it */
  double attn_softcap; /* c in c·tanh(score/c); 0: off */
} kigo_layer_config;

typedef struct kigo_config {
  uint32_t struct_size;
  int32_t n_layer;
  int32_t n_embd;
  int32_t n_vocab;
  int32_t n_ctx_train;
  double norm_eps;
  double embedding_scale;          /* 1: off */
  double logit_softcap;            /* 0: off */
  const kigo_layer_config* layers; /* [n_layer] */
} kigo_config;

/** A tensor's place in a file. `type` is ggml's id; dims fastest first, unused ones 1. */
typedef struct kigo_tensor {
  const char* name;
  uint32_t type;
  uint32_t n_dims;
  uint64_t dims[4];
  uint32_t file; /* index into files */
  uint64_t offset;
  uint64_t bytes;
} kigo_tensor;

/** A file as it was when its header was read; it must still be so. */
typedef struct kigo_file {
  const char* path; /* UTF-8 */
  uint64_t bytes;
  double mtime_ms; /* since the epoch, with fraction */
} kigo_file;

typedef struct kigo_model_desc {
  uint32_t struct_size;
  const kigo_config* config;
  const kigo_tensor* tensors;
  uint32_t n_tensors;
  const kigo_file* files;
  uint32_t n_files;
} kigo_model_desc;

typedef struct kigo_model_options {
  uint32_t struct_size;
  int32_t device;       /* index among the backend's devices */
  int32_t exact;        /* reference mode: float32 activations and KV, weights dequantised row by row */
  int32_t threads;      /* CPU; 0: physical cores that the process may use */
  int32_t low_priority; /* CPU: worker threads yield to the rest of the machine */
  /** Layers held, [layer_first, layer_last); 0 and 0: all. The model that holds layer 0 embeds, the one that
   *  holds the last layer computes logits; hidden states pass between them through `forward`. */
  int32_t layer_first;
  int32_t layer_last;
} kigo_model_options;

/** Bytes. */
typedef struct kigo_memory {
  uint64_t weights;
  uint64_t kv;
  uint64_t workspace;
} kigo_memory;

typedef struct kigo_device_info {
  char id[32]; /* "cpu", "cuda:0": what --device takes */
  char name[128];
  char detail[512]; /* CPU: instruction set in use, cores; GPU: compute capability, driver, which cuBLAS or why none */
  uint64_t total_bytes;
  uint64_t free_bytes;
  /** Of the free ones, what the driver takes itself once a model runs there, which no plan knows; CPU: 0. At most: it
   *  may have taken a part of it already. A model and its session fit where `plan` is within the rest. */
  uint64_t driver_bytes;
  int32_t threads;         /* CPU: threads by default; GPU: 0 */
  double bytes_per_second; /* that it reads of its memory at best, nominal; 0: not known */
} kigo_device_info;

typedef struct kigo_load {
  kigo_cancel cancel;                                                         /* poll may be NULL */
  void (*progress)(void* context, uint64_t done_bytes, uint64_t total_bytes); /* may be NULL */
  void* progress_context;
} kigo_load;

/* ---- running it ----------------------------------------------------------------------------------------- */

typedef struct kigo_model kigo_model;
typedef struct kigo_session kigo_session;

typedef struct kigo_session_options {
  uint32_t struct_size;
  int32_t n_ctx;   /* positions that the cache holds */
  int32_t n_batch; /* most tokens of one `forward`; 1 … n_ctx */
} kigo_session_options;

enum { KIGO_LOGITS_NONE = 0, KIGO_LOGITS_LAST = 1, KIGO_LOGITS_ALL = 2 };

/**
 * Appends `n_tokens` to the cache and computes them.
 *
 * LAST keeps the last token's logits in the session, for `sample` and `decode_next`, and copies them to
 * `logits_out` [n_vocab] where that is given. ALL hands every token's logits to `on_rows` in slices of a size
 * that the backend chooses, in order: `rows` is [n_rows][n_vocab], valid during the call; a non-zero answer
 * cancels. The last row is kept as with LAST. Where only probabilities are wanted, `targets` and `logprobs_out`
 * spare the transfer: with ALL, one of `on_rows` and `targets` or both are given.
 */
typedef struct kigo_forward {
  uint32_t struct_size;
  const int32_t* tokens; /* [n_tokens], always: the penalties look at them */
  int32_t n_tokens;      /* 1 … n_batch */
  int32_t logits;
  const float* hidden_in; /* [n_tokens][n_embd]; where the model does not hold layer 0, else NULL */
  float* hidden_out;      /* [n_tokens][n_embd]; where it does not hold the last layer, else NULL */
  float* logits_out;
  int (*on_rows)(void* context, int32_t first_row, int32_t n_rows, const float* rows);
  void* rows_context;
  const int32_t* targets; /* [n_tokens]: the token that followed each of `tokens`; -1: none. Or NULL */
  double* logprobs_out;   /* [n_tokens]: natural log-probability of each target; 0 where there is none */
  kigo_cancel cancel;
} kigo_forward;

/**
 * Order: penalties, top-k, top-p, min-p, temperature, one draw. Each cut uses the softmax at temperature 1
 * renormalised over the survivors. top_k 0, top_p 1, min_p 0, repeat_penalty 1, the other penalties 0 are off;
 * temperature 0 takes the best. At least one token survives each cut; among equals the lower id is the better. The
 * draw at position p is Philox(seed, p) over the survivors in order of id, so that the same seed gives the same text.
 * A logit that the penalties would carry beyond float32 becomes the largest or the smallest number of float32.
 */
typedef struct kigo_sampling {
  uint32_t struct_size;
  float temperature;
  int32_t top_k;
  float top_p;
  float min_p;
  float repeat_penalty;
  int32_t repeat_last_n; /* tokens back, prompt included, that the three penalties look; 0: none */
  float presence_penalty;
  float frequency_penalty;
  uint64_t seed;
  int32_t n_top; /* candidates to report, 0 … KIGO_MAX_TOP */
  /** [n_exempt], ascending: tokens that no penalty touches, as those that end a reply. Read by `sampling_begin` alone;
   *  NULL where there are none. */
  const int32_t* exempt;
  int32_t n_exempt;
} kigo_sampling;

enum { KIGO_MAX_TOP = 10 };

typedef struct kigo_candidate {
  int32_t id;
  float logprob; /* natural logarithm */
} kigo_candidate;

/** What leaves the device for a token. */
typedef struct kigo_token_record {
  int32_t id;
  float logprob; /* at temperature 1, before any sampler */
  int32_t n_top;
  int32_t n_kept;
  kigo_candidate top[KIGO_MAX_TOP];  /* best first, at temperature 1, before any sampler */
  kigo_candidate kept[KIGO_MAX_TOP]; /* best first, as the draw saw them: after cuts and temperature */
} kigo_token_record;

typedef struct kigo_backend_api {
  uint32_t abi_version; /* KIGO_ABI_VERSION */
  uint32_t struct_size; /* sizeof(kigo_backend_api) */
  const char* name;     /* "cpu", "cuda", "fake" */

  /** The calling thread's last error; status KIGO_OK where there was none. Never NULL. */
  const kigo_error* (*last_error)(void);

  /** Number of devices. DEVICE_UNAVAILABLE: the backend cannot run here, in words (no driver, driver too old). */
  kigo_status (*device_count)(int32_t* count);
  /** INVALID_INPUT: no such index. */
  kigo_status (*device_info)(int32_t index, kigo_device_info* info);

  /**
   * What a model with one session takes, exactly: equal to `model_tally` after `model_open` and `session_open`
   * with the same arguments. What a driver takes besides is driver_bytes of the device. Reads no file. Errors: those of
   * `model_open` that concern the description.
   */
  kigo_status (*plan)(const kigo_model_desc* desc, const kigo_model_options* options,
                      const kigo_session_options* session, kigo_memory* plan);

  /**
   * Checks the description again, finds every tensor, loads. The description is not needed afterwards.
   * Errors: MODEL_NOT_FOUND, MODEL_UNREADABLE, MODEL_FILE_CHANGED, MODEL_TRUNCATED, MODEL_INVALID,
   * UNSUPPORTED_ARCHITECTURE, UNSUPPORTED_QUANTIZATION, OUT_OF_MEMORY, DEVICE_UNAVAILABLE, DEVICE_LOST,
   * CANCELLED; all of them leave nothing behind.
   */
  kigo_status (*model_open)(const kigo_model_desc* desc, const kigo_model_options* options, const kigo_load* load,
                            kigo_model** model);
  /** Its sessions must be closed. NULL is allowed. */
  void (*model_close)(kigo_model* model);
  /** Bytes in use now by the model and its sessions, by the allocators' own count. Any thread. */
  kigo_status (*model_tally)(kigo_model* model, kigo_memory* tally);

  /** An empty cache. Errors: INVALID_INPUT, OUT_OF_MEMORY (nothing is left behind), DEVICE_LOST. */
  kigo_status (*session_open)(kigo_model* model, const kigo_session_options* options, kigo_session** session);
  /** NULL is allowed. */
  void (*session_close)(kigo_session* session);
  /** Tokens in the cache. Any thread. */
  kigo_status (*session_length)(kigo_session* session, int32_t* length);
  /** Forgets everything behind the first `length` tokens; the kept logits too. INVALID_INPUT: longer than it is. */
  kigo_status (*session_truncate)(kigo_session* session, int32_t length);

  /**
   * See kigo_forward. After an error the cache is as long as before, and valid. Errors: INVALID_INPUT (a token
   * outside the vocabulary, too many), PROMPT_TOO_LONG (no room in the cache), CANCELLED, NUMERIC_ERROR
   * (details name layer, tensor and type where the first number that is not finite arose),
   * MODEL_NOT_FOUND / MODEL_FILE_CHANGED (the model is dead: close it), DEVICE_LOST (so is the device).
   */
  kigo_status (*forward)(kigo_session* session, const kigo_forward* forward);

  /** Sets the sampler. Starts no work. INVALID_INPUT: a number out of its range. */
  kigo_status (*sampling_begin)(kigo_session* session, const kigo_sampling* sampling);
  /**
   * Draws from the kept logits the token that would stand at position `session_length`; appends nothing.
   * INVALID_INPUT: no logits are kept. For models whose layers are split: forward on each part, then sample on
   * the last.
   */
  kigo_status (*sample)(kigo_session* session, kigo_token_record* record);
  /**
   * One step of generation, for a model that holds all layers: appends the token that the previous
   * `decode_next` drew (the first one appends nothing), and draws the next. A backend may run ahead (launch the
   * step of token t before the host has read t): `session_length` and later calls never show it. Errors are
   * those of `forward` and `sample`; PROMPT_TOO_LONG means that the drawn token has no room.
   */
  kigo_status (*decode_next)(kigo_session* session, const kigo_cancel* cancel, kigo_token_record* record);
  /**
   * Ends a run of decode_next: what was launched ahead is dropped, the last drawn token is not in the cache. After a
   * run no logits are kept, on a backend that runs ahead; `forward` makes new ones.
   */
  kigo_status (*decode_end)(kigo_session* session);
} kigo_backend_api;

typedef const kigo_backend_api* (*kigo_backend_fn)(void);

#ifdef __cplusplus
}
#endif

#endif
