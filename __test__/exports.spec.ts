/** Rules for the native code; for example, a panic in an export that does not catch it would end the user's process. */
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
    // JavaScript may hold an object twice, so `&mut self` could be two mutable references to it.
    expect(text, name).not.toMatch(/pub fn \w+(?:<[^>]*>)?\(\s*&mut self/)
  }
})

test('panics_unwind_in_every_profile', () => {
  const manifest = readFileSync(new URL('../Cargo.toml', import.meta.url), 'utf8')
  expect(manifest).toMatch(/\[profile\.release\][^[]*panic = "unwind"/)
  expect(manifest).not.toContain('panic = "abort"')
})

test('core_does_not_use_napi_and_its_interface_does_not_mention_candle', () => {
  const manifest = readFileSync(new URL('../crates/core/Cargo.toml', import.meta.url), 'utf8')
  expect(manifest).not.toContain('napi')
  const types = readFileSync(new URL('../ts/native/binding.d.ts', import.meta.url), 'utf8')
  expect(types).not.toMatch(/candle/i)
  for (const { name, text } of sources) expect(text, name).not.toContain('candle')
})
