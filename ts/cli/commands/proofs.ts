/** `limbeck proofs`: what a run is checked for. */
import type { Command } from 'commander'
import { native } from '../../native/load.js'
import type { Output, OutputFlags } from '../output.js'
import { perform, withOutput } from '../perform.js'

export function addProofs(program: Command): void {
  const command = program.command('proofs').summary('list the proofs and what they look for')
  withOutput(command.description('Lists the proofs of a run: when each looks, what it compares, when it names something, and the remedy.'))
    .option('--markdown', 'the page docs/proofs.md')
    .addHelpText('after', '\nExample:\n  $ limbeck proofs')
    .action(perform(proofs))
}

interface Proof {
  const: string
  description: string
  examples: [string]
}

async function proofs({ markdown = false }: OutputFlags & { markdown?: boolean }, output: Output): Promise<void> {
  const { oneOf } = (JSON.parse(native().schema()) as { ProofName: { oneOf: Proof[] } }).ProofName
  const all = oneOf.map(({ const: name, description: meaning, examples: [example] }) => ({ name, meaning, example }))
  for (const proof of all) output.data({ proof })
  if (output.json) return
  if (markdown) return output.answer([head, ...all.map(part)].join('\n\n'))
  const { bold, dim } = output.out
  for (const { name, meaning, example } of all) output.answer(`${bold(name)}  ${meaning}\n${dim(`  ${example}`)}`)
}

const head = `# Proofs

Made by \`limbeck proofs --markdown\`; not written by hand.

Every run is checked for being what it looks like. A finding has the name of its proof, a path and a message; it is in
\`report.findings\`, and is printed once as a warning. With \`proofs: 'strict'\` the first finding ends the run with
\`ERR_LIMBECK_PROOF_FAILED\`; with \`proofs: 'off'\` no proof looks.`

const part = ({ name, meaning, example }: { name: string; meaning: string; example: string }) => `## ${name}\n\n${meaning}\n\n\`\`\`text\n${example}\n\`\`\``
