// `node ts/build/publish.mjs --tarballs DIR`: checks the tarballs and prints the order of publishing; `--publish` publishes them:
// first the platform packages and, when the registry has them, the root package that names them.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as later } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

const scripts = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish', 'prepack', 'postpack']
const limits = { root: 3e6, platform: 26e6 }

/** The manifest and the contents of a tarball. */
function read(file) {
  const tar = args => {
    const { stdout, status } = spawnSync('tar', args, { encoding: 'utf8', maxBuffer: 1e8 })
    if (status !== 0) throw new Error(`${file}: expected a tarball of npm`)
    return stdout
  }
  const manifest = JSON.parse(tar(['-xzOf', file, 'package/package.json']))
  const entries = tar(['-tvzf', file]).trim().split('\n').map(line => line.split(/\s+/))
  const bytes = entries.reduce((sum, [, , size]) => sum + Number(size), 0)
  return { file, manifest, names: entries.map(entry => entry.at(-1)), bytes }
}

/** The tarballs in the order of publishing; throws an error that names all problems. */
export function order(folder) {
  const all = readdirSync(folder).filter(name => name.endsWith('.tgz')).map(name => read(path.join(folder, name)))
  const root = all.find(({ manifest }) => manifest.name === 'limbeck')
  if (root === undefined) throw new Error(`${folder}: expected the root package limbeck, got ${all.map(({ manifest }) => manifest.name).join(', ') || 'no tarball'}`)
  const { version, optionalDependencies = {}, dependencies = {} } = root.manifest
  const platforms = all.filter(one => one !== root)
  const binaries = ({ names }) => names.filter(name => name.endsWith('.node'))
  const wrong = []
  const claim = (holds, text) => holds || wrong.push(text)

  claim(Object.keys(optionalDependencies).length > 0, 'the root names no platform package')
  claim(Object.keys(dependencies).length === 0, `the root depends on ${Object.keys(dependencies).join(', ')}`)
  claim(binaries(root).length === 0, `the root contains ${binaries(root).join(', ')}, which the loader would use instead of the platform package`)
  claim(root.bytes <= limits.root, `the root has ${root.bytes} bytes, more than ${limits.root}`)
  for (const [name, wanted] of Object.entries(optionalDependencies)) {
    claim(wanted === version, `the root ${version} requires ${name} at ${wanted}`)
    claim(platforms.some(({ manifest }) => manifest.name === name), `${name} is named by the root but has no tarball`)
  }
  for (const one of platforms) {
    const { name, version: its } = one.manifest
    claim(name in optionalDependencies, `${name} is not named by the root`)
    claim(its === version, `${name} has version ${its}, the root ${version}`)
    claim(binaries(one).length === 1, `${name} contains ${binaries(one).length} binaries, expected one`)
    claim(one.names.some(entry => /THIRD-PARTY-LICENSES/.test(entry)), `${name} lacks the licences of the code in its binary`)
    claim(one.bytes <= limits.platform, `${name} has ${one.bytes} bytes, more than ${limits.platform}`)
  }
  for (const { manifest } of all) {
    const found = scripts.filter(script => script in (manifest.scripts ?? {}))
    claim(found.length === 0, `${manifest.name} has the scripts ${found.join(', ')}`)
  }
  if (wrong.length > 0) throw new Error(`${folder} must not be published: ${wrong.join('; ')}`)
  return [...platforms.sort((a, b) => (a.manifest.name < b.manifest.name ? -1 : 1)), root]
}

function npm(args) {
  const { stdout, stderr, status } = spawnSync('npm', args, { encoding: 'utf8' })
  return { stdout: stdout.trim(), stderr, well: status === 0 }
}

/** The digest of a version in the registry, or an empty text. */
function published({ manifest: { name, version } }) {
  const { stdout, stderr, well } = npm(['view', `${name}@${version}`, 'dist.integrity', '--prefer-online'])
  if (well) return stdout
  if (/E404/.test(stderr)) return ''
  throw new Error(`npm view ${name} failed: ${stderr}`)
}

const digest = file => `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`

/** Publishes one package, unless the registry already has it. */
function publish(one) {
  const { name, version } = one.manifest
  const there = published(one)
  if (there === digest(one.file)) return console.log(`${name}@${version} is already published`)
  if (there !== '') throw new Error(`${name}@${version} is already published with other content: use another version`)
  const { stderr, well } = npm(['publish', one.file, '--provenance', '--access', 'public', '--ignore-scripts'])
  if (!well) throw new Error(`npm publish ${name} failed: ${stderr}`)
  console.log(`${name}@${version} published`)
}

async function main() {
  const { values } = parseArgs({ options: { tarballs: { type: 'string' }, publish: { type: 'boolean', default: false } } })
  if (values.tarballs === undefined) throw new Error('usage: node ts/build/publish.mjs --tarballs DIR [--publish]')
  const all = order(path.resolve(values.tarballs))
  if (!values.publish) {
    for (const { manifest, bytes } of all) console.log(`would publish ${manifest.name}@${manifest.version}, ${(bytes / 1e6).toFixed(1)} MB`)
    return
  }
  const root = all.at(-1)
  for (const one of all.slice(0, -1)) publish(one)
  // The registry needs some time until a new version is visible.
  for (const one of all.slice(0, -1)) {
    for (let tries = 0; published(one) !== digest(one.file); tries++) {
      if (tries === 60) throw new Error(`${one.manifest.name} is not visible in the registry after ten minutes: run this again later to publish the root`)
      await later(10_000)
    }
  }
  publish(root)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().catch(error => {
    console.error(error.message)
    process.exitCode = 1
  })
}
