/**
 * Which file imports which, read from the sources: held to the "may import" column of ARCHITECTURE.md by
 * `__test__/layering.spec.ts`. As a program it prints the rooms, the arrows that run up and the circles of files;
 * with `--mermaid` or `--dot` it draws the rooms.
 */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')

/** Path → text of every source file; paths have `/` on every platform. */
export function sources() {
  const found = new Map()
  const walk = folder => {
    for (const entry of readdirSync(path.join(root, folder), { withFileTypes: true })) {
      const file = `${folder}/${entry.name}`
      if (entry.isDirectory()) entry.name === 'node_modules' || walk(file)
      else if (/\.(rs|ts|mjs)$/.test(file) && !/\.d\.ts$/.test(file)) found.set(file, readFileSync(path.join(root, file), 'utf8'))
    }
  }
  for (const crate of readdirSync(path.join(root, 'crates'))) walk(`crates/${crate}/src`)
  for (const folder of ['ts', '__test__', 'bench', 'examples']) walk(folder)
  return found
}

/** The source with comments, and in Rust strings, replaced by blanks. */
function blanked(text, rust) {
  const pattern = rust
    ? /\/\/.*|\/\*[^]*?\*\/|\bb?r(#*)"[^]*?"\1|b?"(?:\\[^]|[^"\\])*"|b?'(?:\\[^']+|\\'|[^'\\])'/g
    : /\/\/.*|\/\*[^]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[^]|[^`\\])*`/g
  return text.replace(pattern, found => (rust || found[0] === '/' || found[0] === '`' ? found.replace(/[^\n]/g, ' ') : found))
}

// --- Rust ---

/** Without the items under `#[cfg(test)]`; `tests` gets the names of the modules among them. */
function untested(text, tests) {
  for (let start; (start = text.indexOf('#[cfg(test)]')) >= 0; ) {
    let end = start + '#[cfg(test)]'.length
    const name = /^\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*;/.exec(text.slice(end))
    if (name) tests.add(name[1])
    for (let depth = 0; end < text.length; end++) {
      if ('{(['.includes(text[end])) depth++
      if ('})]'.includes(text[end])) depth--
      if (depth < 0 || (depth === 0 && (text[end] === ';' || text[end] === '}'))) break
    }
    text = text.slice(0, start) + text.slice(start, end + 1).replace(/[^\n]/g, ' ') + text.slice(end + 1)
  }
  return text
}

/** The paths of a use tree: `a::{b, c::{d as e}}` gives `[a, b]`, `[a, c, d]`, each with the name that it binds. */
function tree(text, before = []) {
  const item = text.trim()
  const open = item.indexOf('{')
  if (open >= 0) {
    const prefix = [...before, ...item.slice(0, open).split('::').map(part => part.trim()).filter(Boolean)]
    const parts = []
    let depth = 0
    let last = open + 1
    for (let at = open + 1; at < item.length; at++) {
      if (item[at] === '{') depth++
      if ((item[at] === ',' && depth === 0) || (item[at] === '}' && depth-- === 0)) {
        parts.push(item.slice(last, at))
        last = at + 1
      }
    }
    return parts.filter(part => part.trim()).flatMap(part => tree(part, prefix))
  }
  const [, name, alias] = /^(\S+)(?:\s+as\s+(\w+))?$/.exec(item) ?? [null, item]
  const names = [...before, ...name.split('::').filter(Boolean)]
  if (names.at(-1) === 'self' && names.length > 1) names.pop()
  return [{ names, bound: alias ?? names.at(-1) }]
}

/** Every Rust file by the path of its module: `limbeck_core::losses::kl`. */
function modules(texts) {
  const found = new Map()
  for (const [file, text] of texts) {
    const match = /^crates\/(\w+)\/src\/(.*)\.rs$/.exec(file)
    if (!match) continue
    const names = match[2].split('/').filter((name, at, all) => !(at === all.length - 1 && ['mod', 'lib', 'main'].includes(name)))
    const tests = new Set()
    const body = untested(blanked(text, true), tests)
    const uses = []
    const rest = body.replace(/\buse\s+([^;]+);/g, (all, used) => (uses.push(...tree(used)), all.replace(/[^\n]/g, ' ')))
    found.set([`limbeck_${match[1]}`, ...names].join('::'), { file, names: [`limbeck_${match[1]}`, ...names], tests, uses, rest })
  }
  for (const [key, { tests }] of [...found]) {
    for (const name of tests) for (const other of [...found.keys()]) if (`${other}::`.startsWith(`${key}::${name}::`)) found.delete(other)
  }
  return found
}

/** From where a path starts: the module's names and what follows, or nothing for a path into another library. */
function absolute(all, from, names) {
  const [first, ...rest] = names
  if (first === 'crate' || first === '$crate') return [from.names[0], ...rest]
  if (first === 'self') return [...from.names, ...rest]
  if (first === 'super') return absolute(all, { names: from.names.slice(0, -1) }, rest[0] === 'super' ? rest : ['self', ...rest])
  if (all.has(first)) return names
  return all.has([...from.names, first].join('::')) ? [...from.names, ...names] : undefined
}

const defines = (module, name) => new RegExp(`\\b(?:fn|struct|enum|trait|type|const|static|union|macro_rules!|mod)\\s+${name}\\b`).test(module.rest)

/** The module that defines what an absolute path names: re-exports are followed. */
function resolve(all, names, seen = new Set()) {
  const key = names.join('::')
  if (seen.has(key)) return undefined
  seen.add(key)
  let length = 1
  while (length < names.length && all.has(names.slice(0, length + 1).join('::'))) length++
  const module = all.get(names.slice(0, length).join('::'))
  if (!module) return undefined
  const [next, ...rest] = names.slice(length)
  if (next === undefined) return { module, whole: true }
  const binding = module.uses.find(use => use.bound === next)
  const target = binding && absolute(all, module, binding.names)
  if (target) return resolve(all, [...target, ...rest], seen) ?? { module }
  if (!defines(module, next)) {
    for (const glob of module.uses.filter(use => use.bound === '*')) {
      const inner = absolute(all, module, glob.names.slice(0, -1))
      const found = inner && resolve(all, [...inner, next, ...rest], seen)
      if (found && defines(found.module, next)) return found
    }
  }
  return { module }
}

function rustArrows(texts) {
  const all = modules(texts)
  const arrows = []
  for (const module of all.values()) {
    const add = (names, says) => {
      const start = absolute(all, module, names)
      const found = start && resolve(all, start)
      if (found && found.module !== module) arrows.push({ from: module.file, to: found.module.file, says, loose: found.whole })
    }
    for (const { names } of module.uses) {
      add(names[names.length - 1] === '*' ? names.slice(0, -1) : names, names.join('::'))
    }
    const aliases = new Map(module.uses.map(use => [use.bound, use.names]))
    for (const [says] of module.rest.matchAll(/(?<![\w:.])\$?\w+(?:::\w+)+/g)) {
      const [first, ...rest] = says.split('::')
      const known = aliases.get(first)
      if (known) /^[a-z]/.test(first) && add([...known, ...rest], says)
      else add([first, ...rest], says)
    }
  }
  return arrows
}

// --- TypeScript ---

function scriptArrows(texts) {
  const arrows = []
  for (const [file, text] of texts) {
    if (!/\.(ts|mjs)$/.test(file)) continue
    for (const [, says] of blanked(text, false).matchAll(/\b(?:from|import|require)\s*\(?\s*['"]([^'"]+)['"]/g)) {
      if (!says.startsWith('.')) continue
      const target = path.posix.join(path.posix.dirname(file), says)
      const to = [target, target.replace(/\.js$/, '.ts'), `${target}.ts`].find(name => texts.has(name))
      if (to && to !== file) arrows.push({ from: file, to, says })
    }
  }
  return arrows
}

/** One arrow a pair of files. `loose`: of a whole module, whose parts are named elsewhere. */
export function arrows(texts) {
  const found = new Map()
  for (const arrow of [...rustArrows(texts), ...scriptArrows(texts)]) {
    const key = `${arrow.from} ${arrow.to}`
    const before = found.get(key)
    if (!before || (before.loose && !arrow.loose)) found.set(key, arrow)
  }
  return [...found.values()]
}

/** Circles of files: the strongly connected components of more than one file, largest first. */
export function circles(all) {
  const next = new Map()
  for (const { from, to, loose } of all) if (!loose) next.set(from, [...(next.get(from) ?? []), to])
  const [index, low, stack, found] = [new Map(), new Map(), [], []]
  const visit = file => {
    index.set(file, index.size)
    low.set(file, index.get(file))
    stack.push(file)
    for (const to of next.get(file) ?? []) {
      if (!index.has(to)) visit(to)
      if (stack.includes(to)) low.set(file, Math.min(low.get(file), low.get(to)))
    }
    if (low.get(file) === index.get(file)) {
      const circle = stack.splice(stack.indexOf(file))
      if (circle.length > 1) found.push(circle.sort())
    }
  }
  for (const file of next.keys()) if (!index.has(file)) visit(file)
  return found.sort((a, b) => b.length - a.length)
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const texts = sources()
  const all = arrows(texts)
  for (const circle of circles(all)) console.log(circle.length, circle.join(' '))
  if (argv[2] === '--of') {
    for (const arrow of all.filter(({ from, to }) => argv.slice(3).some(name => from.includes(name)) && (argv[3]===argv[4]?true:true))) console.log(arrow.from, '→', arrow.to, '  ', arrow.says, arrow.loose ? '(loose)' : '')
  }
}
