// `npm run figures:package`: measures the size of an install and the cost of an import. Sizes are those of the packages in
// `packages` (npm run pack:all); time and memory are measured in cold processes in a folder with this machine's packages.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { bytes } from '../ts/build/pack/root.mjs'
import { binaryOf, host, limits } from '../ts/build/pack/platforms.mjs'
import { root, stop } from '../ts/build/ready.mjs'
import { quantile } from './statistics.mjs'

const out = path.resolve(root, process.argv[2] ?? 'packages')
const list = path.join(out, 'packed.json')
if (!existsSync(list)) stop(`${list}: expected what npm run pack:all writes, got no such file.`)
const packed = JSON.parse(readFileSync(list, 'utf8'))
const stage = name => path.join(out, 'stage', name)
const figure = (name, value, unit, limit) => console.log(`${name.padEnd(40)} ${String(value).padStart(8)} ${unit}  (limit ${limit})`)

const commandLine = bytes(path.join(stage('limbeck'), 'dist/cli'))
const facade = bytes(path.join(stage('limbeck'), 'dist')) - commandLine + bytes(path.join(stage('limbeck'), 'ts'))
figure('root: facade, types, loader', Math.round(facade / 1e3), 'kB', limits.facade / 1e3)
figure('root: command line with its licences', Math.round(commandLine / 1e3), 'kB', limits.commandLine / 1e3)
figure('root: documents', Math.round((bytes(stage('limbeck')) - facade - commandLine) / 1e3), 'kB', 'none')
for (const { platform } of packed.platforms) {
  figure(`@limbeck/binding-${platform}`, (bytes(stage(platform)) / 1e6).toFixed(1), 'MB', limits.platform / 1e6)
}

const own = packed.platforms.find(({ platform }) => platform === host)
if (own === undefined) stop(`${list}: expected a package for ${host}, got none: npm run pack:all -- --targets host.`)
const place = mkdtempSync(path.join(tmpdir(), 'limbeck-figures-'))
try {
  writeFileSync(path.join(place, 'package.json'), '{ "private": true }\n')
  const npm = process.env.npm_execpath ?? realpathSync(execFileSync('which', ['npm'], { encoding: 'utf8' }).trim())
  const tarballs = [packed.root, own.tarball].map(name => path.join(out, 'tarballs', name))
  execFileSync(process.execPath, [npm, 'install', '--silent', '--offline', '--ignore-scripts', '--no-audit', ...tarballs], { cwd: place })
  // The first use loads the binary, so it is measured too.
  const program = `
    const before = process.memoryUsage().rss
    const begun = performance.now()
    const { memory } = await import('limbeck')
    const imported = performance.now()
    memory()
    console.log(JSON.stringify([imported - begun, performance.now() - begun, process.memoryUsage().rss - before]))`
  const cold = () => JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd: place, encoding: 'utf8' }))
  const [imported, ready, memory] = Array.from({ length: 20 }, cold).reduce((columns, row) => columns.map((column, at) => [...column, row[at]]), [[], [], []])
  figure('import, median of 20 cold processes', quantile(imported, 0.5).toFixed(1), 'ms', 60)
  figure('import and first use', quantile(ready, 0.5).toFixed(1), 'ms', 60)
  figure('memory of import and first use', (quantile(memory, 0.5) / 1e6).toFixed(1), 'MB', 25)
  console.log(`node ${process.versions.node}, ${host}, ${(statSync(path.join(place, 'node_modules/@limbeck', `binding-${host}`, binaryOf(host))).size / 1e6).toFixed(1)} MB loaded`)
} finally {
  rmSync(place, { recursive: true, force: true })
}
