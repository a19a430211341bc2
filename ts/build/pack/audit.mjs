// Checks a published binary for Linux with readelf and by its bytes: it must be made for the right processor and never be unloaded;
// it must need no library that a system may lack and no C library newer than promised, and contain no symbols and no path of the
// machine that built it.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { root } from '../ready.mjs'
import { limits, platforms } from './platforms.mjs'

/** The libraries that every Linux system with this C library has. */
const libraries = {
  glibc: /^(libc\.so\.6|libm\.so\.6|libdl\.so\.2|libpthread\.so\.0|librt\.so\.1|libgcc_s\.so\.1|ld-linux-[\w-]+\.so\.\d)$/,
  musl: /^libc\.so$/,
}

/** Returns one line with the facts; throws an error that names all problems. */
export function audit(file, name) {
  const { libc, glibc = '0.0', machine } = platforms[name]
  const bytes = readFileSync(file)
  const dynamic = readelf('-d', file)
  const needed = [...dynamic.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, library]) => library)
  const versions = [...readelf('-V', file).matchAll(/\bGLIBC_(\d+\.\d+(?:\.\d+)?)/g)].map(([, version]) => version)
  const highest = versions.reduce((high, version) => (newer(version, high) ? version : high), '0.0')
  const strange = needed.filter(library => !libraries[libc].test(library))
  const places = [root, homedir(), '/usr/src/', '/tmp/'].filter(place => bytes.includes(`${place.replace(/\/$/, '')}/`))

  const wrong = [
    bytes.readUInt16LE(18) !== machine && `it is made for processor ${bytes.readUInt16LE(18)}, expected ${machine}`,
    !/NODELETE/.test(dynamic) && 'the flag NODELETE is missing: a worker that ends would unload it while its threads run',
    strange.length > 0 && `it needs ${strange.join(', ')}, which a system may lack`,
    newer(highest, glibc) && `it needs GLIBC_${highest}, and ${glibc} is promised`,
    /\.symtab\b/.test(readelf('-S', file)) && 'it is not stripped',
    places.length > 0 && `it contains paths of the machine that built it: ${places.join(', ')}`,
    bytes.length > limits.platform && `it has ${bytes.length} bytes, more than ${limits.platform}`,
  ].filter(Boolean)
  if (wrong.length > 0) throw new Error(`audit: ${wrong.join('; ')}`)
  return `NODELETE, stripped, ${(bytes.length / 1e6).toFixed(1)} MB, needs ${needed.join(' ')}${libc === 'glibc' ? `, GLIBC ≤ ${highest}` : ''}, no path of this machine`
}

function newer(a, b) {
  const [left, right] = [a, b].map(version => version.split('.').map(Number))
  for (let at = 0; at < 3; at++) if ((left[at] ?? 0) !== (right[at] ?? 0)) return (left[at] ?? 0) > (right[at] ?? 0)
  return false
}

function readelf(flag, file) {
  const { stdout, error, status } = spawnSync('readelf', ['-W', flag, file], { encoding: 'utf8', maxBuffer: 1 << 28 })
  if (error || status !== 0) throw new Error('audit: readelf was not found or failed: install binutils')
  return stdout
}
