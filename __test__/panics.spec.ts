/** A panic anywhere in native code becomes a LimbeckError, and the next job works. */
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const source = path.join(root, 'crates/node/src')
const places = new Set(
  readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.rs'))
    .flatMap(name => [...readFileSync(path.join(source, name), 'utf8').matchAll(/panic_point\("([\w.]+)"\)/g)].map(([, place]) => place!)),
)
let folder: string
let binary: string

beforeAll(() => {
  // With the profile and target folder of other builds, only this small crate is compiled again.
  execFileSync('cargo', ['build', '--release', '--locked', '-p', 'limbeck-node', '--features', 'panic-injection'], { cwd: root, stdio: 'pipe' })
  folder = mkdtempSync(path.join(tmpdir(), 'limbeck-panics-'))
  binary = path.join(folder, 'limbeck.node')
  copyFileSync(path.join(root, 'target', process.env.CARGO_BUILD_TARGET ?? '', 'release/liblimbeck_node.so'), binary)
}, 900_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('a_panic_at_each_point_is_an_internal_error_and_the_next_job_is_correct', () => {
  expect(places.size).toBeGreaterThanOrEqual(20)
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(root, '__test__/children/panics.mjs')], {
    env: { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: binary, LIMBECK_PANIC_PLACES: [...places].join(',') },
    encoding: 'utf8',
    timeout: 240_000,
  })
  expect(stderr.split('\n').filter(line => line.includes('FAILED'))).toEqual([])
  expect(status, stderr).toBe(0)
  expect(JSON.parse(stdout.trim().split('\n').at(-1)!)).toEqual({ places: places.size })
}, 300_000)
