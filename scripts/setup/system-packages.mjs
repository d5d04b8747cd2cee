/**
 * Programs, shared libraries and fonts that come from the system. Presence is checked by looking for the files
 * themselves (a few dozen `stat`s), so it is right on any distribution and needs no stamp.
 */
import { existsSync, readFileSync } from 'node:fs'
import { findProgram, run, say, SetupError } from './project.mjs'

/** `t64`: Debian 13, Ubuntu 24.04 and what is made of them have the package under another name. */
const NEEDS = {
  build: [
    { package: 'g++', programs: ['g++', 'c++'] },
    { package: 'cmake', programs: ['cmake'] },
    { package: 'make', programs: ['make'] },
  ],
  electron: [
    { package: 'libnss3', library: 'libnss3.so' },
    { package: 'libgtk-3-0', t64: true, library: 'libgtk-3.so.0' },
    { package: 'libasound2', t64: true, library: 'libasound.so.2' },
    { package: 'libgbm1', library: 'libgbm.so.1' },
    { package: 'libdrm2', library: 'libdrm.so.2' },
    { package: 'libcups2', t64: true, library: 'libcups.so.2' },
    { package: 'libatk-bridge2.0-0', t64: true, library: 'libatk-bridge-2.0.so.0' },
    { package: 'libatspi2.0-0', t64: true, library: 'libatspi.so.0' },
    { package: 'libxkbcommon0', library: 'libxkbcommon.so.0' },
    { package: 'libxcomposite1', library: 'libXcomposite.so.1' },
    { package: 'libxdamage1', library: 'libXdamage.so.1' },
    { package: 'libxfixes3', library: 'libXfixes.so.3' },
    { package: 'libxrandr2', library: 'libXrandr.so.2' },
    { package: 'libudev1', library: 'libudev.so.1' },
    { package: 'fonts-dejavu-core', folder: '/usr/share/fonts' },
  ],
  /** The default model may have to come as a Python wheel. */
  pip: [
    { package: 'python3', programs: ['python3'] },
    { package: 'python3-pip', programs: ['pip3', 'pip'] },
  ],
  tests: [
    { package: 'xvfb', programs: ['Xvfb'] },
    { package: 'chromium', programs: ['chromium', 'chromium-browser', 'google-chrome'] },
    {
      package: 'doctest-dev',
      files: ['/usr/include/doctest/doctest.h', '/usr/local/include/doctest/doctest.h'],
    },
    { package: 'clang-format', programs: ['clang-format', 'clang-format-14'] },
    { package: 'fonts-noto-cjk', files: ['/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc'] },
    { package: 'fonts-noto-color-emoji', files: ['/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf'] },
  ],
}

const MULTIARCH = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' }[process.arch] ?? ''
const LIBRARY_FOLDERS = [
  `/usr/lib/${MULTIARCH}`,
  `/lib/${MULTIARCH}`,
  '/usr/lib64',
  '/lib64',
  '/usr/lib',
  '/lib',
  '/usr/local/lib',
]

function isThere(need) {
  if (need.programs) return findProgram(...need.programs) !== null
  if (need.library) return LIBRARY_FOLDERS.some((folder) => existsSync(`${folder}/${need.library}`))
  return (need.files ?? [need.folder]).some((path) => existsSync(path))
}

/**
 * Installs what the groups lack where this is root on a Debian; otherwise says the one line to run and stops.
 * @param {(keyof typeof NEEDS)[]} groups
 */
export async function systemPackages(groups) {
  const wanted = groups.flatMap((group) => NEEDS[group])
  if (process.platform !== 'linux') return checkProgramsOnly(wanted)
  const missing = wanted.filter((need) => !isThere(need))
  if (missing.length === 0) return

  const t64 = isRenamed(process.report.getReport().header.glibcVersionRuntime)
  const names = missing.map((need) => (need.t64 && t64 ? `${need.package}t64` : need.package))
  if (!isDebian()) {
    throw new SetupError(
      `These are missing on this system (Debian's names for them): ${names.join(' ')}`,
      "Install them with your system's package manager and run the command again.",
    )
  }
  const install = ['install', '-y', '--no-install-recommends', ...names]
  if (process.getuid() !== 0) {
    throw new SetupError(
      'Some system packages are missing, and only root may install them. Run this line, then the command again:',
      `sudo apt-get update && sudo apt-get ${install.join(' ')}`,
    )
  }
  say(`Installing system packages: ${names.join(' ')}`)
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  const wait = ['-o', 'DPkg::Lock::Timeout=300', '-q']
  if ((await run('apt-get', [...wait, 'update'], { env })) !== 0)
    say('apt-get update failed; trying with the lists that are there')
  const status = await run('apt-get', [...wait, ...install], { env })
  const still = missing.filter((need) => !isThere(need))
  if (status !== 0 || still.length > 0) {
    throw new SetupError(
      `apt-get ended with status ${status}; still missing: ${still.map((need) => need.package).join(' ') || 'nothing'}`,
      'Look at its output above, mend what it names, and run the command again.',
    )
  }
}

function checkProgramsOnly(wanted) {
  const missing = wanted.filter((need) => need.programs?.includes('cmake') && !isThere(need))
  if (missing.length > 0)
    throw new SetupError(
      'CMake is missing.',
      'Install CMake and a C++20 compiler, and run the command again.',
    )
}

function isDebian() {
  let text = ''
  try {
    text = readFileSync('/etc/os-release', 'utf8')
  } catch {
    // no such file: not a Debian
  }
  const field = (name) => new RegExp(`^${name}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1] ?? ''
  return /\b(debian|ubuntu)\b/.test(`${field('ID')} ${field('ID_LIKE')}`) && findProgram('apt-get') !== null
}

/** The C library tells it: derivatives number and name their releases as they like (Mint 22 is Ubuntu 24.04). */
export function isRenamed(glibc = '0.0') {
  const [major, minor] = glibc.split('.').map(Number)
  return major > 2 || (major === 2 && minor >= 39)
}
