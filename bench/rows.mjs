// The rows: their programs, their peers and their limits.
//
// `ours` and `peers` are the programs of a ratio: the peer's time divided by ours, for medians and minima. `first` is the limit
// that the first version had to reach, `floor` the final goal. `values` are rows without a peer: their program prints numbers,
// each with its own limit. `peak` compares the rate with that of the probe's multiply-adds. A row whose program does not exist
// fails and is not skipped.

import { example, program, python, script } from './paths.mjs'

const rust = (name) => ({ example: name, command: [example(name)] })
const node = (name) => ({ addon: true, command: [process.execPath, '--expose-gc', program(name)] })
const torch = (file, variant, marks = {}) => ({ command: [python, script(file), '--variant', variant], ...marks })

/** Another implementation of ours with the same numbers, as a peer. */
const own = (variant, floor) => ({ ...rust('bench_rows'), command: [example('bench_rows'), '--variant', variant], floor })

/** The largest allowed difference relative to the largest of the eight entries: 1e-5 for long sums in different order. */
const SUMS = 1e-5

/** A row for a loss that compares relations between rows. */
const relation = (row, title, shape, marks) => ({
  row,
  title,
  shape,
  tolerance: SUMS,
  ours: rust('bench_rows'),
  peers: { eager: torch('relations.py', 'eager', marks) },
})

export const rows = [
  {
    row: '1',
    title: 'KD loss and gradient 64×32000, T 2',
    shape: [64, 32000],
    tolerance: 2e-6,
    ours: rust('bench_rows'),
    peers: { eager: torch('kd.py', 'eager', { first: 8, floor: 15 }), compile: torch('kd.py', 'compile', { floor: 7 }) },
  },
  {
    row: '3',
    title: 'KD loss 64×32000, memory beyond the gradient',
    shape: [64, 32000],
    program: rust('bench_rows'),
    values: { extraBytesPerThread: { unit: 'B', floor: 8 * 32000, title: 'bytes a thread' } },
  },
  {
    row: '4',
    title: 'KD loss and gradient 256×1000, T 2',
    shape: [256, 1000],
    tolerance: 2e-6,
    ours: rust('bench_rows'),
    peers: { eager: torch('kd.py', 'eager', { floor: 8 }), compile: torch('kd.py', 'compile') },
  },
  {
    row: '14',
    title: 'weight generator, six layers 512² to three 256²',
    shape: [6, 512, 512, 3, 256, 256],
    tolerance: SUMS,
    ours: rust('bench_generator'),
    // The second peer is only our own matrix products of forward and backward.
    peers: {
      eager: torch('generator.py', 'eager', { floor: 1.2 }),
      products: { ...rust('bench_generator'), command: [example('bench_generator'), '--variant', 'products'], floor: 0.7 },
    },
  },
  {
    row: '7.large',
    title: 'row losses beside KL 64×32000, T 2',
    shape: [64, 32000],
    program: rust('bench_losses'),
    values: {
      'kl+crossEntropy': { unit: '×', floor: 1.3, title: 'with cross-entropy' },
      'kl+reverseKl': { unit: '×', floor: 1.3, title: 'with reverse KL' },
      'kl+tvd': { unit: '×', floor: 1.3, title: 'with total variation' },
      'kl+logitMse': { unit: '×', floor: 1.3, title: 'with squared error' },
      'kl+kdPt': { unit: '×', floor: 1.3, title: 'with KD-pt' },
      'kl+jsd': { unit: '×', floor: 2, title: 'with Jensen–Shannon' },
      'kl+skewKl': { unit: '×', floor: 2, title: 'with skew KL' },
      'kl+skewReverseKl': { unit: '×', floor: 2, title: 'with skew reverse KL' },
      jsd: { unit: '×', floor: 1.8, title: 'Jensen–Shannon alone' },
      'kl T=3.3': { unit: '×', floor: 1.45, title: 'cross-entropy and KL at T 3.3' },
      smoothing: { unit: '×', floor: 1.05, title: 'label smoothing over cross-entropy' },
      kdTopk: { unit: '×', floor: 1.3, title: 'KD-topk, k 64, dense teacher' },
      'kdTopk zero': { unit: '×', floor: 1.3, title: 'the rest left out' },
      'kdTopk uniform': { unit: '×', floor: 1.3, title: 'the rest spread' },
      'kdTopk bucket': { unit: '×', floor: 1.3, title: 'the rest one class' },
      storedTop64: { unit: '×', floor: 0.75, title: 'KL, stored top 64' },
    },
  },
  {
    row: '7.small',
    title: 'row losses beside KL 256×1000, T 2',
    shape: [256, 1000],
    program: rust('bench_losses'),
    values: { kdSim: { unit: '×', floor: 1.3, title: 'KD-sim, rows kept' } },
  },
  {
    row: '8',
    title: 'KL, stored top 64 of 64×32000, T 2',
    shape: [64, 32000],
    tolerance: 1e-4, // q − p is small beside both: PyTorch's own entries are 3e-5 from float64, ours 3e-7
    ours: rust('bench_rows'),
    peers: {
      eager: torch('kd.py', 'eager', { floor: 6 }),
      compile: torch('kd.py', 'compile'),
      dense: own('dense', 1 / 0.75),
    },
  },
  relation('11', 'similarity loss, 512 rows, 768 and 256 wide', [512, 768, 256], { floor: 1.5 }),
  relation('11.distance', 'distances of rows (RKD), 512 rows, 768 and 256 wide', [512, 768, 256]),
  relation('11.angle', 'angles of rows (RKD), 128 rows, 768 and 256 wide', [128, 768, 256]),
  relation('11.pkt', 'probabilities of neighbours (PKT), 512 rows, 768 and 256 wide', [512, 768, 256]),
  {
    row: '12',
    title: 'triplet loss in the batch 512×256, hardest',
    shape: [512, 256],
    tolerance: SUMS,
    ours: rust('bench_rows'),
    peers: { cdist: torch('triplet.py', 'cdist', { floor: 3.5 }) },
  },
  {
    row: '13',
    title: 'triplet loss in the batch 512×256, all negatives',
    shape: [512, 256],
    tolerance: SUMS,
    ours: rust('bench_rows'),
    peers: { cdist: torch('relations.py', 'cdist'), broadcast: torch('relations.py', 'broadcast', { floor: 50 }) },
  },
  {
    row: '16.square',
    title: 'matrix product 1024³',
    shape: [1024, 1024, 1024],
    peak: { flops: 2 * 1024 ** 3, floor: 0.7 },
    tolerance: SUMS,
    ours: rust('bench_gemm'),
    peers: { eager: torch('gemm.py', 'eager', { floor: 0.95 }) },
  },
  {
    row: '16.head',
    title: 'matrix product 64×256×32000',
    shape: [64, 256, 32000],
    peak: { flops: 2 * 64 * 256 * 32000, floor: 0.65 },
    tolerance: SUMS,
    ours: rust('bench_gemm'),
    peers: { eager: torch('gemm.py', 'eager', { floor: 0.95 }) },
  },
  {
    row: '16.dw',
    title: "its weight's gradient",
    shape: [32000, 64, 256],
    peak: { flops: 2 * 64 * 256 * 32000, floor: 0.65 },
    tolerance: SUMS,
    ours: rust('bench_gemm'),
    peers: { eager: torch('gemm.py', 'eager', { floor: 0.95 }) },
  },
  {
    row: '17',
    title: 'MLP step, called from JavaScript',
    shape: [128, 784, 512, 512, 10],
    tolerance: SUMS,
    ours: node('mlp-step.mjs'),
    peers: { default: torch('mlp.py', 'default', { first: 1, floor: 1.25 }), fused: torch('mlp.py', 'fused', { first: 1, floor: 1.25 }) },
  },
  {
    row: '23',
    title: 'event loop while a job trains',
    program: node('event-loop.mjs'),
    values: {
      idleP99: { unit: 'ms', title: 'idle twin: p99' },
      p99: { unit: 'ms', first: 20, floor: 5, title: 'default threads: p99' },
      max: { unit: 'ms', floor: 25, title: 'default threads: max' },
      allCoresP99: { unit: 'ms', floor: 12, title: 'threads = cores: p99' },
    },
  },
  {
    row: '24',
    title: 'call overhead',
    program: node('call-overhead.mjs'),
    values: {
      syncCallNs: { unit: 'ns', floor: 200, title: 'call of a function' },
      methodCallNs: { unit: 'ns', floor: 200, title: 'call of a method' },
      stepUs: { unit: 'µs', floor: 15, title: 'step above the Rust step' },
    },
    beside: { ours: node('mlp-step.mjs'), core: rust('bench_mlp'), row: '17' },
  },
  {
    row: '26',
    title: '10,000 steps',
    program: node('steady-state.mjs'),
    values: {
      growthBytes: { unit: 'B', first: 2e6, floor: 2e6, title: 'growth of the process' },
      allocationsPerStep: { unit: '', floor: 32, title: 'allocations a step' },
      faultsPerStep: { unit: '', floor: 4, title: 'minor faults a step' },
    },
  },
  {
    row: '33',
    title: 'CE, KL, JSD and TVD in one sweep, 64×32000, T 2',
    shape: [64, 32000],
    tolerance: 2e-6,
    ours: rust('bench_rows'),
    peers: {
      eager: torch('kd.py', 'eager', { floor: 8 }),
      compile: torch('kd.py', 'compile'),
      separate: own('separate', 1 / 0.6),
    },
  },
  {
    row: '35',
    title: 'MLP step, Rust core',
    shape: [128, 784, 512, 512, 10],
    tolerance: SUMS,
    ours: rust('bench_mlp'),
    peers: { default: torch('mlp.py', 'default', { floor: 1.3 }), fused: torch('mlp.py', 'fused', { floor: 1.3 }) },
  },
  {
    row: '36',
    title: 'conv 3×3, 16→32, 32×32, fwd + bwd',
    shape: [128, 16, 32, 32, 32],
    tolerance: 1e-4, // 131,072 terms a sum; PyTorch's own entries are 1.6e-5 from float64
    ours: rust('bench_conv'),
    peers: { nchw: torch('conv.py', 'nchw', { first: 1, floor: 2 }), channelsLast: torch('conv.py', 'channelsLast', { floor: 1 }) },
  },
  {
    row: '37',
    title: 'AdamW, 10.5 M parameters',
    shape: [10500000],
    tolerance: 2e-6,
    ours: rust('bench_adamw'),
    peers: { fused: torch('adamw.py', 'fused', { first: 0.8, floor: 0.95 }), foreach: torch('adamw.py', 'foreach'), default: torch('adamw.py', 'default') },
  },
]

/** The selected rows, in the order of the table: `1,16` means 1 and all of 16. */
export function chosen(list) {
  if (!list) return rows
  const wanted = list.split(',').map((name) => name.trim())
  const is = (row, name) => row.row === name || row.row.startsWith(`${name}.`)
  const unknown = wanted.find((name) => !rows.some((row) => is(row, name)))
  if (unknown !== undefined) throw new Error(`rows: expected some of ${rows.map((row) => row.row).join(', ')}, got ${unknown}`)
  return rows.filter((row) => wanted.some((name) => is(row, name)))
}
