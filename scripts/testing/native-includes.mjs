/**
 * The borders of native/: only binding/ sees napi.h, only cuda/ the toolkit, cpu/ and cuda/ never include each other,
 * core/ neither.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../setup/project.mjs'

const RULES = [
  {
    from: /^native\/(?!binding\/)/,
    not: /napi\.h|node_api\.h|node\.h|v8\.h/,
    why: 'only native/binding may see Node',
  },
  { from: /^native\/cpu\//, not: /(^|\/)cuda\//, why: 'native/cpu may not include native/cuda' },
  { from: /^native\/cuda\//, not: /(^|\/)cpu\//, why: 'native/cuda may not include native/cpu' },
  {
    from: /^native\/(?!cuda\/)/,
    not: /^(cuda|cuda_\w+|cublas\w*|nvml)\.h$/,
    why: 'only native/cuda may see the CUDA toolkit',
  },
  {
    from: /^native\/(?!cuda\/|test\/)/,
    not: /^cuda\//,
    why: 'the CUDA twin is a library of its own, which is loaded',
  },
  {
    from: /^native\/cuda\/(?!testing\/)/,
    not: /(^|\/)testing\//,
    why: 'what the tests call is not part of the backend',
  },
  {
    from: /^native\/core\//,
    not: /(^|\/)(cpu|cuda|binding|fake)\//,
    why: 'native/core is below the backends',
  },
]

/** One line for each breach. */
export function nativeIncludeBreaches() {
  return readdirSync(join(root, 'native'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(c|cc|cpp|h|hpp|inl|cu|cuh)$/.test(entry.name))
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(root.length + 1)
        .replaceAll('\\', '/'),
    )
    .flatMap(breachesIn)
}

function breachesIn(file) {
  const includes = [
    ...readFileSync(join(root, file), 'utf8').matchAll(/^\s*#\s*include\s*[<"]([^>"]+)[>"]/gm),
  ]
  return RULES.filter((rule) => rule.from.test(file)).flatMap((rule) =>
    includes
      .filter(([, name]) => rule.not.test(name))
      .map(([, name]) => `${file} includes ${name}: ${rule.why}`),
  )
}
