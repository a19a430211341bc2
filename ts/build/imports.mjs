/**
 * Reads from the sources which file imports which. `__test__/layering.spec.ts` compares this with the column "may import" of
 * ARCHITECTURE.md. As a program it prints the rooms, the arrows that run up and the circles of files; with `--mermaid` or
 * `--dot` it draws the rooms.
 */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import process, { argv } from 'node:process'
import { fileURLToPath } from 'node:url'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')

/** Maps the path of every source file to its text; paths have `/` on every platform. */
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

/** The source with comments (and in Rust also strings) replaced by blanks. */
function blanked(text, rust) {
  const pattern = rust
    ? /\/\/.*|\/\*[^]*?\*\/|\bb?r(#*)"[^]*?"\1|b?"(?:\\[^]|[^"\\])*"|b?'(?:\\[^']+|\\'|[^'\\])'/g
    : /\/\/.*|\/\*[^]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[^]|[^`\\])*`/g
  return text.replace(pattern, found => (rust || found[0] === '/' || found[0] === '`' ? found.replace(/[^\n]/g, ' ') : found))
}

// --- Rust ---

/** The source without items under `#[cfg(test)]`; the names of modules among them are added to `tests`. */
function untested(text, tests) {
  for (let found; (found = /#\[cfg\((?:test|all\(test\b[^\]]*\))\)\]/.exec(text)); ) {
    const start = found.index
    let end = start + found[0].length
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

/** The use trees of a piece of Rust, its other text, and its inline modules. */
function scope(text) {
  const [uses, inner] = [[], []]
  for (let found; (found = /\bmod\s+(\w+)\s*\{/.exec(text)); ) {
    let end = found.index + found[0].length
    for (let depth = 1; depth > 0 && end < text.length; end++) depth += text[end] === '{' ? 1 : text[end] === '}' ? -1 : 0
    inner.push([found[1], scope(text.slice(found.index + found[0].length, end - 1))])
    text = text.slice(0, found.index) + text.slice(found.index, end).replace(/[^\n]/g, ' ') + text.slice(end)
  }
  const rest = text.replace(/\buse\s+([^;]+);/g, (all, used) => (uses.push(...tree(used)), all.replace(/[^\n]/g, ' ')))
  return { uses, rest, inner }
}

const known = new Map()

/** A Rust file as a scope, with the names of its test modules. */
function parsed(text) {
  if (!known.has(text)) {
    const tests = new Set()
    known.set(text, { ...scope(untested(blanked(text, true), tests)), tests })
  }
  return known.get(text)
}

/** Every Rust file by the path of its module: `limbeck_core::losses::kl`. */
function modules(texts) {
  const found = new Map()
  for (const [file, text] of texts) {
    const match = /^crates\/(\w+)\/src\/(.*)\.rs$/.exec(file)
    if (!match) continue
    const names = match[2].split('/').filter((name, at, all) => !(at === all.length - 1 && ['mod', 'lib', 'main'].includes(name)))
    const path = [`limbeck_${match[1]}`, ...names]
    found.set(path.join('::'), { file, names: path, ...parsed(text) })
  }
  for (const [key, { tests }] of [...found]) {
    for (const name of tests) for (const other of [...found.keys()]) if (`${other}::`.startsWith(`${key}::${name}::`)) found.delete(other)
  }
  return found
}

/** The absolute form of a path in a module, or undefined for a path into another library. */
function absolute(all, from, names) {
  const [first, ...rest] = names
  if (first === 'crate' || first === '$crate') return [from.names[0], ...rest]
  if (first === 'self') return [...from.names, ...rest]
  if (first === 'super') return absolute(all, { names: from.names.slice(0, -1) }, rest[0] === 'super' ? rest : ['self', ...rest])
  if (all.has(first)) return names
  return all.has([...from.names, first].join('::')) ? [...from.names, ...names] : undefined
}

const defines = (module, name) => new RegExp(`\\b(?:fn|struct|enum|trait|type|const|static|union|macro_rules!|mod)\\s+${name}\\b`).test(module.rest)

/** The module that defines the item of an absolute path; re-exports are followed. */
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

function rustArrows(texts, only) {
  const all = modules(texts)
  const arrows = []
  const walk = scope => {
    const add = (names, says) => {
      const start = absolute(all, scope, names)
      const found = start && resolve(all, start)
      if (found && found.module.file !== scope.file) arrows.push({ from: scope.file, to: found.module.file, says, loose: found.whole })
    }
    for (const { names } of scope.uses) add(names.at(-1) === '*' ? names.slice(0, -1) : names, names.join('::'))
    const aliases = new Map(scope.uses.map(use => [use.bound, use.names]))
    for (const [says] of scope.rest.matchAll(/(?<![\w:.])\$?\w+(?:::\w+)+/g)) {
      const [first, ...rest] = says.split('::')
      const alias = aliases.get(first)
      if (!alias) add([first, ...rest], says)
      else if (/^[a-z]/.test(first)) add([...alias, ...rest], says)
    }
    for (const [name, inner] of scope.inner) walk({ ...inner, file: scope.file, names: [...scope.names, name] })
  }
  for (const module of all.values()) if (only === undefined || module.file === only) walk(module)
  return arrows
}

// --- TypeScript ---

function scriptArrows(texts, only) {
  const arrows = []
  for (const [file, text] of texts) {
    if (!/\.(ts|mjs)$/.test(file) || (only !== undefined && file !== only)) continue
    for (const [, says] of blanked(text, false).matchAll(/\b(?:from|import|require)\s*\(?\s*['"]([^'"]+)['"]/g)) {
      if (!says.startsWith('.')) continue
      const target = path.posix.join(path.posix.dirname(file), says)
      const to = [target, target.replace(/\.js$/, '.ts'), `${target}.ts`].find(name => texts.has(name))
      if (to && to !== file) arrows.push({ from: file, to, says })
    }
  }
  return arrows
}

/** One arrow per pair of files; with `only`, those of one file. `loose` marks the import of a whole module. */
export function arrows(texts, only) {
  const found = new Map()
  for (const arrow of [...rustArrows(texts, only), ...scriptArrows(texts, only)]) {
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

// --- Rooms ---

/** The map of ARCHITECTURE.md, from the lowest room to the highest: the name, the paths and the allowed imports of each room. */
export function rooms(text = readFileSync(path.join(root, 'ARCHITECTURE.md'), 'utf8')) {
  const rows = [...text.matchAll(/^\| \*\*(.+?)\*\* (.+?) \|.*\| (.*?) \|$/gm)]
  return rows.map(([, name, files, may]) => ({
    name,
    paths: [...files.matchAll(/`([^`]+)`/g)].map(([, file]) => (/^(crates|ts|__test__|bench|examples)\b/.test(file) ? file : `crates/core/src/${file}`)),
    may: may.split(',').map(word => word.trim()).filter(word => word && word !== '–'),
  }))
}

/** The room of a file: the one with the longest path that is the file or contains it. */
export function roomOf(all, file) {
  let found
  for (const room of all) {
    for (const owned of room.paths) {
      const holds = owned.endsWith('/') ? file.startsWith(owned) : file === owned
      if (holds && (found?.length ?? 0) < owned.length) found = { room, length: owned.length }
    }
  }
  return found?.room
}

/** The problems: files without a room, cells with unknown rooms, imports that no cell allows. `up`: imports of a room by a lower one. */
export function check(texts, map = rooms(), only = undefined) {
  const all = arrows(texts, only)
  const at = new Map(map.map((room, index) => [room.name, index]))
  const problems = []
  for (const file of texts.keys()) if (!roomOf(map, file)) problems.push(`${file}: expected a room in the map of ARCHITECTURE.md, got none`)
  for (const { name, may } of map) {
    for (const other of may) if (!at.has(other)) problems.push(`ARCHITECTURE.md, ${name}: expected the name of a room, got ${other}`)
  }
  const used = new Map()
  const up = new Set()
  for (const { from, to, says } of all) {
    const [own, other] = [roomOf(map, from), roomOf(map, to)]
    if (!own || !other || own === other) continue
    const key = `${own.name} → ${other.name}`
    used.set(key, [...(used.get(key) ?? []), `${from} imports ${to} (${says})`])
    if (at.get(other.name) > at.get(own.name)) up.add(key)
    if (!own.may.includes(other.name)) problems.push(`${from} imports ${to} (${says}): the room ${own.name} may not import ${other.name}`)
  }
  for (const { name, may } of only === undefined ? map : []) {
    for (const other of may) if (at.has(other) && !used.has(`${name} → ${other}`)) problems.push(`ARCHITECTURE.md: ${name} may import ${other} and does not`)
  }
  return { all, used, up: [...up], circles: circles(all), problems, map }
}

/** A report in text. */
export function report({ all, used, up, circles, problems, map }) {
  const large = circles.filter(circle => circle.length > 2)
  return [
    `${map.length} rooms, ${used.size} arrows between rooms, ${all.length} between files`,
    `${up.length} arrows run up${up.length > 0 ? `: ${up.join(', ')}` : ''}`,
    `${circles.length} circles of files, ${large.length} of more than two`,
    ...large.map(circle => `  ${circle.length}: ${circle.join(', ')}`),
    ...problems,
  ].join('\n')
}

/** The rooms and their arrows as Mermaid or Graphviz. */
function drawing({ map, used }, format) {
  const pairs = [...used.keys()].map(key => key.split(' → '))
  const id = name => name.replace(/\W/g, '_')
  if (format === 'dot') return `digraph rooms {\n${pairs.map(([a, b]) => `  "${a}" -> "${b}"`).join('\n')}\n}`
  return `flowchart BT\n${map.map(({ name }) => `  ${id(name)}["${name}"]`).join('\n')}\n${pairs.map(([a, b]) => `  ${id(a)} --> ${id(b)}`).join('\n')}`
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const checked = check(sources())
  const format = /^--(mermaid|dot)$/.exec(argv[2] ?? '')?.[1]
  if (format) console.log(drawing(checked, format))
  else {
    for (const { name } of checked.map) {
      const to = [...checked.used].filter(([key]) => key.startsWith(`${name} → `)).map(([key, files]) => `${key.split(' → ')[1]} (${files.length})`)
      console.log(`${name}: ${to.join(', ') || '–'}`)
    }
    console.log(report(checked))
    process.exitCode = checked.problems.length > 0 || checked.up.length > 2 || checked.circles.some(circle => circle.length > 2) ? 1 : 0
  }
}
