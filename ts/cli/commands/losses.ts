/** `limbeck losses`: what a student can learn from. */
import type { Command } from 'commander'
import { native } from '../../native/load.js'
import { table, type Output, type OutputFlags } from '../output.js'
import { perform, withOutput } from '../perform.js'

interface Schema {
  description?: string
  $ref?: string
  anyOf?: Schema[]
  properties?: Record<string, Schema>
  $defs?: Record<string, Schema>
}

export function addLosses(program: Command): void {
  const command = program.command('losses').summary('list the losses and their options')
  withOutput(command.description('Lists the losses: keys of "losses", what each compares, and its options.'))
    .option('--options', 'the options of each loss too')
    .addHelpText('after', '\nExample:\n  $ limbeck losses --options')
    .action(perform(losses))
}

async function losses({ options = false }: OutputFlags & { options?: boolean }, output: Output): Promise<void> {
  const root = (JSON.parse(native().schema()) as Record<string, Schema>).TrainOptions ?? {}
  const list = resolve(root, root.properties?.losses)
  const lines: string[][] = []
  for (const name of native().lossNames()) {
    const loss = resolve(root, list?.properties?.[name])
    const own = Object.entries(loss?.properties ?? {}).map(([option, schema]) => [option, sentence(schema)] as const)
    output.data({ loss: { name, description: sentence(loss), options: Object.fromEntries(own) } })
    lines.push([output.out.bold(name), sentence(loss)])
    if (options) lines.push(...own.map(([option, text]) => [`  ${option}`, text]))
  }
  if (!output.json) output.answer(leftTable(lines))
}

/** What a reference stands for. */
function resolve(root: Schema, schema: Schema | undefined): Schema | undefined {
  const there = schema?.$ref ?? schema?.anyOf?.find(({ $ref }) => $ref !== undefined)?.$ref
  return there === undefined ? schema : root.$defs?.[there.replace('#/$defs/', '')]
}

/** The first paragraph of a description, on one line. */
function sentence(schema: Schema | undefined): string {
  return (schema?.description ?? '').split('\n\n')[0]!.replace(/\s*\n\s*/g, ' ')
}

/** Two columns, both to the left. */
function leftTable(rows: readonly string[][]): string {
  return table(rows.map(([name, text]) => [`${name!}  ${text!}`]))
}
