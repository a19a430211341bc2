/** A missing or outdated tool is named in one sentence, with its remedy. */
import { spawnSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { folder } from './support.js'

const ready = fileURLToPath(new URL('../ts/build/ready.mjs', import.meta.url))

function check(name: string, PATH: string, before = '') {
  const program = `${before}; const { ${name} } = await import(${JSON.stringify(ready)}); ${name}()`
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { env: { PATH }, encoding: 'utf8' })
  return { status, sentence: stderr.trim() }
}

function cargo(version: string): string {
  const place = folder()
  writeFileSync(path.join(place, 'cargo'), `#!/bin/sh\necho cargo ${version}\n`)
  chmodSync(path.join(place, 'cargo'), 0o755)
  return `${place}:/usr/bin:/bin`
}

test('no cargo', () => {
  const { status, sentence } = check('checkCargo', '/nowhere')
  expect(status).toBe(1)
  expect(sentence).toMatch(/^The native side is built with Rust, and cargo was not found: install Rust 1\.89 or newer from https:\/\/rustup\.rs\.$/)
})

test('an old cargo', () => {
  const { status, sentence } = check('checkCargo', cargo('1.79.0'))
  expect(status).toBe(1)
  expect(sentence).toMatch(/^The native side needs Rust 1\.89 or newer, and this is cargo 1\.79\.0: run rustup update\.$/)
  for (const fine of ['1.89.0', '1.101.2', '2.0.0']) expect(check('checkCargo', cargo(fine))).toEqual({ status: 0, sentence: '' })
})

test('an old Node', () => {
  const as = (version: string) =>
    check('checkNode', process.env.PATH!, `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`)
  for (const old of ['18.20.0', '20.18.3', '21.7.0', '22.11.0']) {
    const { status, sentence } = as(old)
    expect([old, status]).toEqual([old, 1])
    expect(sentence).toContain(`this is ${old}: install it from https://nodejs.org.`)
  }
  for (const fine of ['20.19.0', '22.12.0', '24.0.0']) expect(as(fine)).toEqual({ status: 0, sentence: '' })
})
