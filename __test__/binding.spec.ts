/** What a user sees when the native side is missing or is another version, and every code that an error can have. */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { errorCodes } from '../ts/index.js'
import { folder } from './support.js'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

/** Imports limbeck, then uses it, with another file as its native side. */
function withBinding(file: string) {
  const program = `
    import { LimbeckError, memory } from 'limbeck'
    try { memory() } catch (error) {
      const { code, message, cause } = error
      console.log(JSON.stringify({ ours: error instanceof LimbeckError, code, message, cause: cause !== undefined }))
    }`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: root,
    env: { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: file },
    encoding: 'utf8',
  })
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout) as { ours: boolean; code: string; message: string; cause: boolean }
}

test('another version of the native side is refused at its first use, with both versions and the remedy', () => {
  const file = path.join(folder(), 'old.cjs')
  writeFileSync(file, `exports.nativeVersion = () => '0.0.1'\n`)
  const { ours, code, message } = withBinding(file)
  expect([ours, code]).toEqual([true, 'ERR_LIMBECK_BINDING_VERSION'])
  expect(message).toMatch(/expected the native binding \d+\.\d+\.\d+, got 0\.0\.1; .*npm install limbeck@/)
})

test('a native side that cannot be loaded is named, with the remedy and the cause', () => {
  const file = path.join(folder(), 'broken.cjs')
  writeFileSync(file, `throw new Error('no such symbol')\n`)
  const found = withBinding(file)
  expect(found).toMatchObject({ ours: true, code: 'ERR_LIMBECK_BINDING_NOT_FOUND', cause: true })
  expect(found.message).toMatch(/no native binding for \w+-\w+ could be loaded\. In a clone: npm run build\./)
})

test('the list of codes is that of the core, and two of our own', () => {
  const rust = readFileSync(path.join(root, 'crates/core/src/error.rs'), 'utf8')
  const core = [...rust.matchAll(/"(ERR_LIMBECK_\w+)"/g)].map(match => match[1]!)
  const own = ['ERR_LIMBECK_BINDING_NOT_FOUND', 'ERR_LIMBECK_BINDING_VERSION']
  expect([...new Set([...core, ...own])].sort()).toEqual([...errorCodes].sort())
})
