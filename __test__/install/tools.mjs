// Node versions and package managers for the projects, downloaded once from npm's registry and kept in a cache.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'

export const cache = process.env.LIMBECK_INSTALL_CACHE ?? path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'limbeck-install')

/** The lowest version of each major line that `engines` allows, and the newest of the line. */
export const nodes = { '20.19': '20.19.0', 20: '20', '22.12': '22.12.0', 22: '22', 24: '24' }

const managers = {
  pnpm: { package: 'pnpm@10', bin: 'pnpm/bin/pnpm.cjs' },
  yarn1: { package: 'yarn@1', bin: 'yarn/bin/yarn.js' },
  yarn4: { package: '@yarnpkg/cli-dist@4', bin: '@yarnpkg/cli-dist/bin/yarn.js' },
}

function fetched(folder, name, file) {
  const place = path.join(cache, folder)
  const wanted = path.join(place, 'node_modules', file)
  if (existsSync(wanted)) return wanted
  mkdirSync(place, { recursive: true })
  const args = ['install', '--prefix', place, '--no-audit', '--no-fund', '--ignore-scripts', name]
  const { status, stderr } = spawnSync('npm', args, { encoding: 'utf8', cwd: place })
  if (status !== 0 || !existsSync(wanted)) throw new Error(`${name} could not be fetched: ${stderr}`)
  return wanted
}

/** The `node` binary of a version; `own` is the running one. */
export function nodeOf(version) {
  if (version === 'own') return process.execPath
  const system = `node-${process.platform}-${process.arch}`
  return fetched(`node-${version}`, `${system}@${nodes[version]}`, `${system}/bin/node`)
}

/** The path of a package manager's script. */
export function managerOf(name) {
  const base = name.replace(/-pnp$/, '')
  return fetched(base, managers[base].package, managers[base].bin)
}
