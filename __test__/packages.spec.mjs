// The packages that would be published: packed, installed without network and scripts, and tested; and errors of packing.

import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { audit } from '../ts/build/pack/audit.mjs'
import { host, platforms } from '../ts/build/pack/platforms.mjs'
import { published } from '../ts/native/binary.ts'
import { folder } from './support.ts'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const json = file => JSON.parse(readFileSync(file, 'utf8'))
const { version } = json(path.join(root, 'package.json'))

function script(name, flags, env = {}) {
  const file = path.join(root, 'ts/build/pack', name)
  return spawnSync(process.execPath, [file, ...flags], { cwd: root, encoding: 'utf8', env: { ...process.env, ...env } })
}

test('the loader’s messages and the packages name the same platforms', () => {
  expect([...published].sort()).toEqual(Object.keys(platforms).sort())
  const loader = readFileSync(path.join(root, 'ts/native/binding.js'), 'utf8')
  for (const name of published) expect(loader).toContain(`require('@limbeck/binding-${name}')`)
})

describe('packed from this clone', () => {
  let out
  let stage
  beforeAll(() => {
    out = mkdtempSync(path.join(tmpdir(), 'limbeck-spec-'))
    stage = path.join(out, 'stage/limbeck')
    const { status, stderr } = script('all.mjs', ['--targets', 'host', '--binaries', 'ts/native', '--out', out])
    if (status !== 0) throw new Error(stderr)
  })
  afterAll(() => rmSync(out, { recursive: true, force: true }))

  test('the root package has no dependency, no script, no binary, and this version of its platform packages', () => {
    const packed = json(path.join(stage, 'package.json'))
    expect(packed).not.toHaveProperty('dependencies')
    expect(packed).not.toHaveProperty('scripts')
    expect(packed.optionalDependencies).toEqual({ [`@limbeck/binding-${host}`]: version })
    const files = readdirSync(stage, { recursive: true }).map(String)
    expect(files.filter(name => name.endsWith('.js')).sort()).toEqual(['dist/cli/main.js', 'dist/index.js', 'dist/native/limbeck.js', 'ts/native/binding.js'])
    expect(files.filter(name => name.endsWith('.node'))).toEqual([])
    expect(readFileSync(path.join(stage, 'dist/cli/LICENSES.txt'), 'utf8')).toMatch(/commander \d+\.\d+\.\d+ \(MIT\)/)
  })

  test('an uncaught error prints only one short line of the facade', () => {
    const lines = readFileSync(path.join(stage, 'dist/native/limbeck.js'), 'utf8').split('\n')
    expect(Math.max(...lines.map(line => line.length))).toBeLessThan(800)
    expect(lines.filter(line => line.includes('throw ')).every(line => line.length < 250)).toBe(true)
  })

  test('its loader loads only platform packages, because a leftover binary next to it would be loaded instead', () => {
    const loader = readFileSync(path.join(stage, 'ts/native/binding.js'), 'utf8')
    expect(loader).not.toContain('./limbeck.linux')
    const named = new Set([...loader.matchAll(/require\('@limbeck\/binding-([\w-]+)'\)/g)].map(match => match[1]))
    expect([...named].filter(name => name !== 'wasm32-wasi').sort()).toEqual([...published].sort())
  })

  test('its files import only files of the package', () => {
    for (const name of readdirSync(stage, { recursive: true }).map(String)) {
      if (!/\.(js|d\.ts)$/.test(name)) continue
      const text = readFileSync(path.join(stage, name), 'utf8')
      const imported = ts.preProcessFile(text).importedFiles.map(({ fileName }) => fileName)
      if (name.startsWith('dist/cli/')) expect(imported).toContain('../native/limbeck.js')
      expect(imported.filter(from => !/^(\.{1,2}\/|node:|(module|fs|path)$)/.test(from)), name).toEqual([])
    }
  })

  test('a platform package names its platform', () => {
    const { os, cpu, main, version: own } = json(path.join(out, 'stage', host, 'package.json'))
    expect({ os, cpu, main, own }).toEqual({ os: [process.platform], cpu: [process.arch], main: `limbeck.${host}.node`, own: version })
  })

  test('installed from its tarballs into an empty folder it trains, saves, loads, predicts and passes its golden files', () => {
    const { stdout, stderr, status } = script('verify.mjs', ['--out', out, '--quick'])
    expect(stdout, stderr).toMatch(/ok {2}natively, .*trained, saved, loaded, predicted, inspected; \d{3,} golden cases passed/)
    expect(status).toBe(0)
  })
})

const clones = path.join(root, 'ts/native', `limbeck.${host}.node`)

test('the audit rejects a binary that was built in a clone, not for publication', () => {
  expect(() => audit(clones, host)).toThrow(/it is not stripped/)
})

test('the audit rejects a binary for another processor', () => {
  const file = path.join(folder(), 'other.node')
  copyFileSync(clones, file)
  const bytes = readFileSync(file)
  bytes.writeUInt16LE(40, 18)
  writeFileSync(file, bytes)
  expect(() => audit(file, host)).toThrow(/it is made for processor 40, expected \d+/)
})

test('a missing tool is named in one sentence with its remedy, before anything is built', () => {
  const env = { LIMBECK_TOOLS: folder(), PATH: '/nowhere' }
  const { stderr, status } = script('all.mjs', ['--targets', 'linux-x64-gnu', '--out', folder()], env)
  expect(status).toBe(1)
  expect(stderr).toMatch(/^zig was not found, and linux-x64-gnu is linked with it: npm run pack:tools installs it .*\.\n$/)
})

test('an unknown platform and a missing binary are rejected with their name', () => {
  expect(script('all.mjs', ['--targets', 'amiga']).stderr).toMatch(/--targets: expected some of linux-x64-gnu, .* or host, got amiga/)
  const empty = folder()
  expect(script('all.mjs', ['--targets', 'darwin-arm64', '--binaries', empty]).stderr).toContain('expected limbeck.darwin-arm64.node, got no such file')
})
