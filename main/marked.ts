/**
 * Chromium and Node's part of Electron take what looks like one of their switches for it, wherever it stands: a prompt
 * `--log-net-log=FILE` would overwrite that file. So scripts/packaged/kigo writes `=` before each argument, and this
 * takes it away. Null: an argument has none, so it may have been taken for a switch already.
 */
export function unmarked(marked: readonly string[]): string[] | null {
  return marked.every((argument) => argument.startsWith('=')) ? marked.map((text) => text.slice(1)) : null
}
