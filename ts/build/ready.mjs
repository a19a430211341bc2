// Prepares a clone to run: installs packages, builds the native side, compiles the facade. A step is skipped if its output is
// newer than its inputs. A missing tool is reported in one sentence with its remedy.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
const at = (...parts) => path.join(root, ...parts)

/** Prints one sentence and ends the process. */
export function stop(sentence) {
  console.error(sentence)
  process.exit(1)
}

/** Runs a program in the repository; if it fails, this process ends too. */
export function run(file, args, options = {}) {
  const { status, error } = spawnSync(file, args, { cwd: root, stdio: 'inherit', ...options })
  if (error) stop(`${file} could not be started: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
}

const newer = (a, b) => a[0] > b[0] || (a[0] === b[0] && a[1] > b[1])
const numbers = text => (/(\d+)\.(\d+)/.exec(text) ?? [0, 0, 0]).slice(1).map(Number)

export function checkNode() {
  const [major, minor] = numbers(process.versions.node)
  const fits = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22
  if (!fits) stop(`limbeck needs Node 20.19 or newer in its line, or 22.12 or newer, and this is ${process.versions.node}: install it from https://nodejs.org.`)
}

export function checkCargo() {
  const [, rust] = /^rust-version = "(.*?)"/m.exec(readFileSync(at('Cargo.toml'), 'utf8'))
  const { stdout, error, status } = spawnSync('cargo', ['--version'], { encoding: 'utf8', cwd: root })
  if (error || status !== 0) stop(`The native side is built with Rust, and cargo was not found: install Rust ${rust} or newer from https://rustup.rs.`)
  if (newer(numbers(rust), numbers(stdout))) stop(`The native side needs Rust ${rust} or newer, and this is ${stdout.trim()}: run rustup update.`)
}

/** The newest change below these files and folders. */
function newest(places, wanted = () => true) {
  let last = 0
  for (const place of places) {
    if (!existsSync(place)) continue
    const { mtimeMs } = statSync(place)
    if (!statSync(place).isDirectory()) {
      if (wanted(place)) last = Math.max(last, mtimeMs)
      continue
    }
    for (const entry of readdirSync(place)) {
      if (entry !== 'target' && entry !== 'node_modules') last = Math.max(last, newest([path.join(place, entry)], wanted))
    }
  }
  return last
}

function installPackages() {
  const installed = at('node_modules/.package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(at('package-lock.json')).mtimeMs) return
  if (existsSync(installed) && sameLock(installed)) return
  console.error('installing packages: npm ci')
  // The script `prepare` would build here, which is done below.
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'])
}

/** Git sets file times to the time of the checkout, so the contents of the lockfiles are compared. */
function sameLock(installed) {
  const versions = file =>
    Object.entries(JSON.parse(readFileSync(file, 'utf8')).packages)
      .filter(([name, { optional }]) => name !== '' && !optional)
      .map(([name, { version }]) => `${name} ${version}`)
      .join('\n')
  return versions(installed) === versions(at('package-lock.json'))
}

const binaries = () => (existsSync(at('ts/native')) ? readdirSync(at('ts/native')).filter(name => name.endsWith('.node')) : [])

export function nativeIsFresh() {
  const made = binaries().map(name => statSync(at('ts/native', name)).mtimeMs)
  const rust = newest([at('crates')], file => /\.(rs|toml|cu)$/.test(file) && !file.includes(`${path.sep}tests${path.sep}`))
  return made.length > 0 && Math.max(...made) >= Math.max(rust, newest([at('Cargo.toml'), at('Cargo.lock')]))
}

/** `profile` is `release` for development and `dist` for published binaries. */
export function buildNative(profile = 'release') {
  checkCargo()
  console.error('building the native side: some minutes the first time')
  const where = ['--manifest-path', 'Cargo.toml', '--package', 'limbeck-node', '--output-dir', 'ts/native']
  const names = ['--js', 'binding.js', '--dts', 'binding.d.ts', '--no-dts-cache', '--platform', '--esm']
  run(process.execPath, [at('node_modules/@napi-rs/cli/dist/cli.js'), 'build', ...where, ...names, '--profile', profile, '--', '--locked'])
  const now = new Date()
  for (const name of binaries()) utimesSync(at('ts/native', name), now, now)
  run(process.execPath, [at('ts/native/generate-types.mjs')])
}

export function compile() {
  // The compiler always writes every file, so one file has the time of all.
  const stamp = at('dist/index.js')
  const sources = newest([at('ts'), at('tsconfig.json'), at('package.json')], file => /\.(ts|json)$/.test(file))
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= sources) return
  rmSync(at('dist'), { recursive: true, force: true })
  run(process.execPath, [at('node_modules/typescript/bin/tsc'), '-p', '.'])
}

/** `native: false` does not build the binary of this machine. */
export function ready({ native = true } = {}) {
  checkNode()
  installPackages()
  if (native && process.env.LIMBECK_SKIP_BUILD !== '1' && !nativeIsFresh()) buildNative()
  compile()
}
