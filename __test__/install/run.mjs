// `npm run install:projects`: installs limbeck from its tarballs into small projects, as users would, and runs them.
// `-- NAME …` selects projects, `-- --tarballs DIR` uses existing tarballs; otherwise the clone is packed.

import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { chroot } from './chroot.mjs'
import { install } from './managers.mjs'
import { serveRegistry } from './registry.mjs'
import { tarballs } from './tarballs.mjs'
import { nodeOf } from './tools.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const { values, positionals } = parseArgs({ allowPositionals: true, options: { tarballs: { type: 'string' }, keep: { type: 'boolean' } } })
const base = mkdtempSync(path.join(tmpdir(), 'limbeck-install-'))

/** Installs a project with a package manager, runs it on a version of Node, and returns its last line. */
async function project(name, { run }, manager, version, registry) {
  const folder = path.join(base, `${name}-${manager}-${version}`)
  cpSync(path.join(here, 'projects', name), folder, { recursive: true })
  cpSync(path.join(here, 'shared/journey.mjs'), path.join(folder, 'journey.mjs'))
  const node = nodeOf(version)
  await install(manager, folder, registry)
  let last = ''
  for (const line of run) {
    const args = line.split(' ').slice(1)
    const flags = manager === 'yarn4-pnp' ? ['--require', './.pnp.cjs', '--experimental-loader', './.pnp.loader.mjs'] : []
    const { status, stdout, stderr, signal } = spawnSync(node, [...flags, ...args], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, PATH: `${path.dirname(node)}${path.delimiter}${process.env.PATH}`, NODE_OPTIONS: '' },
      timeout: 300_000,
    })
    if (status !== 0) throw new Error(`${line} ended with ${signal ?? status}:\n${stdout}\n${stderr}`)
    last = stdout.match(/works: .*/)?.[0] ?? ''
  }
  if (last === '') throw new Error('expected a line that begins with works:, got none')
  if (!values.keep) rmSync(folder, { recursive: true })
  return last
}

/** Every project with its package managers and Node versions: npm on each version, the other managers on the current one. */
function* plan() {
  for (const name of readdirSync(path.join(here, 'projects')).sort()) {
    if (positionals.length > 0 && !positionals.includes(name)) continue
    const { limbeckInstall: settings } = JSON.parse(readFileSync(path.join(here, 'projects', name, 'package.json'), 'utf8'))
    for (const version of settings.nodes ?? ['own']) yield { name, settings, manager: 'npm', version }
    for (const manager of settings.managers ?? []) yield { name, settings, manager, version: 'own' }
  }
}

const folder = values.tarballs === undefined ? tarballs(base) : path.resolve(values.tarballs)
const registry = await serveRegistry(folder)
console.log(`from ${registry.packages.join(', ')}`)
const failed = []
const row = async (label, work) => {
  const started = performance.now()
  let said
  try {
    said = await work()
  } catch (error) {
    failed.push(`${label}: ${error.message}`)
    said = 'FAILED'
  }
  console.log(`${label.padEnd(34)} ${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${said}`)
}
for (const { name, settings, manager, version } of plan()) {
  const label = `${name}, ${manager}, Node ${version === 'own' ? process.versions.node : version}`
  await row(label, () => project(name, settings, manager, version, registry))
}
if (positionals.length === 0 || positionals.includes('debian')) await row('debian, npm, Node 22', () => chroot(base, registry))
registry.close()
if (!values.keep) rmSync(base, { recursive: true, force: true })
for (const text of failed) console.error(`\n${text}`)
console.log(failed.length === 0 ? 'all work' : `${failed.length} failed`)
process.exitCode = failed.length === 0 ? 0 : 1
