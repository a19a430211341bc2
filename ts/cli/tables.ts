/** The data specs `csv` and `jsonLines`: rows of named columns. */
import { plain, show, text, texts, type Plain } from '../read.js'
import { LimbeckError, readCsv, readJsonLines, type ColumnOptions, type Columns, type CsvKind, type JsonKind } from '../index.js'
import type { Categories, Numbers, Ragged } from '../readers/columns.js'
import { Records } from '../readers/csv-records.js'
import { areNumbers, dialectOf, type Dialect } from '../readers/csv.js'
import { textOf } from '../readers/source.js'
import { refuse, under } from './exit.js'
import { classesOf } from './labels.js'
import { shapeOf, type Known, type Rows } from './rows.js'

type LabelKind = 'single' | 'several' | 'probabilities' | 'real'

/** The columns of a table, in addition to the inputs. */
interface Named {
  label: string | string[] | undefined
  kind: LabelKind
  ids: string | undefined
  weights: string | undefined
  groups: string | undefined
}

function named(place: string, own: Plain, groups: string | undefined): Named {
  const name = (key: string) => (own[key] === undefined ? undefined : text(`${place}.${key}`, own[key]))
  const label = Array.isArray(own.label) ? texts(`${place}.label`, own.label) : name('label')
  const { kind = Array.isArray(label) ? 'several' : 'single' } = own
  if (kind !== 'single' && kind !== 'several' && kind !== 'probabilities' && kind !== 'real') {
    return refuse(`${place}.kind`, `expected single, several, probabilities or real, got ${show(kind)}`)
  }
  if (kind === 'single' && Array.isArray(label)) refuse(`${place}.label`, 'expected one column for a single label, got several')
  return { label, kind, ids: name('ids'), weights: name('weights'), groups }
}

/** Rows of the file of `spec`; `groups` is the column of a grouped split. */
export async function tableOf(place: string, spec: Plain, known: Known, groups: string | undefined): Promise<Rows> {
  if (spec.csv !== undefined) return csvOf(`${place}.csv`, spec.csv, known, groups)
  return jsonLinesOf(`${place}.jsonLines`, spec.jsonLines, known, groups)
}

/** Names for the columns of the result: no name in a file has a line break before a digit. */
const key = { inputs: '\n0', label: '\n1', ids: '\n2', weights: '\n3', teacher: '\n4', groups: '\n5' }

async function csvOf(place: string, spec: unknown, known: Known, groups: string | undefined): Promise<Rows> {
  const keys = ['path', 'columns', 'label', 'kind', 'ids', 'weights', 'teacherLogits', 'header', 'delimiter', 'quote', 'decimal']
  const own = plain(place, spec, keys)
  const file = text(`${place}.path`, own.path)
  const at = named(place, own, groups)
  const dialect = await under(place, () => dialectOf(own))
  const header = own.header === undefined ? undefined : texts(`${place}.header`, own.header)
  const teacher = own.teacherLogits === undefined ? undefined : texts(`${place}.teacherLogits`, own.teacherLogits)
  const labels = at.label === undefined ? [] : [at.label].flat()
  const others = new Set([...labels, at.ids, at.weights, groups, ...(teacher ?? [])])
  const all = async () => (header ?? (await headerOf(file, dialect))).filter(name => !others.has(name))
  const inputs = own.columns !== undefined ? texts(`${place}.columns`, own.columns) : (known.inputNames ?? (await all()))
  if (inputs.length === 0) refuse(`${place}.columns`, 'expected at least one column of inputs, got none')
  // Each role has its own name, because a column may have two roles.
  const columns: Record<string, CsvKind> = { [key.inputs]: { numbers: inputs } }
  if (at.label !== undefined && at.kind !== 'single') columns[key.label] = { numbers: labels }
  if (teacher !== undefined) columns[key.teacher] = { numbers: teacher }
  if (at.label !== undefined && at.kind === 'single') columns[labels[0]!] = 'category'
  if (at.ids !== undefined) columns[at.ids] = 'integer'
  if (at.weights !== undefined) columns[at.weights] = 'number'
  const single = new Set([at.ids, at.weights, ...(at.kind === 'single' ? labels : [])])
  if (groups !== undefined && !single.has(groups)) columns[groups] = 'category'
  else if (groups !== undefined) refuse(`${place}.split.groups`, 'expected a separate column, got one that has another role')
  const { delimiter, quotes, decimal } = dialect
  const options = { columns, delimiter, quote: quotes ? '"' : false, decimal, ...(header && { header }) } as const
  const read = await readCsv(file, options).catch(error => hinted(error, at.label, file))
  const found = read.columns as Record<string, unknown>
  const rows = dense(place, found[key.inputs] as Numbers, known)
  const roles = { ...at, label: at.kind === 'single' ? labels[0] : key.label, teacher: teacher && key.teacher }
  fill(rows, found, roles, at.label === undefined ? undefined : at.kind, known, { file, column: `column ${labels.join(', ')}` })
  // For several labels per row, the names of the label columns are the label names.
  if (at.kind === 'several' && at.label !== undefined) rows.options.labelNames = labels
  return rows
}

/** Adds a remedy: a column of words among the numbers is usually the label. */
function hinted(error: unknown, label: unknown, file: string): never {
  const column = error instanceof LimbeckError && label === undefined ? /, column (.+)$/.exec(error.path)?.[1] : undefined
  if (column === undefined) throw error
  const spec = JSON.stringify({ csv: { path: file, label: column } })
  const remedy = `; if it is the label, pass --data '${spec}', or set csv.label in the data spec of the configuration`
  const { code, path, message, details, cause } = error as LimbeckError
  throw new LimbeckError(code, path, `${message.slice(path.length + 2)}${remedy}`, { ...details, cause })
}

/** The names in the first line. */
async function headerOf(file: string, { delimiter, quotes }: Dialect): Promise<string[]> {
  let names: string[] | undefined
  const records = new Records(file, delimiter, fields => (names ??= fields), quotes)
  for await (const piece of textOf(file)) {
    records.push(piece)
    if (names !== undefined) break
  }
  if (names === undefined) records.end()
  if (names !== undefined && areNumbers(names)) {
    const message = `expected the names of the columns, got numbers: if the file has no header line, set "header": [${names.map((_, at) => `"c${at}"`).slice(0, 3).join(', ')}, …]`
    throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', `${file}, line 1`, message)
  }
  return names ?? []
}

async function jsonLinesOf(place: string, spec: unknown, known: Known, groups: string | undefined): Promise<Rows> {
  const own = plain(place, spec, ['path', 'inputs', 'tokens', 'label', 'kind', 'ids', 'weights', 'teacherLogits'])
  const file = text(`${place}.path`, own.path)
  const at = named(place, own, groups)
  if (Array.isArray(at.label)) refuse(`${place}.label`, 'expected one field, got several: a field may hold an array')
  const label = at.label as string | undefined
  const several = Array.isArray(own.inputs) ? texts(`${place}.inputs`, own.inputs) : undefined
  const inputs = several !== undefined ? key.inputs : own.inputs === undefined ? 'inputs' : text(`${place}.inputs`, own.inputs)
  const teacher = own.teacherLogits === undefined ? undefined : text(`${place}.teacherLogits`, own.teacherLogits)
  const tokens = several === undefined && (own.tokens === true || (known.input !== undefined && !Array.isArray(known.input)))
  const fields: Record<string, JsonKind> = { [inputs]: several !== undefined ? { numbers: several } : tokens ? 'ids' : 'numbers' }
  if (label !== undefined) fields[label] = at.kind === 'single' ? 'category' : 'numbers'
  if (at.ids !== undefined) fields[at.ids] = 'integer'
  if (at.weights !== undefined) fields[at.weights] = 'number'
  if (teacher !== undefined) fields[teacher] = 'numbers'
  if (groups !== undefined) {
    if (Object.hasOwn(fields, groups)) refuse(`${place}.split.groups`, 'expected a separate field, got one that has another role')
    fields[groups] = 'category'
  }
  const read = await readJsonLines(file, { fields })
  const found = read.columns as Record<string, unknown>
  const rows = tokens ? ragged(found[inputs] as Ragged, known, file) : dense(place, found[inputs] as Numbers, known)
  fill(rows, found, { ...at, label, teacher }, label === undefined ? undefined : at.kind, known, { file, column: `field ${label}` })
  return rows
}

function dense(place: string, { values, width, names }: Numbers, { input }: Known): Rows {
  return { columns: { inputs: values }, options: { inputs: shapeOf(place, input, [width]), ...(names && { inputNames: names }) } }
}

/** Rows of ids, with the same number in every row if the model requires it. */
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

interface Roles {
  label: string | undefined
  ids: string | undefined
  weights: string | undefined
  teacher: string | undefined
  groups: string | undefined
}

/** Puts labels, ids, weights, groups and the teacher's logits into the columns of a data set. */
function fill(
  rows: Rows,
  found: Record<string, unknown>,
  at: Roles,
  kind: LabelKind | undefined,
  known: Known,
  { file, column }: { file: string; column: string },
): void {
  const { columns, options }: { columns: Columns; options: ColumnOptions } = rows
  if (at.ids !== undefined) columns.ids = found[at.ids] as Int32Array
  if (at.weights !== undefined) columns.weights = found[at.weights] as Float32Array
  if (at.teacher !== undefined) columns.teacherLogits = wide(found[at.teacher] as Numbers)
  if (at.groups !== undefined) rows.groups = (found[at.groups] as Categories).codes
  if (kind === undefined) return
  options.labels = kind
  if (kind !== 'single') {
    columns.labels = wide(found[at.label!] as Numbers)
    return
  }
  const { labels, labelNames } = classesOf(found[at.label!] as Categories, known, file, column)
  columns.labels = labels
  if (labelNames !== undefined) options.labelNames = labelNames
}

/** Rows of numbers as an array of rows, which has their width. */
function wide({ values, width }: Numbers): Float32Array[] {
  const rows = width === 0 ? 0 : values.length / width
  return Array.from({ length: rows }, (_, row) => values.subarray(row * width, (row + 1) * width))
}
