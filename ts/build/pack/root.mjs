// Stages the package `limbeck` for publishing: facade, types, loader, command line and documents; no binary, no dependency, no
// script. The platform packages are optional dependencies of exactly this version. They are added here and are not in the
// package.json in git, because there they would break an install in a clone.

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { root, stop } from '../ready.mjs'
import { bundle } from './bundle.mjs'
import { publishedLoader } from './loader.mjs'
import { limits, packageOf } from './platforms.mjs'
import { copyTypes } from './types.mjs'

const here = (...parts) => path.join(root, ...parts)
const kept = ['name', 'version', 'description', 'license', 'repository', 'keywords', 'type', 'engines', 'exports', 'types', 'bin', 'imports']
const documents = ['README.md', 'LICENSE', 'CHANGELOG.md', 'ARCHITECTURE.md', 'SECURITY.md']

export const manifest = () => JSON.parse(readFileSync(here('package.json'), 'utf8'))

/** Fills `folder`; returns the bytes of the facade and of the command line. */
export async function stageRoot(folder, names) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const own = manifest()
  const optionalDependencies = Object.fromEntries(names.map(name => [packageOf(name), own.version]))
  const published = { ...Object.fromEntries(kept.filter(key => key in own).map(key => [key, own[key]])), optionalDependencies }
  writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(published, null, 2)}\n`)

  const inside = await bundle(path.join(folder, 'dist'))
  copyTypes(path.join(folder, 'dist'))
  mkdirSync(path.join(folder, 'ts/native'), { recursive: true })
  writeFileSync(path.join(folder, 'ts/native/binding.js'), publishedLoader(readFileSync(here('ts/native/binding.js'), 'utf8')))
  const texts = inside.map(({ name, version, license, text }) => `${name} ${version} (${license})\n\n${text}\n`)
  const intro = 'The command line, dist/cli/main.js, contains these packages.\n'
  writeFileSync(path.join(folder, 'dist/cli/LICENSES.txt'), [intro, ...texts].join(`\n${'-'.repeat(80)}\n\n`))
  const commandLine = bytes(path.join(folder, 'dist/cli'))
  const facade = bytes(folder) - commandLine

  for (const name of documents) if (existsSync(here(name))) cpSync(here(name), path.join(folder, name))
  // Only Markdown files are published; the data of studies stay in the repository.
  cpSync(here('docs'), path.join(folder, 'docs'), { recursive: true, filter: from => statSync(from).isDirectory() || from.endsWith('.md') })
  refuse('the facade', facade, limits.facade)
  refuse('the command line', commandLine, limits.commandLine)
  return { facade, commandLine }
}

function refuse(what, size, limit) {
  if (size > limit) stop(`${what} has ${size} bytes, and the limit is ${limit}: list the files with npm pack --dry-run.`)
}

/** All bytes below a folder. */
export function bytes(folder) {
  return readdirSync(folder, { recursive: true })
    .map(name => statSync(path.join(folder, name)))
    .reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0)
}
