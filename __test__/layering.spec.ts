/** Imports follow the map of ARCHITECTURE.md in one direction; the library without the command line has no dependency. */
import path from 'node:path'
import { expect, test } from 'vitest'
// @ts-expect-error The program has no types.
import { arrows, check, report, roomOf, rooms, sources } from '../ts/build/imports.mjs'

type Room = { name: string; paths: string[]; may: string[] }
type Checked = { problems: string[]; up: string[]; circles: string[][] }

const texts: Map<string, string> = sources()
const map: Room[] = rooms()
const room = (file: string): Room | undefined => roomOf(map, file)
const names = [...texts.keys()]

/** The problems of one file after a line is appended to it. */
const planted = (file: string, line: string): Checked => check(new Map(texts).set(file, `${texts.get(file)}\n${line}\n`), map, file)

test('every import is in the "may import" cell of its room, and every entry of a cell is used', () => {
  const checked: Checked = check(texts, map)
  expect(checked.problems, report(checked)).toEqual([])
  expect(checked.up.length, report(checked)).toBeLessThanOrEqual(2)
  expect(checked.circles.filter(circle => circle.length > 2), report(checked)).toEqual([])
})

/** A line of `file` that imports `target`: in a nested list, inline, from the parent, or by a relative path. */
function line(file: string, target: string, number: number): string {
  if (!file.endsWith('.rs')) {
    const relative = path.posix.relative(path.posix.dirname(file), target).replace(/\.ts$/, '.js')
    return `import { planted } from '${relative.startsWith('.') ? relative : `./${relative}`}'`
  }
  const crate = (name: string) => name.split('/')[1]!
  const modules = target.replace(/^crates\/\w+\/src\//, '').replace(/(\/mod|^lib)?\.rs$/, '').split('/').filter(Boolean)
  const at = crate(file) === crate(target) ? 'crate' : `limbeck_${crate(target)}`
  if (number % 3 === 0) return `use ${at}::{${modules.join('::{')}::{Planted${'}'.repeat(modules.length)}};`
  if (number % 3 === 1) return `fn planted() { ${[at, ...modules].join('::')}::planted() }`
  const depth = file.split('/').length - (/\/(mod|lib)\.rs$/.test(file) ? 4 : 3)
  return at === 'crate' && depth > 0 ? `use ${Array(depth).fill('super').join('::')}::${modules.join('::')}::Planted;` : `use ${[at, ...modules].join('::')}::Planted;`
}

test('a forbidden import that is added to a room is found, in every syntax', () => {
  let number = 0
  for (const own of map) {
    const file = names.find(name => room(name) === own && !/\/(lib|main)\.rs$/.test(name)) ?? names.find(name => room(name) === own)!
    const rust = file.endsWith('.rs')
    const strange = map.filter(other => other !== own && !own.may.includes(other.name)).flatMap(other => {
      const target = names.find(name => room(name) === other && name.endsWith('.rs') === rust && !name.endsWith('lib.rs'))
      return target !== undefined && (!rust || target.startsWith('crates/core/')) ? [target] : []
    })
    expect(strange.length, `${own.name} may import every room`).toBeGreaterThan(0)
    for (const target of [strange[0]!, strange.at(-1)!]) {
      const text = line(file, target, number++)
      const { problems } = planted(file, text)
      expect(problems.filter(problem => problem.startsWith(`${file} imports ${target}`)), `${file}: ${text}`).toHaveLength(1)
    }
  }
})

test('code under #[cfg(test)], comments and strings contain no imports', () => {
  const file = 'crates/core/src/tape.rs'
  for (const text of ['#[cfg(test)]\nmod planted {\n    use crate::run::Run;\n}', '// use crate::run::Run;', 'const PLANTED: &str = "crate::run::Run";']) {
    expect(planted(file, text).problems).toEqual([])
  }
})

test('an added circle of three files, a file outside all rooms and a wrong cell are found', () => {
  const [first, second, third] = ['calibration', 'entropy', 'tree'].map(name => `crates/core/src/analysis/${name}.rs`) as [string, string, string]
  const circle = new Map(texts)
  for (const [from, to] of [[first, 'entropy'], [second, 'tree'], [third, 'calibration']] as const) circle.set(from, `${texts.get(from)}\nuse super::${to}::${to.toUpperCase()};\n`)
  expect(check(circle, map).circles.some((files: string[]) => [first, second, third].every(file => files.includes(file)))).toBe(true)
  expect(check(new Map(texts).set('crates/core/src/planted.rs', ''), map).problems.join()).toContain('crates/core/src/planted.rs: expected a room in the map')
  const wider = map.map(own => (own.name === 'tensor' ? { ...own, may: [...own.may, 'run'] } : own))
  expect(check(texts, wider).problems.join()).toContain('tensor may import run and does not')
})

const imports = (file: string) => [...texts.get(file)!.matchAll(/(?:from|import|require)\s*\(?\s*'([^']+)'/g)].map(match => match[1]!)
const library = names.filter(name => name.startsWith('ts/') && name.endsWith('.ts') && !name.startsWith('ts/cli/'))

test('the library without the command line imports only itself, Node and the binding', () => {
  expect(library.length).toBeGreaterThan(15)
  for (const file of library) for (const name of imports(file)) expect(name, file).toMatch(/^(node:|\.\.?\/|#native$)/)
})

test('only one file loads the binding', () => {
  expect(names.filter(name => name.startsWith('ts/') && name.endsWith('.ts') && texts.get(name)!.includes("'#native')"))).toEqual(['ts/native/load.ts'])
})

test('the core does not use napi, the node crate does no arithmetic', () => {
  const code = (file: string) => texts.get(file)!.replace(/^\s*\/\/.*$/gm, '')
  for (const file of names.filter(name => name.startsWith('crates/core/'))) expect(/\bnapi\b/.test(code(file)), file).toBe(false)
  for (const file of names.filter(name => name.startsWith('crates/node/'))) expect(/\bcandle/.test(code(file)), file).toBe(false)
})

test('losses do not import losses', () => {
  const each = names.filter(name => name.startsWith('crates/core/src/losses/') && /impl (RowLoss|Compare) for/.test(texts.get(name)!))
  expect(each.length).toBeGreaterThan(20)
  const between = (arrows(texts) as { from: string; to: string }[]).filter(({ from, to }) => each.includes(from) && each.includes(to))
  expect(between).toEqual([])
})
