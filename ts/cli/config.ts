/**
 * `--config run.json`: the options of `train` and `distill`, and in addition `data`, `validation`, `teacher`, `student`,
 * `regime` and `out`. Paths in the file are relative to the file. Flags and `--set` override it; their paths are relative to
 * the working directory.
 */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { DEEPEST, plain, show, type Plain } from '../read.js'
import { LimbeckError } from '../errors.js'
import { trainOptionKeys } from '../native/options.js'
import { refuse } from './exit.js'
import type { OutputFlags } from './output.js'

/** The keys of a configuration. Every command accepts all of them, so one file can be used to train, evaluate and predict. */
export const configKeys: readonly string[] = [
  'data',
  'validation',
  'teacher',
  'student',
  'regime',
  'out',
  'model',
  ...trainOptionKeys,
]

/** The keys whose strings are paths. */
const pathKeys: ReadonlySet<string> = new Set([
  'out',
  'model',
  'teacher',
  'teacher.file',
  'teacher[].model',
  'teacher[].model.file',
  'student',
  'student.file',
  'checkpoint.folder',
  ...['distillChain.students', 'distillMutually.students', 'searchPaths.assistants'].flatMap(models => [
    `regime.${models}[]`,
    `regime.${models}[].file`,
  ]),
  ...['data', 'validation'].flatMap(rows =>
    ['idx.images', 'idx.labels', 'csv.path', 'jsonLines.path', 'folder'].map(key => `${rows}.${key}`),
  ),
])

export interface ConfigFlags extends OutputFlags {
  config?: string
  set?: string[]
  seed?: number
  epochs?: number
  out?: string
  checkpoint?: string
  resume?: boolean
  model?: string
  teacher?: string
  data?: string
  metrics?: string
}

/** Merges the file, `--set` and the flags. */
export async function readConfig(flags: ConfigFlags): Promise<Plain> {
  const config: Plain = flags.config === undefined ? (Object.create(null) as Plain) : await fileConfig(flags.config)
  const here = process.cwd()
  for (const entry of flags.set ?? []) setKey(config, entry, here)
  if (flags.seed !== undefined) config.seed = flags.seed
  if (flags.epochs !== undefined) {
    config.epochs = flags.epochs
    delete config.steps
  }
  if (flags.out !== undefined) config.out = path.resolve(here, flags.out)
  if (flags.model !== undefined) config.model = path.resolve(here, flags.model)
  if (flags.teacher !== undefined) config.teacher = path.resolve(here, flags.teacher)
  if (flags.data !== undefined) {
    config.data = dataFlag(flags.data, here)
    delete config.validation
  }
  if (flags.metrics !== undefined) {
    const names = flags.metrics.split(',').map(name => name.trim())
    config.metrics = Object.fromEntries(names.map(name => [name, {}]))
  }
  if (flags.checkpoint !== undefined) {
    config.checkpoint = { ...below(config, 'checkpoint'), folder: path.resolve(here, flags.checkpoint) }
  }
  if (flags.resume === true) {
    const checkpoint = below(config, 'checkpoint')
    if (checkpoint.folder === undefined) {
      refuse('--resume', 'expected the folder of the run: give --checkpoint DIR, or checkpoint.folder in the configuration')
    }
    config.checkpoint = { ...checkpoint, resume: true }
  }
  return plain('', config, configKeys)
}

async function fileConfig(file: string): Promise<Plain> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    const message = `cannot read the configuration: ${(cause as Error).message}`
    throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', file, message, { cause })
  }
  let read: unknown
  try {
    read = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (cause) {
    const message = `expected JSON, got: ${(cause as Error).message}`
    throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', file, message, { cause })
  }
  if (typeof read !== 'object' || read === null || Array.isArray(read)) refuse(file, `expected a JSON object, got ${show(read)}`)
  return resolved(plain('', read, configKeys), path.dirname(path.resolve(file))) as Plain
}

/** The same value with absolute paths. */
function resolved(value: unknown, base: string, at = '', depth = 0): unknown {
  if (depth > DEEPEST) refuse(at.replace(/\[.*/s, ''), `expected at most ${DEEPEST} nested objects, got more`)
  if (typeof value === 'string') return pathKeys.has(at) ? path.resolve(base, value) : value
  if (Array.isArray(value)) return value.map(entry => resolved(entry, base, `${at}[]`, depth + 1))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, inner]) => [key, resolved(inner, base, at === '' ? key : `${at}.${key}`, depth + 1)])
  return Object.fromEntries(entries)
}

/** Sets `key.path=value`. The value is JSON, or a string if it is not valid JSON. */
function setKey(config: Plain, entry: string, base: string): void {
  const equals = entry.indexOf('=')
  if (equals < 1) refuse('--set', `expected key.path=value, got ${show(entry)}`)
  const key = entry.slice(0, equals)
  const steps = key.split('.')
  const last = steps.pop()!
  if ([...steps, last].some(step => step === '' || step === '__proto__')) refuse('--set', `expected key.path=value, got ${show(entry)}`)
  let place: Plain = config
  steps.forEach((step, depth) => {
    const inner = (place[step] ??= {})
    if (typeof inner !== 'object' || inner === null) {
      refuse(`--set ${key}`, `expected an object at ${steps.slice(0, depth + 1).join('.')}, got ${show(inner)}`)
    }
    place = inner as Plain
  })
  const text = entry.slice(equals + 1)
  let value: unknown = text
  try {
    value = JSON.parse(text)
  } catch {
    // Not JSON: the text itself.
  }
  place[last] = resolved(value, base, key)
}

/** `--data`: a data spec as JSON, or the path of a CSV or JSON lines file. */
export function dataFlag(text: string, base: string, flag = '--data'): unknown {
  if (text.trimStart().startsWith('{')) {
    try {
      return resolved(JSON.parse(text), base, 'data')
    } catch (cause) {
      throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', flag, `expected JSON, got: ${(cause as Error).message}`, { cause })
    }
  }
  const file = path.resolve(base, text)
  if (/\.csv(\.gz)?$/i.test(text)) return { csv: { path: file } }
  if (/\.(jsonl|ndjson)(\.gz)?$/i.test(text)) return { jsonLines: { path: file } }
  return refuse(flag, `expected a data spec as JSON, or a file that ends in .csv or .jsonl, got ${show(text)}`)
}

/** An object of the configuration, or an empty one. */
export function below(config: Plain, key: string): Plain {
  return config[key] === undefined ? {} : plain(key, config[key])
}
