/** Maps the labels of a file to class indices. */
import { show } from '../read.js'
import { LimbeckError } from '../index.js'
import { shownNames, type Categories } from '../readers/columns.js'
import type { Known } from './rows.js'

export interface Classes {
  /** A class for each row, or −1. */
  labels: Int32Array
  labelNames: readonly string[] | undefined
}

/**
 * The class of a label is its position among the known names, if there are any; otherwise the label itself, if all labels are
 * integers in their usual form (`01` is a string), or its position in sorted order. Integers that are not all known
 * names are classes too. So a label has the same class in every file, whatever the order of its rows. An empty label, or −1
 * among integers, marks a row without a label.
 */
export function classesOf({ codes, names, lines }: Categories, { labelNames: known, classes }: Known, file: string, column: string): Classes {
  const at = (name: string) => `${file}, line ${lines[names.indexOf(name)]}, ${column}`
  const refuse = (path: string, message: string): never => {
    throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', path, message)
  }
  const whole = names.every(name => /^(0|[1-9]\d{0,8}|-1|)$/.test(name))
  const named = new Map((known ?? []).map((name, label) => [name, label]))
  const classed = names.filter(name => name !== '' && (!whole || name !== '-1' || named.has(name)))
  const spaces = (a: string) => classed.find(b => b !== a && b.trim() === a.trim() && !(named.has(a) && named.has(b)))
  const spaced = classed.find(name => name !== name.trim() && spaces(name) !== undefined)
  if (spaced !== undefined) {
    const other = spaces(spaced)!
    refuse(at(spaced), `expected labels that differ in more than spaces, got ${show(spaced)} here and ${show(other)} in line ${lines[names.indexOf(other)]}`)
  }
  const remedy = `"labelNames": ${JSON.stringify([...classed].sort(byNumber))}`
  const numbered = (table: (name: string) => number, labelNames: readonly string[] | undefined): Classes => {
    const of = names.map(name => (classed.includes(name) ? table(name) : -1))
    return { labels: Int32Array.from(codes, code => of[code]!), labelNames }
  }
  if (known !== undefined && (!whole || classed.every(name => named.has(name)))) {
    const foreign = classed.find(name => !named.has(name))
    if (foreign !== undefined) refuse(at(foreign), `expected one of ${shownNames(known)}, got ${show(foreign)}`)
    return numbered(name => named.get(name)!, known)
  }
  if (whole) {
    const large = classed.find(name => classes !== undefined && Number(name) >= classes)
    if (large !== undefined) {
      const message = `expected a class from 0 to ${classes! - 1}, got ${show(large)}: classes are counted from 0; if the labels are names, set ${remedy}`
      refuse(at(large), message)
    }
    if (names.includes('-1') && classed.length === 1 && classed[0] === '1') {
      const rows = (name: string) => codes.reduce((count, code) => count + (names[code] === name ? 1 : 0), 0)
      const message = `expected classes 0 and 1, got 1 in ${rows('1')} rows and -1, which stands for no label, in ${rows('-1')}: if -1 is a class, set "labelNames": ["-1", "1"]`
      refuse(at('-1'), message)
    }
    return numbered(Number, undefined)
  }
  const sorted = [...classed].sort()
  if (classes !== undefined && sorted.length !== classes) {
    const message = `expected ${classes} different labels, one for each output of the model, got ${sorted.length}: ${shownNames(sorted.map(show))}; to include labels that do not occur here, list all of them in "labelNames"`
    refuse(`${file}, ${column}`, message)
  }
  return numbered(name => sorted.indexOf(name), sorted)
}

const byNumber = (a: string, b: string) => Number(a) - Number(b) || (a < b ? -1 : 1)
