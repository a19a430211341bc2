/** Imports point one way, and the library proper has no dependency. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

function files(folder: string, ext: string): string[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap(entry => {
    const place = path.join(folder, entry.name)
    if (entry.isDirectory()) return files(place, ext)
    return entry.name.endsWith(ext) ? [place] : []
  })
}
const text = (file: string) => readFileSync(path.join(root, file), 'utf8')
const imports = (file: string) => [...text(file).matchAll(/(?:from|import|require)\s*\(?\s*'([^']+)'/g)].map(match => match[1]!)

const sources = files('ts', '.ts').filter(file => !file.endsWith('.d.ts'))
const outer = (file: string) => /^ts[\\/](cli|report)[\\/]/.test(file)

test('the library proper imports nothing but itself, Node and the binding', () => {
  const library = sources.filter(file => !outer(file))
  expect(library.length).toBeGreaterThan(15)
  for (const file of library) {
    for (const name of imports(file)) {
      expect(name, file).toMatch(/^(node:|\.\.?\/|#native$)/)
      if (name.startsWith('.')) expect(outer(path.join(path.dirname(file), name)), `${file} imports ${name}`).toBe(false)
    }
  }
})

test('only one file loads the binding', () => {
  expect(sources.filter(file => text(file).includes("'#native')"))).toEqual([path.join('ts', 'native', 'load.ts')])
})

test('the core does not know Node, the node crate does no arithmetic', () => {
  for (const file of files('crates/core/src', '.rs')) expect(/\bnapi\b/.test(text(file).replace(/^\s*\/\/.*$/gm, '')), file).toBe(false)
  for (const file of files('crates/node/src', '.rs')) expect(/\bcandle/.test(text(file)), file).toBe(false)
})

test('losses do not import losses', () => {
  // The files that the registry names: those with options of their own.
  const each = files('crates/core/src/losses', '.rs')
    .filter(file => /impl (RowLoss|Compare) for/.test(text(file)))
    .map(file => path.basename(file, '.rs'))
  expect(each).toEqual(expect.arrayContaining(['kl', 'hint']))
  for (const own of each) {
    for (const other of each.filter(name => name !== own)) {
      expect(text(`crates/core/src/losses/${own}.rs`), `${own} imports ${other}`).not.toMatch(new RegExp(`super::${other}::|losses::${other}::`))
    }
  }
})
