/** What a run says of itself in the end. */
import type { Finding } from '../index.js'
import { brief, percent, type Output } from './output.js'

/** A line of a table: who, and how good. */
export function score(name: string, { accuracy, loss }: { accuracy?: number; loss?: number }): string[] {
  return [name, accuracy === undefined ? '' : percent(accuracy), loss === undefined ? '' : `loss ${brief(loss)}`]
}

export function tellFindings(findings: readonly Finding[], output: Output): void {
  const { yellow, bold } = output.out
  if (findings.length === 0) return
  output.line(yellow(bold(`${findings.length} finding${findings.length === 1 ? '' : 's'}: this run may not be what it looks like`)))
  for (const { proof, path: place, message } of findings) output.line(yellow(`  ${proof} ${place}: ${message}`))
}
