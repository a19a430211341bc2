// `npm run sbom`: writes the components of limbeck in CycloneDX: sbom/limbeck-native.cdx.json lists the crates in the binary,
// sbom/limbeck-npm.cdx.json the packages that the command line bundles.

import { spawnSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { checkCargo, root, run, stop } from './ready.mjs'

const folder = path.join(root, 'sbom')
const needed = 'cargo install --locked cargo-cyclonedx'

checkCargo()
if (spawnSync('cargo', ['cyclonedx', '--version'], { cwd: root }).status !== 0) stop(`cargo-cyclonedx was not found: ${needed}.`)
mkdirSync(folder, { recursive: true })
// cargo writes one file per crate, next to its manifest; the file of the addon lists all crates in it.
run('cargo', ['cyclonedx', '--manifest-path', 'crates/node/Cargo.toml', '--format', 'json', '--all', '--override-filename', 'limbeck.sbom'])
renameSync(path.join(root, 'crates/node/limbeck.sbom.json'), path.join(folder, 'limbeck-native.cdx.json'))
rmSync(path.join(root, 'crates/core/limbeck.sbom.json'), { force: true })

const args = ['sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'library', '--omit', 'dev', '--package-lock-only']
const { stdout, stderr, status } = spawnSync('npm', args, { cwd: root, encoding: 'utf8', maxBuffer: 1e8 })
if (status !== 0) stop(`npm sbom failed: ${stderr}`)
const bom = JSON.parse(stdout)
bom.metadata.component.name = 'limbeck' // npm takes the name of the folder
writeFileSync(path.join(folder, 'limbeck-npm.cdx.json'), `${JSON.stringify(bom, null, 2)}\n`)
console.log(`${folder}  limbeck-native.cdx.json, limbeck-npm.cdx.json`)
