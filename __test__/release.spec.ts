/** Invalid packages are rejected before anything is published, with all problems in one sentence. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { folder } from './support.js'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const platform = '@limbeck/binding-linux-x64-gnu'

interface Made {
  name: string
  version?: string
  optionalDependencies?: Record<string, string>
  dependencies?: Record<string, string>
  scripts?: Record<string, string>
  files?: string[]
}

/** A folder of tarballs. */
function tarballs(...all: Made[]): string {
  const place = folder()
  for (const [index, { files = [], version = '1.2.3', ...rest }] of all.entries()) {
    const inside = path.join(place, String(index), 'package')
    mkdirSync(inside, { recursive: true })
    writeFileSync(path.join(inside, 'package.json'), JSON.stringify({ ...rest, version }))
    for (const file of files) writeFileSync(path.join(inside, file), 'x')
    const { status } = spawnSync('tar', ['-czf', path.join(place, `${index}.tgz`), '-C', path.dirname(inside), 'package'])
    expect(status).toBe(0)
  }
  return place
}

function gate(place: string) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['ts/build/publish.mjs', '--tarballs', place], { cwd: root, encoding: 'utf8' })
  return { status, stdout, stderr }
}

const good: Made = { name: 'limbeck', optionalDependencies: { [platform]: '1.2.3' }, files: ['index.js'] }
const its: Made = { name: platform, files: ['limbeck.linux-x64-gnu.node', 'THIRD-PARTY-LICENSES.txt'] }

test('platform packages are published before the root package that depends on them', () => {
  const { status, stdout, stderr } = gate(tarballs(good, its))
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout.match(/\S+@1\.2\.3/g)).toEqual([`${platform}@1.2.3`, 'limbeck@1.2.3'])
})

test.each<[string, Made[], string]>([
  ['a platform that is named and not there', [good], 'has no tarball'],
  ['a platform of another version', [good, { ...its, version: '1.2.2' }], 'has version 1.2.2, the root 1.2.3'],
  ['a platform that nobody names', [good, its, { ...its, name: '@limbeck/binding-x' }], '@limbeck/binding-x is not named'],
  ['a platform without its binary', [good, { ...its, files: ['THIRD-PARTY-LICENSES.txt'] }], 'contains 0 binaries'],
  ['a binary without its licences', [good, { ...its, files: ['limbeck.linux-x64-gnu.node'] }], 'lacks the licences'],
  ['a root with a binary inside', [{ ...good, files: ['limbeck.linux-x64-gnu.node'] }, its], 'would use instead of the platform package'],
  ['a root with dependencies', [{ ...good, dependencies: { commander: '1' } }, its], 'depends on commander'],
  ['a root with a range', [{ ...good, optionalDependencies: { [platform]: '^1.2.3' } }, its], 'requires @limbeck/binding-linux-x64-gnu at ^1.2.3'],
  ['a root that names no platform', [{ name: 'limbeck' }], 'names no platform package'],
  ['scripts that run at install', [{ ...good, scripts: { postinstall: 'x' } }, its], 'has the scripts postinstall'],
  ['a folder without a root', [its], 'expected the root package limbeck'],
])('refused is %s', (_, all, message) => {
  const { status, stderr } = gate(tarballs(...all))
  expect(status).toBe(1)
  expect(stderr).toContain(message)
})
