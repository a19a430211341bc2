// `npm run pack:all`: writes the tarballs of the root package and of platform packages, as they are published.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { ready, stop } from '../ready.mjs'
import { buildFor } from './native.mjs'
import { flags } from './flags.mjs'
import { stagePlatform } from './platform.mjs'
import { binaryOf, limits, linux, packageOf } from './platforms.mjs'
import { manifest, stageRoot } from './root.mjs'
import { toolsFor } from './tools.mjs'

const usage = 'usage: npm run pack:all -- [--targets linux-x64-gnu,…] [--binaries DIR] [--out DIR]; --binaries packs binaries that are already built'
const { names = linux, out, binaries } = flags(usage, { binaries: { type: 'string' } })

// Everything that is missing is reported before the first build.
if (binaries === undefined) for (const name of names) toolsFor(name)
const given = name => path.resolve(binaries, binaryOf(name))
const absent = binaries === undefined ? [] : names.filter(name => !existsSync(given(name)))
if (absent.length > 0) stop(`${binaries}: expected ${absent.map(binaryOf).join(', ')}, got no such file. ${usage}`)

ready({ native: false })
for (const place of ['stage', 'tarballs']) rmSync(path.join(out, place), { recursive: true, force: true })
mkdirSync(path.join(out, 'tarballs'), { recursive: true })

/** Packs a folder; returns npm's description of the tarball. */
function pack(folder) {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', path.join(out, 'tarballs')]
  const { stdout, stderr, status } = spawnSync('npm', args, { cwd: folder, encoding: 'utf8' })
  if (status !== 0) stop(`npm pack failed in ${folder}: ${stderr}`)
  const found = JSON.parse(stdout)
  return Array.isArray(found) ? found[0] : Object.values(found)[0]
}

const lines = []
const packed = []
for (const name of names) {
  const binary = binaries === undefined ? buildFor(name, path.join(out, 'native')) : given(name)
  const folder = path.join(out, 'stage', name)
  const size = stagePlatform(name, binary, folder)
  if (size > limits.platform) {
    const said = `${binary} has ${size} bytes, and a platform package may have ${limits.platform}.`
    // Binaries that are given may be of a development build, which contains symbols.
    binaries === undefined ? stop(said) : console.warn(said)
  }
  const { filename } = pack(folder)
  packed.push({ platform: name, package: packageOf(name), tarball: filename })
  lines.push(`${packageOf(name)}  ${megabytes(size)} MB of 25`)
}
const folder = path.join(out, 'stage/limbeck')
const { facade, commandLine } = await stageRoot(folder, names)
const { filename, files } = pack(folder)
const { version } = manifest()
writeFileSync(path.join(out, 'packed.json'), `${JSON.stringify({ version, root: filename, platforms: packed }, null, 2)}\n`)
lines.push(`limbeck  facade and types ${kilobytes(facade)} kB of ${limits.facade / 1e3}, command line ${kilobytes(commandLine)} kB of 2000, ${files.length} files`)
for (const line of lines) console.log(line)
console.log(`${path.join(out, 'tarballs')}  ${packed.length + 1} packages of version ${version}`)

function megabytes(count) {
  return (count / 1e6).toFixed(1)
}

function kilobytes(count) {
  return Math.round(count / 1e3)
}
