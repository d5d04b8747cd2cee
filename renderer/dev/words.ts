/** What the harness's models say. */
export const MIN_P = [
  'Min-p scales its cut with the model’s confidence. Top-p keeps the smallest set that adds up to P, which is hundreds of poor tokens when the distribution is flat. Min-p keeps every token that reaches a fraction of the best one.',
  'Sure, inside a word: the best token has 0.98, top-p 0.95 keeps 1, min-p 0.05 keeps 1.\nUsual, next noun: 0.31, 46 and 9.\nFlat, start of a name: 0.02, 1,874 and 212.',
  'export function minP(probs: Float32Array, p: number): number[] {\n  const best = probs.reduce((a, b) => Math.max(a, b), 0)\n  const kept: number[] = []\n  probs.forEach((x, i) => { if (x >= p * best) kept.push(i) })  // the best one stays\n  return kept\n}',
  'Order matters: min-p runs before temperature, so heat never brings a cut token back.',
].join('\n\n')

export const ON_DEVICE = [
  'A true single pass needs the maximum in advance. Without it, reduce across the warp first and let the second loop hit the cache:',
  'for (int i = threadIdx.x; i < n; i += 32) best = fmaxf(best, probs[i]);\nfor (int d = 16; d; d >>= 1) best = fmaxf(best, __shfl_xor_sync(~0u, best, d));\nconst float cut = p * best;  // every lane now agrees',
  'The second loop reads from L2, not from memory: 152 k floats are 600 kB. If you keep the candidates in registers, the second loop is gone altogether, and the cost is one ballot a step. That is worth it only while the kept set stays below a warp, which for min-p it does.',
].join('\n\n')

export const CANBERRA =
  'Canberra was chosen in 1908 as a compromise between Sydney and Melbourne, the two largest cities, neither of which would accept the other. It lies roughly between them, closer to Sydney, and parliament moved there in 1927.'

export const SCRIPTS = [
  'שלום, זה משפט בעברית עם English באמצע ומספר 42.',
  'هذه فقرة بالعربية، وفيها كلمة GGUF ورقم 8,192.',
  'これは日本語の段落です。俳句は三行で、季語が一つ入ります。古池や蛙飛びこむ水の音。',
  '这是一段中文，没有空格也要正确换行。한국어 문장도 여기에 있습니다.',
  '👩‍👩‍👧‍👦 🏳️‍🌈 🇯🇵 👍🏽 é ñ ü  zalgo: Z̷̢̛a̶l̵g̸o̴',
  'https://example.com/' + 'a-very-long-path-segment-without-any-break/'.repeat(6),
  'Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen'.repeat(3),
  'An unclosed override \u202Eevil.exe stays in its line.\nThe next line is not turned round.',
].join('\n\n')
