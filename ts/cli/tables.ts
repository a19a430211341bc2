/** The data specs `csv` and `jsonLines`: rows of named columns. */
import { plain, show, text, texts, type Plain } from '../check.js'
import { LimbeckError, readCsv, readJsonLines, type ColumnOptions, type Columns, type CsvKind, type JsonKind } from '../index.js'
import type { Categories, Numbers, Ragged } from '../readers/columns.js'
import { Records } from '../readers/csv-records.js'
import { textOf } from '../readers/source.js'
import type { Known, Rows } from './data.js'
import { refuse } from './exit.js'
import { shapeOf } from './shape.js'

type LabelKind = 'single' | 'several' | 'real'

/** What stands in the columns of a table, beside the inputs. */
interface Named {
  label: string | string[] | undefined
  kind: LabelKind
  ids: string | undefined
  weights: string | undefined
}

function named(place: string, own: Plain): Named {
  const name = (key: string) => (own[key] === undefined ? undefined : text(`${place}.${key}`, own[key]))
  const label = Array.isArray(own.label) ? texts(`${place}.label`, own.label) : name('label')
  const { kind = Array.isArray(label) ? 'several' : 'single' } = own
  if (kind !== 'single' && kind !== 'several' && kind !== 'real') {
    return refuse(`${place}.kind`, `expected single, several or real, got ${show(kind)}`)
  }
  if (kind === 'single' && Array.isArray(label)) refuse(`${place}.label`, 'expected one column for a single label, got several')
  return { label, kind, ids: name('ids'), weights: name('weights') }
}

/** Rows of the file that `spec` names. */
export async function tableOf(place: string, spec: Plain, known: Known): Promise<Rows> {
  if (spec.csv !== undefined) return csvOf(`${place}.csv`, spec.csv, known)
  return jsonLinesOf(`${place}.jsonLines`, spec.jsonLines, known)
}

/** Names of our own for the columns of the result: no name in a file has a line break and this. */
const key = { inputs: '\n0', label: '\n1', ids: '\n2', weights: '\n3', teacher: '\n4' }

async function csvOf(place: string, spec: unknown, known: Known): Promise<Rows> {
  const own = plain(place, spec, ['path', 'columns', 'label', 'kind', 'ids', 'weights', 'teacherLogits', 'header', 'delimiter'])
  const file = text(`${place}.path`, own.path)
  const { label, kind, ids, weights } = named(place, own)
  const delimiter = own.delimiter === undefined ? ',' : text(`${place}.delimiter`, own.delimiter)
  const header = own.header === undefined ? undefined : texts(`${place}.header`, own.header)
  const teacher = own.teacherLogits === undefined ? undefined : texts(`${place}.teacherLogits`, own.teacherLogits)
  const labels = label === undefined ? [] : [label].flat()
  const others = new Set([...labels, ids, weights, ...(teacher ?? [])])
  const inputs =
    own.columns === undefined
      ? (header ?? (await headerOf(file, delimiter))).filter(name => !others.has(name))
      : texts(`${place}.columns`, own.columns)
  if (inputs.length === 0) refuse(`${place}.columns`, 'expected at least one column of inputs, got none')
  // A column can be read once as itself and once as part of the inputs.
  const columns: Record<string, CsvKind> = { [key.inputs]: { numbers: inputs } }
  if (label !== undefined && kind !== 'single') columns[key.label] = { numbers: labels }
  if (teacher !== undefined) columns[key.teacher] = { numbers: teacher }
  if (label !== undefined && kind === 'single') columns[labels[0]!] = 'category'
  if (ids !== undefined) columns[ids] = 'integer'
  if (weights !== undefined) columns[weights] = 'number'
  const read = await readCsv(file, { columns, delimiter, ...(header && { header }) }).catch(error => hinted(error, label, file))
  const found = read.columns as Record<string, unknown>
  const pixels = found[key.inputs] as Numbers
  const rows: Rows = { columns: { inputs: pixels.values }, options: { inputs: shapeOf(place, known.input, [pixels.width]) } }
  const at = { label: kind === 'single' ? labels[0]! : key.label, ids, weights, teacher: teacher && key.teacher }
  beside(rows, found, at, label === undefined ? undefined : kind, known, { file, place: `column ${labels.join(', ')}` })
  return rows
}

/** A column of words among the numbers is most often the label, which nobody named. */
function hinted(error: unknown, label: unknown, file: string): never {
  const column = error instanceof LimbeckError && label === undefined ? /, column (.+)$/.exec(error.path)?.[1] : undefined
  if (column === undefined) throw error
  const remedy = `; if it is the label, say so: ${JSON.stringify({ csv: { path: file, label: column } })}`
  const { code, path, message, details, cause } = error as LimbeckError
  throw new LimbeckError(code, path, `${message.slice(path.length + 2)}${remedy}`, { ...details, cause })
}

/** The names in the first line. */
async function headerOf(file: string, delimiter: string): Promise<string[]> {
  let names: string[] | undefined
  const records = new Records(file, delimiter, fields => (names ??= fields))
  for await (const piece of textOf(file)) {
    records.push(piece)
    if (names !== undefined) return names
  }
  records.end()
  return names ?? []
}

async function jsonLinesOf(place: string, spec: unknown, known: Known): Promise<Rows> {
  const own = plain(place, spec, ['path', 'inputs', 'tokens', 'label', 'kind', 'ids', 'weights', 'teacherLogits'])
  const file = text(`${place}.path`, own.path)
  const { label, kind, ids, weights } = named(place, own)
  if (Array.isArray(label)) refuse(`${place}.label`, 'expected one field, got several: a field may hold an array')
  const inputs = own.inputs === undefined ? 'inputs' : text(`${place}.inputs`, own.inputs)
  const teacher = own.teacherLogits === undefined ? undefined : text(`${place}.teacherLogits`, own.teacherLogits)
  const tokens = own.tokens === true || (known.input !== undefined && !Array.isArray(known.input))
  const fields: Record<string, JsonKind> = { [inputs]: tokens ? 'ids' : 'numbers' }
  if (label !== undefined) fields[label as string] = kind === 'single' ? 'category' : 'numbers'
  if (ids !== undefined) fields[ids] = 'integer'
  if (weights !== undefined) fields[weights] = 'number'
  if (teacher !== undefined) fields[teacher] = 'numbers'
  const read = await readJsonLines(file, { fields })
  const found = read.columns as Record<string, unknown>
  const rows = tokens ? ragged(found[inputs] as Ragged, known, file) : dense(place, found[inputs] as Numbers, known)
  const at = { label: label as string | undefined, ids, weights, teacher }
  beside(rows, found, at, label === undefined ? undefined : kind, known, { file, place: `field ${label as string}` })
  return rows
}

function dense(place: string, { values, width }: Numbers, { input }: Known): Rows {
  return { columns: { inputs: values }, options: { inputs: shapeOf(place, input, [width]) } }
}

/** Ids: as many in every row where the model wants it so. */
function ragged({ values, offsets }: Ragged, { input }: Known, file: string): Rows {
  const length = input !== undefined && 'ids' in input ? input.ids.length : undefined
  if (length === undefined) return { columns: { inputs: { values, offsets } }, options: { inputs: { ids: {} } } }
  for (let row = 0; row + 1 < offsets.length; row++) {
    const count = offsets[row + 1]! - offsets[row]!
    if (count === length) continue
    throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', `${file}, row ${row + 1}`, `expected ${length} ids, got ${count}`)
  }
  return { columns: { inputs: values }, options: { inputs: { ids: { length } } } }
}

interface Places {
  label: string | undefined
  ids: string | undefined
  weights: string | undefined
  teacher: string | undefined
}

/** Labels, ids, weights and the teacher's logits go where a data set wants them. */
function beside(
  rows: Rows,
  found: Record<string, unknown>,
  at: Places,
  kind: LabelKind | undefined,
  known: Known,
  source: { file: string; place: string },
): void {
  const { columns, options }: { columns: Columns; options: ColumnOptions } = rows
  if (at.ids !== undefined) columns.ids = found[at.ids] as Int32Array
  if (at.weights !== undefined) columns.weights = found[at.weights] as Float32Array
  if (at.teacher !== undefined) columns.teacherLogits = wide(found[at.teacher] as Numbers)
  if (kind === undefined) return
  options.labels = kind
  if (kind !== 'single') {
    columns.labels = wide(found[at.label!] as Numbers)
    return
  }
  const { labels, names } = classesOf(found[at.label!] as Categories, known.labelNames, source)
  columns.labels = labels
  if (names !== undefined) options.labelNames = names
}

/** Rows of numbers as an array of rows, which says its width. */
function wide({ values, width }: Numbers): Float32Array[] {
  const rows = width === 0 ? 0 : values.length / width
  return Array.from({ length: rows }, (_, row) => values.subarray(row * width, (row + 1) * width))
}

/**
 * Which class a label is: its place among the known names, itself where all labels are whole numbers, and else its
 * place in the alphabet. So a label means the same in every file, whatever row comes first. An empty one, or −1 among whole
 * numbers, is a row whose class is not known.
 */
function classesOf({ codes, names }: Categories, known: readonly string[] | undefined, { file, place }: { file: string; place: string }) {
  const whole = names.every(name => /^(\d{1,9}|-1|)$/.test(name))
  const classed = names.filter(name => name !== '' && !(whole && name === '-1'))
  let classes: (name: string) => number
  let labelNames: readonly string[] | undefined
  if (known !== undefined && (!whole || classed.every(name => known.includes(name)))) {
    labelNames = known
    const places = new Map(known.map((name, label) => [name, label]))
    classes = name => {
      const label = places.get(name)
      if (label !== undefined) return label
      const row = codes.indexOf(names.indexOf(name)) + 1
      const message = `expected one of ${known.join(', ')}, got ${show(name)}`
      throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', `${file}, row ${row}, ${place}`, message)
    }
  } else if (whole) {
    classes = Number
  } else {
    labelNames = [...classed].sort()
    const sorted = labelNames
    classes = name => sorted.indexOf(name)
  }
  const table = names.map(name => (classed.includes(name) ? classes(name) : -1))
  return { labels: Int32Array.from(codes, code => table[code]!), names: labelNames }
}
