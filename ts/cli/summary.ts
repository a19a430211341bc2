/** The lines that summarize a run at its end. */
import type { Finding } from '../index.js'
import { brief, percent, type Output } from './output.js'

/** A line of a table: the name of a model, its accuracy and its loss. */
export function score(name: string, { accuracy, loss }: { accuracy?: number; loss?: number }): string[] {
  return [name, accuracy === undefined ? '' : percent(accuracy), loss === undefined ? '' : `loss ${brief(loss)}`]
}

export function tellFindings(findings: readonly Finding[], output: Output): void {
  const { yellow, bold } = output.out
  if (findings.length === 0) return
  output.line(yellow(bold(`${findings.length} finding${findings.length === 1 ? '' : 's'}: this run may be meaningless`)))
  for (const { proof, path: place, message } of findings) output.line(yellow(`  ${proof} ${place}: ${message}`))
}
