/** Numbers in sentences for a person: '131,072'. */
export function grouped(value: number | bigint): string {
  return (typeof value === 'bigint' ? value : Math.round(value)).toLocaleString('en-US')
}

/** Bytes for a person: '11.71 GiB', '312 MiB', '20 KiB', '17 bytes'. */
export function formatBytes(bytes: number): string {
  if (bytes >= 2 ** 30) return `${(bytes / 2 ** 30).toFixed(2)} GiB`
  if (bytes >= 2 ** 20) return `${Math.round(bytes / 2 ** 20)} MiB`
  if (bytes >= 2 ** 10) return `${Math.round(bytes / 2 ** 10)} KiB`
  return `${bytes} ${bytes === 1 ? 'byte' : 'bytes'}`
}
