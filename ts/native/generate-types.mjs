// Writes options.ts, the types of all options, from the Rust structs, which are their only definition.

import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { compile } from 'json-schema-to-typescript'

const require = createRequire(import.meta.url)
const file = new URL('options.ts', import.meta.url)
const schemas = JSON.parse(require('./binding.js').schema())

/** All definitions by name; each is written once. */
const definitions = {}
function define(name, definition) {
  const known = definitions[name]
  if (known !== undefined && JSON.stringify(known) !== JSON.stringify(definition)) {
    throw new Error(`two structs are called ${name}: give one of them another name with #[schemars(rename)]`)
  }
  definitions[name] = definition
}
for (const [name, { $defs = {}, $schema, ...schema }] of Object.entries(schemas)) {
  // The type was already defined as a part of another one.
  if (name in definitions) continue
  for (const [inner, definition] of Object.entries($defs)) define(inner, definition)
  define(name, schema)
}

const tidy = schema => {
  if (Array.isArray(schema)) return schema.map(tidy)
  if (typeof schema !== 'object' || schema === null) return schema
  const { format, minimum, maximum, title, ...rest } = schema
  // `Option<T>` is a key that may be left out, never null.
  if (Array.isArray(rest.type)) {
    rest.type = rest.type.filter(type => type !== 'null')
    if (rest.type.length === 1) rest.type = rest.type[0]
  }
  if (Array.isArray(rest.anyOf)) {
    rest.anyOf = rest.anyOf.filter(({ type }) => type !== 'null')
    if (rest.anyOf.length === 1) Object.assign(rest, rest.anyOf[0], { anyOf: undefined, description: rest.description })
  }
  if (typeof rest.$ref === 'string') {
    const { $ref, ...others } = rest
    const there = { $ref: $ref.replace('#/$defs/', '#/definitions/') }
    // A description next to a `$ref` would create a second type.
    return Object.values(others).some(other => other !== undefined) ? { description: others.description, allOf: [there] } : there
  }
  return Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined).map(([key, value]) => [key, named(key, value)]))
}

/** The keys below `properties` and `definitions` are our names, not keywords of JSON Schema. */
const named = (key, value) =>
  key === 'properties' || key === 'definitions'
    ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, tidy(inner)]))
    : tidy(value)

const all = { title: 'Everything', type: 'object', additionalProperties: false, definitions: named('definitions', definitions) }
const style = { semi: false, singleQuote: true, printWidth: 120, arrowParens: 'avoid' }
const text = await compile(all, 'Everything', {
  additionalProperties: false,
  bannerComment: '/** Types of all options. Made by generate-types.mjs from the Rust structs; not written by hand. */',
  declareExternallyReferenced: true,
  unreachableDefinitions: true,
  style,
})
const keys = name => `[\n${Object.keys(definitions[name].properties).map(key => `  '${key}',\n`).join('')}]`
const body = text
  .replace(/export interface Everything \{\}\n/, '')
  .replace(/\n \*\n \* This interface was referenced by `Everything`'s JSON-Schema\n \* via the `definition` "[^"]*"\./g, '')
  .replace(/\/\*\*\n \* This interface was referenced by `Everything`'s JSON-Schema\n \* via the `definition` "[^"]*"\.\n \*\/\n/g, '')
const made = `${body}
/** The keys of \`TrainOptions\`. */
export const trainOptionKeys: readonly string[] = ${keys('TrainOptions')}

/** The kinds of teachers that have options. */
export const teacherKinds: readonly string[] = ${keys('TeacherKinds')}
`
let old = ''
try {
  old = readFileSync(file, 'utf8')
} catch {}
if (old !== made) writeFileSync(file, made)
