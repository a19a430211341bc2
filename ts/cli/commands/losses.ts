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
  withOutput(command.description('Lists the losses: keys of "losses", what each compares, whose it is, and what it needs.'))
    .option('--options', 'the options of each loss too')
    .option('--markdown', 'the page docs/losses.md')
    .addHelpText('after', '\nExample:\n  $ limbeck losses --options')
    .action(perform(losses))
}

interface Loss {
  name: string
  source: string
  needs: string[]
}

async function losses({ options = false, markdown = false }: OutputFlags & { options?: boolean; markdown?: boolean }, output: Output): Promise<void> {
  const root = (JSON.parse(native().schema()) as Record<string, Schema>).TrainOptions ?? {}
  const list = root.$defs?.LossesOptions
  const all = (JSON.parse(native().losses()) as Loss[]).map(entry => {
    const loss = resolve(root, list?.properties?.[entry.name])
    const own = Object.entries(loss?.properties ?? {}).map(([option, schema]) => [option, sentence(schema)] as const)
    return { ...entry, description: sentence(loss), options: Object.fromEntries(own) }
  })
  for (const loss of all) output.data({ loss })
  if (output.json) return
  if (markdown) return output.answer(page(all))
  const { bold, dim } = output.out
  for (const { name, source, needs, description, options: own } of all) {
    output.answer(`${bold(name)}  ${description}`)
    output.answer(dim(`  ${source}`))
    output.answer(dim(`  needs: ${needs.join(', ')}`))
    if (options) output.answer(table(Object.entries(own).map(([option, text]) => [`  ${option}  ${text}`])))
  }
}

/** The page of all losses: a table, and the options of each. */
function page(all: readonly (Loss & { description: string; options: Record<string, string> })[]): string {
  const row = ({ name, source, needs, description }: (typeof all)[number]) =>
    `| [\`${name}\`](#${name.toLowerCase()}) | ${description} | ${source} | ${needs.join(', ')} |`
  const part = ({ name, options }: (typeof all)[number]) => `## ${name}\n\n${Object.entries(options).map(([option, text]) => `- \`${option}\`: ${text}`).join('\n')}`
  const head = '# Losses\n\nMade by `limbeck losses --markdown`; not written by hand. Formulas stand on top of the files in `crates/core/src/losses`.'
  return [head, ['| loss | what | source | needs |', '| --- | --- | --- | --- |', ...all.map(row)].join('\n'), ...all.map(part)].join('\n\n')
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
