// `npm run verify:pack`: installs the tarballs of `pack:all` into an empty folder per platform, without a compiler on the PATH,
// scripts or network; then limbeck trains, saves, loads, predicts and runs its golden files there. Prints one line per test.

import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { root, stop } from '../ready.mjs'
import { audit } from './audit.mjs'
import { flags } from './flags.mjs'
import { machinesOf } from './machines.mjs'
import { find } from './tools.mjs'
import { binaryOf, host, platforms } from './platforms.mjs'

const usage = 'usage: npm run verify:pack -- [--targets linux-x64-gnu,…] [--out DIR] [--quick]; first npm run pack:all'
const { names, out, quick } = flags(usage, { quick: { type: 'boolean', default: false } })
const list = path.join(out, 'packed.json')
if (!existsSync(list)) stop(`${list}: expected what npm run pack:all writes, got no such file. ${usage}`)
const packed = JSON.parse(readFileSync(list, 'utf8'))
const tried = packed.platforms.filter(({ platform }) => names === undefined || names.includes(platform))
if (tried.length === 0) stop(`${list}: expected one of ${(names ?? Object.keys(platforms)).join(', ')}, got ${packed.platforms.map(({ platform }) => platform).join(', ')}. ${usage}`)

const npm = process.env.npm_execpath ?? realpathSync(find('npm'))
const work = mkdtempSync(path.join(tmpdir(), 'limbeck-verify-'))
// The PATH is empty: there is no compiler, no Python and no npm; Node is called by its full path.
const { SystemRoot } = process.env
const env = { PATH: path.join(work, 'nothing'), HOME: work, TMPDIR: work, ...(SystemRoot && { SystemRoot }) }

function spawn(command, options = {}) {
  const { stdout, stderr, status, error } = spawnSync(command[0], command.slice(1), { env, encoding: 'utf8', ...options })
  if (error || status !== 0) throw new Error((error?.message ?? stderr.trim()) || `it ended with ${status}`)
  return stdout
}

/** Installs the two tarballs, as a user of this platform does. */
function install(place, { platform, tarball }) {
  const { os, cpu, libc } = platforms[platform]
  writeFileSync(path.join(place, 'package.json'), '{ "name": "an-application", "private": true, "type": "module" }\n')
  const files = [packed.root, tarball].map(name => path.join(out, 'tarballs', name))
  // npm installs packages for another platform here, which it refuses without --force.
  const kind = platform === host ? [] : ['--force', `--os=${os}`, `--cpu=${cpu}`, `--libc=${libc}`]
  const closed = ['--offline', '--ignore-scripts', `--cache=${path.join(work, 'cache')}`, '--no-audit', '--no-fund']
  spawn([process.execPath, npm, 'install', ...closed, ...kind, ...files], { cwd: place })
  const installed = readdirSync(path.join(place, 'node_modules'), { recursive: true }).filter(name => path.basename(name) === 'package.json')
  const expected = [`@limbeck/binding-${platform}/package.json`, 'limbeck/package.json']
  if (installed.sort().join() !== expected.join()) throw new Error(`expected only ${expected.join(' and ')} in node_modules, got ${installed.join(', ')}`)
  const binaries = readdirSync(path.join(place, 'node_modules/limbeck'), { recursive: true }).filter(name => name.endsWith('.node'))
  if (binaries.length > 0) throw new Error(`the root package contains ${binaries.join(', ')}, which belongs in a platform package`)
}

function tryOn({ how, node, place, inside, slow }, one) {
  try {
    install(place, one)
    for (const kind of slow ? ['losses'] : ['losses', 'layers', 'optimizers', 'metrics']) {
      cpSync(path.join(root, '__test__/golden', kind), path.join(place, 'golden', kind), { recursive: true })
    }
    cpSync(path.join(root, 'ts/build/pack/trial.mjs'), path.join(place, 'trial.mjs'))
    const begun = performance.now()
    const found = JSON.parse(spawn([...node, inside(path.join(place, 'trial.mjs'))]))
    const commandLine = inside(path.join(place, 'node_modules/limbeck/dist/cli/main.js'))
    spawn([...node, commandLine, 'inspect', inside(path.join(place, 'student.safetensors'))])
    const seconds = ((performance.now() - begun) / 1000).toFixed(0)
    const did = 'trained, saved, loaded, predicted, inspected'
    return `${how}, node ${found.node} ${found.arch}, ${found.instructions}: ${did}; ${found.golden} golden cases passed; ${seconds} s`
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

let failed = 0
for (const one of tried) {
  const { platform } = one
  const check = work => {
    try {
      console.log(`${platform}  ok  ${work()}`)
    } catch (error) {
      failed++
      console.log(`${platform}  FAILED  ${error.message}`)
    }
  }
  if (quick) console.log(`${platform}  NOT RUN  the audit and emulated processors: --quick`)
  else if (platforms[platform].os !== 'linux') console.log(`${platform}  NOT RUN  the audit: readelf reads binaries of Linux`)
  else check(() => `audit: ${audit(path.join(out, 'stage', platform, binaryOf(platform)), platform)}`)
  for (const machine of machinesOf(platform, () => mkdtempSync(path.join(work, 'application-')))) {
    if (quick && machine.slow) continue
    if (machine.cannot) console.log(`${platform}  NOT RUN  ${machine.cannot}`)
    else check(() => tryOn(machine, one))
  }
}
rmSync(work, { recursive: true, force: true })
process.exitCode = failed === 0 ? 0 : 1
