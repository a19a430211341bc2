// `npm run licences`: gathers the licences of all crates inside the binary into THIRD-PARTY-LICENSES.txt, which goes into
// every platform package; `-- --check` fails if the file is out of date. Packing gathers the licences of the npm packages that
// the command line bundles.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { checkCargo, root, run, stop } from './ready.mjs'

const file = path.join(root, 'THIRD-PARTY-LICENSES.txt')

checkCargo()
if (spawnSync('cargo', ['about', '--version'], { cwd: root }).status !== 0) {
  stop('cargo-about was not found: cargo install --locked cargo-about --features cli.')
}
// The licences are read from the sources of the crates, without a server.
run('cargo', ['fetch', '--locked', '--quiet'])
const args = ['about', 'generate', '--manifest-path', 'crates/node/Cargo.toml', '--config', 'about.toml', '--locked', '--offline', '--fail', 'about.hbs']
const { stdout, stderr, status } = spawnSync('cargo', args, { cwd: root, encoding: 'utf8', maxBuffer: 1e8 })
if (status !== 0) stop(`cargo about failed: ${stderr}`)
// Texts have the line ends and blanks of their authors.
const text = `${stdout.replaceAll('\r\n', '\n').replace(/[ \t]+$/gm, '').replace(/\n{4,}/g, '\n\n\n').trim()}\n`
if (!process.argv.includes('--check')) {
  writeFileSync(file, text)
  console.log(`${file}  ${text.match(/^-{80}$/gm)?.length ?? 0} texts, ${Math.round(text.length / 1000)} KB`)
} else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
  stop('THIRD-PARTY-LICENSES.txt is out of date: run npm run licences, and commit the file.')
}
