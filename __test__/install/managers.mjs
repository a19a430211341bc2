// The install line of each package manager, in a folder that uses only the registry on loopback.

import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { managerOf } from './tools.mjs'

/** Adds limbeck to the project in `folder`, and installs its other dependencies. */
export async function install(manager, folder, registry) {
  const settings = { npm, pnpm, yarn1, yarn4, 'yarn4-pnp': yarn4 }
  await settings[manager](folder, registry, manager)
}

async function npm(folder, { url }) {
  writeFileSync(path.join(folder, '.npmrc'), `registry=${url}/\naudit=false\nfund=false\nupdate-notifier=false\n`)
  await run('npm', ['install', 'limbeck', '--cache', path.join(folder, '.npm-cache')], folder)
}

async function pnpm(folder, { url }) {
  writeFileSync(path.join(folder, '.npmrc'), `registry=${url}/\nstore-dir=${path.join(folder, '.store')}\n`)
  await run(process.execPath, [managerOf('pnpm'), 'add', 'limbeck'], folder)
}

async function yarn1(folder, { url }) {
  writeFileSync(path.join(folder, '.yarnrc'), `registry "${url}/"\ncache-folder "${path.join(folder, '.cache')}"\n`)
  await run(process.execPath, [managerOf('yarn1'), 'add', 'limbeck', '--no-progress'], folder)
}

async function yarn4(folder, { url }, manager) {
  const lines = [
    `npmRegistryServer: "${url}"`,
    'unsafeHttpWhitelist: ["127.0.0.1"]',
    `nodeLinker: ${manager === 'yarn4' ? 'node-modules' : 'pnp'}`,
    'enableGlobalCache: false',
    'enableTelemetry: false',
  ]
  writeFileSync(path.join(folder, '.yarnrc.yml'), `${lines.join('\n')}\n`)
  writeFileSync(path.join(folder, 'yarn.lock'), '')
  await run(process.execPath, [managerOf('yarn4'), 'add', 'limbeck'], folder, { YARN_IGNORE_PATH: '1' })
}

/** Not `spawnSync`, because the registry runs in this process. */
function run(file, args, folder, more = {}) {
  // Removes the variables that npm sets for scripts, which a user's shell does not have.
  const clean = Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith('npm_') && name !== 'CI')
  const env = { ...Object.fromEntries(clean), ...more }
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    child.stdout.on('data', chunk => (text += chunk))
    child.stderr.on('data', chunk => (text += chunk))
    child.on('error', reject)
    child.on('close', code => (code === 0 ? resolve(text) : reject(new Error(`${args.join(' ')} ended with ${code}:\n${text}`))))
  })
}
