/** What the native side must not do: an export without a net under it ends somebody's process when it panics. */
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const folder = new URL('../crates/node/src/', import.meta.url)
const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.rs')).map(name => ({ name, text: readFileSync(new URL(name, folder), 'utf8') }))

/** Exported functions, with the attribute above each. */
function exported(text: string): { attribute: string; name: string }[] {
  return [...text.matchAll(/#\[napi(\([^\]]*\))?\]\s*(?:\/\/[^\n]*\s*)*pub fn (\w+)/g)].map(([, attribute = '', name = '']) => ({
    attribute,
    name,
  }))
}

test('every_exported_function_catches_panics', () => {
  const all = sources.flatMap(({ name, text }) => exported(text).map(found => ({ file: name, ...found })))
  expect(all.length).toBeGreaterThan(30)
  expect(all.filter(({ attribute }) => !attribute.includes('catch_unwind'))).toEqual([])
})

test('no_work_runs_on_the_pool_of_libuv_or_on_a_second_runtime', () => {
  for (const { name, text } of sources) {
    expect(text, name).not.toMatch(/AsyncTask|\basync fn\b|ThreadsafeFunction|tokio/)
    // `&mut self` of an object that JavaScript holds is two writers at once.
    expect(text, name).not.toMatch(/pub fn \w+(?:<[^>]*>)?\(\s*&mut self/)
  }
})

test('panics_unwind_in_every_profile', () => {
  const manifest = readFileSync(new URL('../Cargo.toml', import.meta.url), 'utf8')
  expect(manifest).toMatch(/\[profile\.release\][^[]*panic = "unwind"/)
  expect(manifest).not.toContain('panic = "abort"')
})

test('core_knows_no_napi_and_shows_no_candle', () => {
  const manifest = readFileSync(new URL('../crates/core/Cargo.toml', import.meta.url), 'utf8')
  expect(manifest).not.toContain('napi')
  const types = readFileSync(new URL('../ts/native/binding.d.ts', import.meta.url), 'utf8')
  expect(types).not.toMatch(/candle/i)
  for (const { name, text } of sources) expect(text, name).not.toContain('candle')
})
