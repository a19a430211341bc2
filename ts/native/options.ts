/** Types of all options. Made by generate-types.mjs from the Rust structs; not written by hand. */

/**
 * The form in JSON: losses, or the name of a preset.
 */
export type LossesOrPreset = Preset | LossesOptions
/**
 * Triplet loss for knowledge distillation as its authors released it. `tlkd2020` is cross-entropy and triplet loss;
 * `tlkd2022` adds `kl`.
 */
export type Preset = 'tlkd2020' | 'tlkd2022'
/**
 * A number, or a curve that gives the number at each optimizer step.
 */
export type Scheduled = number | Curve
/**
 * A number that changes with the optimizer step.
 */
export type Curve =
  | {
      linear: {
        from: number
        to: number
        steps: number
      }
    }
  | {
      cosine: {
        from: number
        to: number
        steps: number
      }
    }
  | {
      step: {
        from: number
        factor: number
        every: number
      }
    }
export type LabelWeights = number[] | 'balanced'
/**
 * What happens to the probability outside the k classes.
 */
export type Missing = 'renormalize' | 'zero' | 'uniform' | 'bucket'
export type OneOrEach = number | number[]
/**
 * Which layers are compared: one choice, or a list whose losses are added.
 */
export type Layers = LayerChoice | LayerChoice[]
/**
 * `'logits'`, `'embedding'` (the input of the last linear layer), the name of a layer that both models have, or one
 * name for each model.
 */
export type LayerChoice = string | LayerPair
export type Negatives = 'hardest' | 'all'
export type Token = 'all' | 'first' | 'mean'
export type Remainder = 'refuse' | 'spread'
/**
 * How a parameter of the student is generated: an object with one key.
 */
export type RuleOptions =
  | {
      full: Full
    }
  | {
      vector: Vector
    }
  | {
      scaleShift: ScaleShift
    }
  | {
      project: Project
    }
  | {
      copy: Copy
    }
  | {
      truncate: Truncate
    }
  | {
      fresh: Fresh
    }
export type Side = 'inputs' | 'outputs'
/**
 * The optimizer: an object with one key.
 */
export type OptimizerOptions =
  | {
      sgd: Sgd
    }
  | {
      adam: Adam
    }
  | {
      adamW: AdamW
    }
/**
 * The factor that multiplies the optimizer's learning rate: an object with one key. Steps are optimizer steps, counted
 * from 0; `cosine`, `linear` and `oneCycle` extend over the whole training.
 */
export type Schedule =
  | {
      constant: Constant
    }
  | {
      step: Step
    }
  | {
      linear: Falling
    }
  | {
      cosine: Falling
    }
  | {
      oneCycle: OneCycle
    }
  | {
      inverseSquareRoot: InverseSquareRoot
    }
export type CropFill = 'zeros' | 'edge' | 'reflect'
export type Keep = 'last' | 'best'
/**
 * The name of a metric.
 */
export type MetricChoice =
  | 'loss'
  | 'accuracy'
  | 'topKAccuracy'
  | 'crossEntropy'
  | 'macroF1'
  | 'calibrationError'
  | 'perClass'
  | 'exactMatch'
  | 'microF1'
  | 'binaryCrossEntropy'
  | 'meanSquaredError'
  | 'agreement'
  | 'teacherKl'
  | 'teacherDistance'
  | 'equivalentSmoothing'
  | 'reweighting'
/**
 * How several teachers are combined.
 */
export type Combine = 'losses' | 'probabilities' | 'logits'
export type Proofs = 'warn' | 'strict' | 'off'
export type Backend = 'auto' | 'cpu' | 'cuda'
/**
 * The activation function of a layer.
 */
export type Activation = 'none' | 'relu' | 'gelu' | 'geluTanh' | 'silu' | 'tanh' | 'sigmoid'
/**
 * One layer of a model: an object with one key. The key is the kind of layer; the value holds its options.
 */
export type LayerOptions =
  | {
      linear: Linear
    }
  | {
      conv1d: Conv1D
    }
  | {
      conv2d: Conv2D
    }
  | {
      batchNorm: BatchNorm
    }
  | {
      layerNorm: LayerNorm
    }
  | {
      rmsNorm: RmsNorm
    }
  | {
      embedding: Embedding
    }
  | {
      activation: Activation2
    }
  | {
      dropout: Dropout
    }
  | {
      maxPool: MaxPool
    }
  | {
      avgPool: AvgPool
    }
  | {
      globalAvgPool: GlobalAvgPool
    }
  | {
      tokenMean: TokenMean
    }
  | {
      flatten: Flatten
    }
  | {
      reshape: Reshape
    }
  | {
      transpose: Transpose
    }
  | {
      slice: Slice
    }
  | {
      residual: Residual
    }
  | {
      parallel: Parallel
    }
/**
 * Start values of one tensor: an object with one key. Random values depend only on the model's seed and the tensor's
 * name.
 */
export type Initializer =
  | {
      constant: ConstantInit
    }
  | {
      uniform: UniformInit
    }
  | {
      normal: NormalInit
    }
  | {
      xavierUniform: XavierInit
    }
  | {
      xavierNormal: XavierInit
    }
  | {
      kaimingUniform: KaimingInit
    }
  | {
      kaimingNormal: KaimingInit
    }
/**
 * One number for both axes, or `[height, width]`.
 */
export type Pair = number | [number, number]
/**
 * How the rows of a bag are combined into one.
 */
export type Pooling = 'mean' | 'sum' | 'max'
/**
 * How the outputs of branches are joined.
 */
export type Join = 'concat' | 'sum'
/**
 * The form of one sample.
 */
export type Input = number[] | IdsInput
/**
 * The order of the updates in mutual learning.
 */
export type Updates = 'simultaneous' | 'alternating'
/**
 * How a tokenizer divides words.
 */
export type TokenizerKind = 'wordPiece' | 'bpe' | 'unigram'
/**
 * The column of teacher logits in the data.
 */
export type Column = boolean
/**
 * The name of a proof.
 */
export type ProofName =
  | 'termHasWeight'
  | 'rowsAreUsed'
  | 'labelsVary'
  | 'classesFromZero'
  | 'learnersDiffer'
  | 'teacherIsAnother'
  | 'teacherInputs'
  | 'teacherGivesLogits'
  | 'teacherClassOrder'
  | 'teacherBeatsChance'
  | 'firstLoss'
  | 'termHasGradient'
  | 'gradientReaches'
  | 'parametersChange'
  | 'lossFalls'
  | 'classesArePredicted'
  | 'controlHasLabels'
  | 'warmUpEnds'
  | 'streamLasts'
  | 'teacherFrozen'
  | 'reload'
  | 'checkpointWhole'

/**
 * The losses: one key per loss. The total is the sum of weight × loss.
 */
export interface LossesOptions {
  crossEntropy?: CrossEntropy
  kl?: Kl
  reverseKl?: ReverseKl
  jsd?: Jsd
  tvd?: Tvd
  skewKl?: SkewKl
  skewReverseKl?: SkewReverseKl
  dkd?: Dkd
  dist?: Dist
  uld?: Uld
  kdPt?: KdPt
  kdSim?: KdSim
  kdPtSim?: KdPtSim
  kdTopk?: KdTopk
  binaryCrossEntropy?: BinaryCrossEntropy
  binaryKl?: BinaryKl
  mse?: Mse
  logitMse?: LogitMse
  hint?: Hint
  triplet?: Triplet
  tripletBatch?: TripletBatch
  cosine?: Cosine
  patient?: Patient
  attentionTransfer?: AttentionTransfer
  nst?: Nst
  similarity?: Similarity
  rkdDistance?: RkdDistance
  rkdAngle?: RkdAngle
  pkt?: Pkt
}
/**
 * Cross-entropy between the labels and the student's probabilities. A label is one class, or one probability per
 * class.
 *
 * Choose it whenever rows have class labels: as the only loss, or together with a loss that compares with a teacher.
 *
 * ```js
 * train({ student, data, losses: { crossEntropy: { labelSmoothing: 0.1 } } })
 * ```
 *
 * See also: `binaryCrossEntropy` for several labels per row, `kl`.
 */
export interface CrossEntropy {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * Share of the label that is spread evenly over all classes; must be ≥ 0 and < 1. Default 0.
   */
  labelSmoothing?: number
  /**
   * Weight of each row, chosen by its label: a list with one number ≥ 0 per class, or `'balanced'`. With
   * `'balanced'` the weight of a class is labelled rows ÷ (classes that occur × rows of the class), counted in the
   * training data. Default: all weights are 1.
   */
  labelWeights?: LabelWeights
}
/**
 * Forward Kullback–Leibler divergence KL(teacher ‖ student) of the softened distributions, times temperature².
 *
 * Choose it first: it is the usual loss for distillation. A temperature of 2 to 8 reveals how the teacher ranks the
 * wrong classes.
 *
 * ```js
 * distill({ teacher, student, data, losses: { kl: { temperature: 4 }, crossEntropy: { weight: 0.1 } } })
 * ```
 *
 * See also: `reverseKl`, `jsd`, `dkd`, `dist`.
 */
export interface Kl {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * Temperature applied to student and teacher logits before the softmax; must be > 0. Default 1.
   */
  temperature?: Scheduled
  /**
   * Compares the z-scores of each row instead of its logits. Default false.
   */
  standardize?: boolean
}
/**
 * Reverse Kullback–Leibler divergence KL(student ‖ teacher) of the softened distributions, times temperature².
 *
 * Choose it when the student is too small to cover everything that the teacher considers possible: it
 * concentrates on the teacher's most probable classes.
 *
 * ```js
 * distill({ teacher, student, data, losses: { reverseKl: { temperature: 2 } } })
 * ```
 *
 * See also: `kl`, `skewReverseKl`, `jsd`.
 */
export interface ReverseKl {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * Temperature applied to student and teacher logits before the softmax; must be > 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Generalised Jensen–Shannon divergence of the softened distributions, times temperature². It equals `kl` at beta
 * 0 and `reverseKl` at beta 1.
 *
 * Choose it when teacher and student disagree so strongly that `kl` makes training unstable: its value is
 * bounded.
 *
 * ```js
 * distill({ teacher, student, data, losses: { jsd: { beta: 0.5, temperature: 2 } } })
 * ```
 *
 * See also: `kl`, `reverseKl`, `tvd`.
 */
export interface Jsd {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * The teacher's share of the mixture that both distributions are compared with, from 0 (`kl`) to 1
   * (`reverseKl`). Default 0.5.
   */
  beta?: number
  /**
   * Temperature applied to student and teacher logits before the softmax; must be > 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Total variation distance of the softened distributions, from 0 to 1, not multiplied by temperature².
 *
 * Choose it when a few rows on which the teacher is wrong must not dominate the loss: each row contributes at most
 * 1.
 *
 * ```js
 * distill({ teacher, student, data, losses: { tvd: { temperature: 2 } } })
 * ```
 *
 * See also: `jsd`, `kl`.
 */
export interface Tvd {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * Temperature applied to student and teacher logits before the softmax; must be > 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Divergence KL(teacher ‖ mixture) of the softened distributions, times temperature². The mixture is alpha ·
 * teacher + (1 − alpha) · student; the teacher's share in it bounds the loss.
 *
 * Choose it instead of `kl` when the student assigns almost no probability to classes that the teacher considers
 * possible.
 *
 * ```js
 * distill({ teacher, student, data, losses: { skewKl: { alpha: 0.1 } } })
 * ```
 *
 * See also: `kl`, `skewReverseKl`, `jsd`.
 */
export interface SkewKl {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * The teacher's share of the mixture; must be ≥ 0 and < 1. At 0 the loss is `kl`. Default 0.1.
   */
  alpha?: number
  /**
   * Temperature applied to student and teacher logits before the softmax; must be > 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Divergence KL(student ‖ mixture) of the softened distributions, times temperature². The mixture is (1 − alpha) ·
 * teacher + alpha · student; the student's share in it bounds the loss.
 *
 * Choose it instead of `reverseKl` when the teacher masks classes or assigns them almost no probability.
 *
 * ```js
 * distill({ teacher, student, data, losses: { skewReverseKl: { alpha: 0.1 } } })
 * ```
 *
 * See also: `reverseKl`, `skewKl`, `jsd`.
 */
export interface SkewReverseKl {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * The student's share of the mixture; must be ≥ 0 and < 1. At 0 the loss is `reverseKl`. Default 0.1.
   */
  alpha?: number
  /**
   * Temperature applied to student and teacher logits before the softmax; must be > 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Decoupled knowledge distillation (DKD): one divergence for the probability of the label and one for the ranking of
 * the other classes, each with its own weight, times temperature².
 *
 * Choose it when the teacher is so confident that `kl` hardly transfers its ranking of the other classes.
 *
 * ```js
 * distill({ teacher, student, data, losses: { dkd: { alpha: 1, beta: 8 }, crossEntropy: {} } })
 * ```
 *
 * See also: `kl`, `kdPt`, `dist`.
 */
export interface Dkd {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * Weight of the part about the label; must be ≥ 0. Default 1.
   */
  alpha?: number
  /**
   * Weight of the part about the other classes; must be ≥ 0, and > 0 if alpha is 0. Default 8.
   */
  beta?: number
  /**
   * Temperature applied to student and teacher logits before the softmax; must be > 0. Default 4.
   */
  temperature?: Scheduled
}
/**
 * Pearson correlation of the softened distributions, per row over the classes and per class over the batch
 * (DIST), times temperature².
 *
 * Choose it when the teacher is so much larger that the student cannot match its exact probabilities.
 *
 * ```js
 * distill({ teacher, student, data, losses: { dist: { inter: 1, intra: 1 }, crossEntropy: {} } })
 * ```
 *
 * See also: `kl`, `dkd`, `similarity`.
 */
export interface Dist {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * Weight of the correlation of each row over the classes; must be ≥ 0. Default 1.
   */
  inter?: number
  /**
   * Weight of the correlation of each class over the rows of the batch; must be ≥ 0, and > 0 if inter is 0.
   * Needs batches of at least two rows. Default 1.
   */
  intra?: number
  /**
   * Temperature applied to student and teacher logits before the softmax; must be > 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Sum of absolute differences between the sorted softened distributions (ULD), not multiplied by temperature². The
 * teacher may have a different number of classes.
 *
 * Choose it when teacher and student have different classes that cannot be matched.
 *
 * ```js
 * distill({ teacher, student, data, losses: { uld: {}, crossEntropy: {} } })
 * ```
 *
 * See also: `kl` if the classes are the same, `similarity`.
 */
export interface Uld {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * Temperature applied to student and teacher logits before the softmax; must be > 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Divergence from a target that gives the label the teacher's probability and spreads the rest evenly over the
 * other classes (KD-pt), times temperature².
 *
 * Choose it when the teacher's ranking of the wrong classes is unreliable, or to measure what its confidence alone
 * contributes.
 *
 * ```js
 * distill({ teacher, student, data, losses: { kdPt: { temperature: 2 }, crossEntropy: {} } })
 * ```
 *
 * See also: `kdSim`, `kdPtSim`, `dkd`.
 */
export interface KdPt {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * Temperature applied to student and teacher logits before the softmax; must be > 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Divergence from the similarities between the label and all classes (KD-sim), times temperature². They are computed
 * from the weight of the teacher's last layer; the teacher's outputs are not used.
 *
 * Choose it when the student should learn how the classes relate and the teacher's outputs are unreliable.
 *
 * ```js
 * distill({ teacher, student, data, losses: { kdSim: { power: 1, sharpness: 0.3 }, crossEntropy: {} } })
 * ```
 *
 * See also: `kdPt`, `kdPtSim`.
 */
export interface KdSim {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * Exponent of the absolute value of each cosine, which keeps its sign; must be > 0. Default 1.
   */
  power?: number
  /**
   * Divisor of the powers before the softmax; a smaller one makes the target sharper; must be > 0. Default 1.
   */
  sharpness?: number
  /**
   * Temperature applied to the student's logits before the softmax; must be > 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Divergence from a mixture of the targets of `kdPt` and `kdSim` (KD-pt+sim), times temperature².
 *
 * Choose it to transfer the teacher's confidence and its class relations, but not its ranking of the classes in
 * each row.
 *
 * ```js
 * distill({ teacher, student, data, losses: { kdPtSim: { mix: 0.5 }, crossEntropy: {} } })
 * ```
 *
 * See also: `kdPt`, `kdSim`, `kl`.
 */
export interface KdPtSim {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * Share of the target of `kdPt` in the mixture, from 0 to 1; the rest is the target of `kdSim`. Default 0.5.
   */
  mix?: number
  /**
   * Exponent of the absolute value of each cosine, which keeps its sign; must be > 0. Default 1.
   */
  power?: number
  /**
   * Divisor of the powers before the softmax; a smaller one makes the target sharper; must be > 0. Default 1.
   */
  sharpness?: number
  /**
   * Temperature applied to student and teacher logits before the softmax; must be > 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Divergence on the k classes that the teacher finds most probable (KD-topk), times temperature².
 *
 * Choose it when there are many classes and the teacher's small probabilities are noise.
 *
 * ```js
 * distill({ teacher, student, data, losses: { kdTopk: { k: 2, missing: 'bucket' } } })
 * ```
 *
 * See also: `kl`, `dkd`.
 */
export interface KdTopk {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * How many classes of each row are kept, from 1 to the number of classes. Required.
   */
  k: number
  /**
   * What happens to the probability outside the k classes; a `teacherTopK` column supports only 'renormalize'.
   * Default 'renormalize'.
   */
  missing?: Missing
  /**
   * Always keeps the label's class: if it is not among the k classes, it replaces the least likely of them.
   * Needs labels. Default false.
   */
  includeTarget?: boolean
  /**
   * Temperature applied to student and teacher logits before the softmax; must be > 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Binary cross-entropy between the labels and the student's probabilities, computed for each class separately: for
 * multi-label data.
 *
 * Choose it when a row may have several labels or none; set `posWeight` when labels are rare.
 *
 * ```js
 * train({ student, data: multiLabel, losses: { binaryCrossEntropy: { posWeight: 3 } } })
 * ```
 *
 * See also: `binaryKl` to distil such a model, `crossEntropy` for one class per row.
 */
export interface BinaryCrossEntropy {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * Weight of positive labels relative to negative ones: one number ≥ 0 for all classes, or a list with one number
   * per class. Use a weight above 1 for rare labels. Default 1.
   */
  posWeight?: OneOrEach
}
/**
 * Kullback–Leibler divergence between teacher and student, computed for each class separately (sigmoid), times
 * temperature²: for multi-label data.
 *
 * Choose it to distil a teacher that was trained with `binaryCrossEntropy`.
 *
 * ```js
 * distill({ teacher, student, data: multiLabel, losses: { binaryKl: { temperature: 2 } } })
 * ```
 *
 * See also: `binaryCrossEntropy`, `kl` for one class per row.
 */
export interface BinaryKl {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * Temperature applied to student and teacher logits before the softmax; must be > 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Mean squared error between labels that are real numbers and the student's outputs.
 *
 * Choose it for regression.
 *
 * ```js
 * train({ student, data: regression, losses: { mse: {} } })
 * ```
 *
 * See also: `logitMse` for the outputs of a teacher.
 */
export interface Mse {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
}
/**
 * Mean squared error between the student's and the teacher's logits.
 *
 * Choose it when the teacher is a regression model, or instead of `kl` with a very high temperature: the two are
 * equivalent except for a shift of the logits.
 *
 * ```js
 * distill({ teacher, student, data, losses: { logitMse: {} } })
 * ```
 *
 * See also: `kl`, `mse`, `hint`.
 */
export interface LogitMse {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
}
/**
 * Mean squared error between a layer of the student and one of the teacher (FitNets).
 *
 * Choose it when a layer of the student should compute the same as a layer of the teacher.
 *
 * ```js
 * distill({ teacher, student, data, losses: { hint: { projection: true }, kl: {} } })
 * ```
 *
 * See also: `cosine`, `patient`, `attentionTransfer` for feature maps.
 */
export interface Hint {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * Which layers are compared. Default: the embedding (the input of the last linear layer).
   */
  layers?: Layers
  /**
   * Trains a linear map (on feature maps a 1 × 1 convolution) from the student's width to the teacher's. Default
   * false: widths must be equal.
   */
  projection?: boolean
}
/**
 * A layer of the student and one of the teacher.
 */
export interface LayerPair {
  /**
   * Name of the student's layer.
   */
  student: string
  /**
   * Name of the teacher's layer.
   */
  teacher: string
}
/**
 * Triplet loss with the teacher's output as the anchor: the positive is the student's output for the same sample, the
 * negative is its output for a sample of another class, which is drawn anew in each epoch.
 *
 * Choose it when outputs or embeddings of different classes should be far apart.
 *
 * ```js
 * distill({ teacher, student, data, losses: { triplet: { margin: 5 }, crossEntropy: {} } })
 * ```
 *
 * See also: `tripletBatch`, `rkdDistance`.
 */
export interface Triplet {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * How much farther away the negative must be than the positive; must be ≥ 0. Default 5.
   */
  margin?: number
  /**
   * Which layers are compared. Default: the logits, as in the paper's code.
   */
  layers?: Layers
  /**
   * Trains a linear map from the student's width to the teacher's. Default false: widths must be equal.
   */
  projection?: boolean
}
/**
 * Triplet loss within the batch: the teacher's output is the anchor, the student's output for the same sample is the
 * positive, and its outputs for samples of other classes are the negatives.
 *
 * Choose it instead of `triplet` for streams, or to save the second forward pass of the student.
 *
 * ```js
 * distill({ teacher, student, data, losses: { tripletBatch: { negatives: 'all' }, crossEntropy: {} } })
 * ```
 *
 * See also: `triplet`, `rkdDistance`.
 */
export interface TripletBatch {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * How much farther away the negatives must be than the positive; must be ≥ 0. Default 5.
   */
  margin?: number
  /**
   * Which rows of other classes are negatives. Default: 'hardest', only the nearest one.
   */
  negatives?: Negatives
  /**
   * Which layers are compared. Default: the logits.
   */
  layers?: Layers
  /**
   * Trains a linear map from the student's width to the teacher's. Default false: widths must be equal.
   */
  projection?: boolean
}
/**
 * One minus the cosine between the student's and the teacher's vectors (DistilBERT).
 *
 * Choose it when the direction of vectors matters and their length does not, as for sentence vectors.
 *
 * ```js
 * distill({ teacher, student, data, losses: { cosine: { projection: true } } })
 * ```
 *
 * See also: `hint`, `patient`, `rkdAngle`.
 */
export interface Cosine {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * Which layers are compared. Default: the embedding (the input of the last linear layer).
   */
  layers?: Layers
  /**
   * Trains a linear map from the student's width to the teacher's. Default false: widths must be equal.
   */
  projection?: boolean
}
/**
 * Mean squared error between hidden states that are scaled to length 1, layer by layer (patient distillation).
 *
 * Choose it when student and teacher are stacks of the same kind of layer and the teacher has more layers.
 *
 * ```js
 * distill({ teacher, student, data, losses: { patient: { projection: true }, kl: {} } })
 * ```
 *
 * See also: `hint`, `cosine`.
 */
export interface Patient {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * Which layers are compared; the loss is the mean over them. `'skip'` spreads the student's layers over the whole
   * teacher, `'last'` compares them with the layers directly below the teacher's last. Default `'skip'`.
   */
  layers?: Layers
  /**
   * Whether states are divided by their length. Default true.
   */
  normalize?: boolean
  /**
   * Which tokens of a sequence are compared. Default 'all'.
   */
  token?: Token
  /**
   * Trains a linear map from the student's width to the teacher's. Default false: widths must be equal.
   */
  projection?: boolean
}
/**
 * Mean squared error between attention maps (attention transfer). An attention map is the square of a feature map,
 * averaged over the channels.
 *
 * Choose it for convolutional networks that differ in their number of channels.
 *
 * ```js
 * distill({ teacher: convTeacher, student: convStudent, data: images, losses: { attentionTransfer: {}, kl: {} } })
 * ```
 *
 * See also: `nst`, `hint`, `similarity`.
 */
export interface AttentionTransfer {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * Which feature maps are compared: layers whose output is `[channels, height, width]`. The losses of several
   * layers are added. Default `'skip'`.
   */
  layers?: Layers
}
/**
 * Maximum mean discrepancy between the channels of feature maps, compared as sets (neuron selectivity transfer).
 *
 * Choose it for convolutional networks with feature maps of equal height and width, when it matters which patterns the
 * channels respond to.
 *
 * ```js
 * distill({ teacher: convTeacher, student: convStudent, data: images, losses: { nst: {}, kl: {} } })
 * ```
 *
 * See also: `attentionTransfer`, `hint`.
 */
export interface Nst {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * Which feature maps are compared: layers whose output is `[channels, height, width]`. The losses of several
   * layers are added. Default `'skip'`.
   */
  layers?: Layers
}
/**
 * Mean squared difference between the similarity matrices of a batch (similarity-preserving distillation).
 *
 * Choose it when the layers differ in width but should agree on which samples are similar.
 *
 * ```js
 * distill({ teacher, student, data, losses: { similarity: {}, kl: {} } })
 * ```
 *
 * See also: `pkt`, `rkdDistance`, `dist`.
 */
export interface Similarity {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * Which layers are compared. Default: the embedding (the input of the last linear layer).
   */
  layers?: Layers
}
/**
 * Huber loss between the pairwise distances within a batch (relational distillation). Distances are divided by their
 * batch mean; with only two rows the loss is always 0. Set `dropLast` if the last batch may have only one or two rows.
 *
 * Choose it for embeddings that are compared by distance, as in retrieval.
 *
 * ```js
 * distill({ teacher, student, data, losses: { rkdDistance: {}, kl: {} } })
 * ```
 *
 * See also: `rkdAngle`, `pkt`, `similarity`.
 */
export interface RkdDistance {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * Which layers are compared. Default: the embedding (the input of the last linear layer).
   */
  layers?: Layers
}
/**
 * Huber loss between the angles that every three samples of a batch form (relational distillation).
 *
 * Choose it together with `rkdDistance` for embeddings, when shape matters more than scale.
 *
 * ```js
 * distill({ teacher, student, data, losses: { rkdAngle: { weight: 2 }, rkdDistance: {} } })
 * ```
 *
 * See also: `rkdDistance`, `cosine`.
 */
export interface RkdAngle {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * Which layers are compared. Default: the embedding (the input of the last linear layer).
   */
  layers?: Layers
}
/**
 * Divergence between the probabilities that samples of a batch are neighbours (probabilistic knowledge transfer).
 *
 * Choose it for retrieval: it compares neighbourhoods instead of coordinates, and widths may differ.
 *
 * ```js
 * distill({ teacher, student, data, losses: { pkt: {} } })
 * ```
 *
 * See also: `similarity`, `rkdDistance`.
 */
export interface Pkt {
  /**
   * Weight of this loss in the total; must be ≥ 0. Default 1.
   */
  weight?: Scheduled
  /**
   * Number added to lengths and probabilities; must be > 0. Default 1e-7.
   */
  eps?: number
  /**
   * Which layers are compared. Default: the embedding (the input of the last linear layer).
   */
  layers?: Layers
}
/**
 * How the student's parameters are generated from the teacher's (Weight Distillation). Without rules, layers are
 * matched by kind and position: each student layer is generated from a run of adjacent teacher layers.
 */
export interface GeneratorOptions {
  /**
   * What happens if the number of the teacher's layers is not a multiple of the student's. Default: `refuse`.
   */
  remainder?: Remainder
  /**
   * Exceptions from the plan that follows from the two models; a later rule overrides an earlier one.
   */
  rules?: RuleFor[]
}
/**
 * An exception for some of the student's parameters.
 */
export interface RuleFor {
  /**
   * The student's parameters that the rule applies to: a parameter, a layer or block, or a pattern with `*`.
   */
  student: string
  /**
   * The teacher's layers or parameters that they are generated from, in this order. Default: those of the plan.
   */
  teacher?: string[]
  /**
   * How they are generated. Default: as in the plan.
   */
  rule?: RuleOptions
}
/**
 * For a matrix or kernel: mixes outputs, inputs and layers of the teacher, then applies `scale ⊙ tanh(·) + shift`.
 * Vectors use the rule `vector` instead.
 */
export interface Full {
  /**
   * A side that is not mixed because its positions mean the same in both models, such as the inputs of the first
   * layer or the rows of an embedding. Its size must equal the teacher's. Default: both sides are mixed.
   */
  keep?: Side
}
/**
 * For a vector (a bias, the gain of a norm): mixes elements and layers of the teacher, then applies
 * `scale ⊙ tanh(·) + shift`.
 */
export interface Vector {}
/**
 * For equal shapes: `scale ⊙ tanh(teacher) + shift`, without mixing.
 */
export interface ScaleShift {}
/**
 * Multiplies by a matrix on each side whose width differs from the teacher's; no tanh, scale or shift. For equal
 * shapes use `copy`.
 */
export interface Project {}
/**
 * For equal shapes: the values of the teacher's first layer in the group.
 */
export interface Copy {
  /**
   * Whether the values stay fixed while the generator is trained. Default: false.
   */
  frozen?: boolean
}
/**
 * The first outputs and inputs of the teacher's first layer in the group, as trainable initial values.
 */
export interface Truncate {}
/**
 * The student's own initial values, trained as usual.
 */
export interface Fresh {}
export interface Sgd {
  /**
   * Learning rate; must be > 0. Default 0.01.
   */
  learningRate?: number
  /**
   * Momentum: share of the previous step that is kept; must be ≥ 0 and < 1. Default 0.
   */
  momentum?: number
  /**
   * Uses Nesterov's form of momentum; needs a momentum > 0. Default false.
   */
  nesterov?: boolean
  /**
   * Weight decay: weightDecay · parameter is added to the gradient; must be ≥ 0. Default 0.
   */
  weightDecay?: number
  /**
   * Whether weight decay also applies to biases and normalization parameters. Default false.
   */
  decayAll?: boolean
}
export interface Adam {
  /**
   * Learning rate; must be > 0. Default 0.001.
   */
  learningRate?: number
  /**
   * Decay of the running mean of the gradients; must be ≥ 0 and < 1. Default 0.9.
   */
  beta1?: number
  /**
   * Decay of the running mean of the squared gradients; must be ≥ 0 and < 1. Default 0.999.
   */
  beta2?: number
  /**
   * Number added to the denominator; must be > 0. Default 1e-8.
   */
  epsilon?: number
  /**
   * Weight decay: weightDecay · parameter is added to the gradient; must be ≥ 0. Default 0.
   */
  weightDecay?: number
  /**
   * Whether weight decay also applies to biases and normalization parameters. Default false.
   */
  decayAll?: boolean
}
export interface AdamW {
  /**
   * Learning rate; must be > 0. Default 0.001.
   */
  learningRate?: number
  /**
   * Decay of the running mean of the gradients; must be ≥ 0 and < 1. Default 0.9.
   */
  beta1?: number
  /**
   * Decay of the running mean of the squared gradients; must be ≥ 0 and < 1. Default 0.999.
   */
  beta2?: number
  /**
   * Number added to the denominator; must be > 0. Default 1e-8.
   */
  epsilon?: number
  /**
   * Weight decay: each step subtracts learning rate · weightDecay · parameter from the parameter; must be ≥ 0.
   * Default 0.01.
   */
  weightDecay?: number
  /**
   * Whether weight decay also applies to biases and normalization parameters. Default false.
   */
  decayAll?: boolean
}
export interface Constant {
  /**
   * Number of steps in which the factor rises linearly from 0 to 1. Default 0.
   */
  warmupSteps?: number
}
export interface Step {
  /**
   * Number of steps between two multiplications; must be ≥ 1.
   */
  every: number
  /**
   * Number that the rate is multiplied by every `every` steps; must be > 0. Default 0.1.
   */
  factor?: number
  /**
   * Number of steps in which the factor rises linearly from 0 to 1. Default 0.
   */
  warmupSteps?: number
}
export interface Falling {
  /**
   * The factor at the last step, from 0 to 1. Default 0.
   */
  final?: number
  /**
   * Number of steps in which the factor rises linearly from 0 to 1. Default 0.
   */
  warmupSteps?: number
}
export interface OneCycle {
  /**
   * Share of the training in which the factor rises; must be > 0 and < 1. Default 0.3.
   */
  rise?: number
  /**
   * The factor at the first step is 1 / initialDivisor; must be > 0. Default 25.
   */
  initialDivisor?: number
  /**
   * The factor at the last step is the first factor divided by finalDivisor; must be > 0. Default 10,000.
   */
  finalDivisor?: number
}
export interface InverseSquareRoot {
  /**
   * Number of steps until the factor reaches 1; must be ≥ 1.
   */
  warmupSteps: number
}
/**
 * Random changes of images `[channels, height, width]`, different for every sample and epoch.
 */
export interface Augment {
  /**
   * Pads the image and cuts out a part of the original size at a random position.
   */
  crop?: Crop
  /**
   * Moves the image by a random number of whole pixels and fills the gap with zeros.
   */
  shift?: Shift
  /**
   * Mirrors the image at random.
   */
  flip?: Flip
  /**
   * Adds normally distributed noise to every number; rows may have any shape.
   */
  noise?: Noise
}
export interface Crop {
  /**
   * Pixels added on each side before the cut; at least 1.
   */
  padding: number
  /**
   * How the padding is filled. Default: `zeros`.
   */
  fill?: CropFill
}
export interface Shift {
  /**
   * Largest shift in each direction, in pixels; at least 1.
   */
  pixels: number
}
export interface Flip {
  /**
   * Probability that left and right are swapped; 0…1. Default: 0.
   */
  horizontal?: number
  /**
   * Probability that top and bottom are swapped; 0…1. Default: 0.
   */
  vertical?: number
}
export interface Noise {
  /**
   * Standard deviation in the units of the inputs; above 0.
   */
  std: number
}
export interface AverageOptions {
  /**
   * Share of the old average that is kept at each step; 0 ≤ decay < 1. Default: 0.999.
   */
  decay?: number
}
export interface EarlyStopOptions {
  /**
   * Number of validations without improvement after which the run stops; at least 1.
   */
  patience: number
  /**
   * A validation counts as an improvement if the metric improves by more than this; at least 0. Default: 0.
   */
  minDelta?: number
}
/**
 * Which metrics to compute, each with its options.
 */
export interface Metrics {
  loss?: Loss
  accuracy?: Accuracy
  topKAccuracy?: TopKAccuracy
  crossEntropy?: CrossEntropy2
  macroF1?: MacroF1
  calibrationError?: CalibrationError
  perClass?: PerClass
  exactMatch?: ExactMatch
  microF1?: MicroF1
  binaryCrossEntropy?: BinaryCrossEntropy2
  meanSquaredError?: MeanSquaredError
  agreement?: Agreement
  teacherKl?: TeacherKl
  teacherDistance?: TeacherDistance
  equivalentSmoothing?: EquivalentSmoothing
  reweighting?: Reweighting
}
/**
 * The loss that fits the labels: `crossEntropy` for one label per row, `binaryCrossEntropy` for several,
 * `meanSquaredError` for real numbers. Every evaluation on labelled rows has it.
 */
export interface Loss {}
/**
 * The share of rows that are predicted correctly; 0…1.
 */
export interface Accuracy {}
/**
 * The share of rows whose label is among the `k` most probable classes; 0…1.
 */
export interface TopKAccuracy {
  /**
   * Number of most probable classes that may contain the label; 1…number of classes. Default 5.
   */
  k?: number
}
/**
 * Mean negative log-likelihood of the labels in nats; 0 or more.
 */
export interface CrossEntropy2 {}
/**
 * The mean of the F1 scores of all classes; 0…1. A rare class counts as much as a frequent one.
 */
export interface MacroF1 {}
/**
 * Expected calibration error: the mean distance between confidence and accuracy; 0…1.
 */
export interface CalibrationError {
  /**
   * Number of confidence bins of equal width between 0 and 1; 1…100,000. Default 15.
   */
  bins?: number
}
/**
 * A table with one line per class: count, precision, recall, F1.
 */
export interface PerClass {}
/**
 * For several labels per row: the share of rows in which every label is predicted correctly; 0…1.
 */
export interface ExactMatch {
  /**
   * A class is predicted if its probability is above this; 0 < threshold < 1. Default 0.5.
   */
  threshold?: number
}
/**
 * For several labels per row: the F1 score over all classes of all rows together; 0…1.
 */
export interface MicroF1 {
  /**
   * A class is predicted if its probability is above this; 0 < threshold < 1. Default 0.5.
   */
  threshold?: number
}
/**
 * For several labels per row: the mean negative log-likelihood in nats per class; 0 or more.
 */
export interface BinaryCrossEntropy2 {}
/**
 * Mean squared difference between outputs and labels that are real numbers; 0 or more.
 */
export interface MeanSquaredError {}
/**
 * The share of rows for which student and teacher predict the same class; 0…1.
 */
export interface Agreement {}
/**
 * Mean divergence KL(teacher ‖ student) in nats; 0 or more.
 */
export interface TeacherKl {
  /**
   * Temperature applied to student and teacher logits; must be > 0. Default 1.
   */
  temperature?: number
}
/**
 * The mean squared difference between the student's and the teacher's outputs; 0 or more. Use it for outputs that are
 * vectors rather than classes.
 */
export interface TeacherDistance {}
/**
 * The label smoothing that gives the wrong classes as much probability as the teacher does; 0 or more.
 */
export interface EquivalentSmoothing {
  /**
   * Temperature applied to the teacher's logits; must be > 0. Default 1.
   */
  temperature?: number
}
/**
 * How strongly the teacher re-weights each row: at the label's logit, the gradient of distillation divided by the
 * gradient of cross entropy alone. The result is a summary with median and quantiles over the rows; in a run, over the
 * rows of each validation.
 */
export interface Reweighting {
  /**
   * Weight λ of the teacher's part; cross entropy has weight 1 − λ. 0…1. Default 0.5.
   */
  weight?: number
  /**
   * Temperature applied to student and teacher logits in the teacher's part; must be > 0. Default 1.
   */
  temperature?: number
}
export interface CheckpointOptions {
  /**
   * The run folder. It is created if it does not exist.
   */
  folder: string
  /**
   * Optimizer steps between two checkpoints; at least 1. Default: one checkpoint after each epoch, and one at the
   * end.
   */
  every?: number
  /**
   * Number of checkpoints to keep; at least 1. Default: 3.
   */
  keep?: number
  /**
   * Whether the run continues from the newest checkpoint in the folder, if there is one. Default: false.
   */
  resume?: boolean
}
/**
 * Options of `train` and `distill` besides models and data.
 */
export interface TrainOptions {
  /**
   * The losses to minimise: the total is the sum of weight × loss, and at least one weight must be above 0. Or the
   * name of a preset, which is a mixture of losses as its authors released it.
   */
  losses: LossesOrPreset
  /**
   * Trains a generator that computes the student's parameters from the teacher's (phase 1 of Weight Distillation).
   * At the end the student gets the computed numbers. With a generator, `freeze`, `average` and `optimizer` apply to
   * the generator's own parameters, such as `layers.0.weight.wOut`. Default: the student's parameters are trained
   * directly.
   */
  generator?: GeneratorOptions
  /**
   * How gradients change the parameters. Default: adamW with its defaults.
   */
  optimizer?: OptimizerOptions
  /**
   * Factor of the optimizer's learning rate at each step. Default: constant.
   */
  schedule?: Schedule
  /**
   * Rows per batch; 1…2³¹. Default: 64.
   */
  batchSize?: number
  /**
   * Batches per optimizer step, whose gradients are combined; 1…2²⁰. For row losses and models without batch norm,
   * the result is that of one large batch. Default: 1.
   */
  accumulate?: number
  /**
   * Passes over the data; 1…2³¹. Default: 1 if `steps` is not given.
   */
  epochs?: number
  /**
   * Number of optimizer steps, as an alternative to `epochs`; 1…2⁵³ − 1.
   */
  steps?: number
  /**
   * Seed of all random numbers: an integer in 0…2⁵³ − 1. Default: 0.
   */
  seed?: number
  /**
   * Whether each epoch takes the rows in a new random order. Default: true.
   */
  shuffle?: boolean
  /**
   * Whether the last batch of an epoch is left out if it is smaller than the others. Default: false.
   */
  dropLast?: boolean
  /**
   * Random changes of the inputs, drawn anew for each sample in each epoch. Default: none.
   */
  augment?: Augment
  /**
   * Largest global norm of the gradients: larger gradients are scaled down to it. Above 0. Default: no limit.
   */
  clipNorm?: number
  /**
   * A running average (EMA) of the parameters. Validation uses it, and it is what the student keeps. Default: none.
   */
  average?: AverageOptions
  /**
   * Parameters that are not trained: names of parameters or layers, or patterns with `*`. Default: none.
   */
  freeze?: string[]
  /**
   * Optimizer steps between two validations; at least 1. Default: one validation after each epoch.
   */
  validateEvery?: number
  /**
   * Stops the run when validation no longer improves. Default: the run does not stop early.
   */
  earlyStop?: EarlyStopOptions
  /**
   * Which parameters the student keeps: those of the last step, or those of the best validation. Default: `last`.
   */
  keep?: Keep
  /**
   * Metrics to compute at each validation in addition to accuracy, loss and agreement, such as
   * `{ calibrationError: { bins: 15 } }`. Default: none.
   */
  metrics?: Metrics
  /**
   * The metric by which `keep: 'best'` and `earlyStop` compare validations; its options are set under `metrics`.
   * Default: accuracy for one label per row, `loss` for other labels. Without labels: the agreement with the
   * teacher, or the distance to the teacher's outputs if no loss treats them as classes.
   */
  metric?: MetricChoice
  /**
   * Optimizer steps between two reports; at least 1. The run executes no JavaScript between them. Default: 50.
   */
  reportEvery?: number
  /**
   * Trains the same student a second time, from the same start and with the same batches but without a teacher, and
   * reports both. If some rows of a data set have no label, the second training gets batches of the same size in
   * which every row has a label. Doubles the student's cost. Default: false.
   */
  control?: boolean
  /**
   * How several teachers are combined. Default: `losses`.
   */
  combine?: Combine
  /**
   * Permutes the teacher's logits of the wrong classes, anew for each row in each epoch (DKPP). This keeps the
   * teacher's confidence and removes its class relations. Default: false.
   */
  permuteTeacher?: boolean
  /**
   * Multiplies each row's weight by the teacher's largest probability (CWTM): rows count in proportion to the
   * teacher's confidence. Default: false.
   */
  weightRowsByTeacher?: boolean
  /**
   * Whether the teacher's outputs for each row are computed once, before the first step, and then reused. This needs
   * inputs without augmentation and rows that occur more than once. Otherwise the teacher runs at every step.
   * Default: true.
   */
  cacheTeacher?: boolean
  /**
   * What happens when a proof finds a mistake in the run (docs/proofs.md lists the proofs): `warn` adds a finding to
   * the report and prints a warning, `strict` ends the run with `ERR_LIMBECK_PROOF_FAILED`, `off` runs no proof.
   * Default: `warn`.
   */
  proofs?: Proofs
  /**
   * Writes the complete state of the run to a folder. A run that is resumed from it ends with the same bits.
   * Default: no checkpoints.
   */
  checkpoint?: CheckpointOptions
  /**
   * Threads of the computation; 1…1024. The result has the same bits for any number. Default: one less than this
   * process may use.
   */
  threads?: number
  /**
   * Niceness of the run's threads, added to that of this process; 0…19, only on Linux. At a higher niceness the
   * event loop, the threads of `fs` and `dns`, and other processes take precedence over the run. Niceness costs
   * nothing while a core is free; on a core that a busy process shares, a run gets half of the time at 0 and a tenth
   * at 10. The command line uses 0 by default, because it has no event loop to protect. The result has the same bits
   * for any value. Default: 10.
   */
  niceness?: number
  /**
   * Limit of the run's native memory in bytes; a run that needs more is refused. Default: no limit.
   */
  maxMemoryBytes?: number
  /**
   * Device of the computation. Default: `auto`.
   */
  backend?: Backend
}
/**
 * Multilayer perceptron. Its layers are `layers.0`, `layers.1`, … and `head`.
 */
export interface Mlp {
  /**
   * Number of inputs, hidden widths, number of outputs: `[784, 32, 10]`. At least two sizes, each above 0.
   */
  sizes: number[]
  /**
   * Activation after each hidden layer. Default: `relu`.
   */
  activation?: Activation
  /**
   * Dropout rate after each hidden layer; 0 ≤ rate < 1. Default: 0.
   */
  dropout?: number
}
/**
 * Small convolutional network. It has one block `blocks.0`, `blocks.1`, … per channel count, with a 3×3 convolution
 * (with bias), batch norm, relu and max pooling by 2; then follows the linear layer `head`. With channels `[4, 8]` on
 * 28 × 28 pixels it has 4,290 weights.
 */
export interface ConvNet {
  /**
   * Sizes of one image: `[channels, height, width]`.
   *
   * @minItems 3
   * @maxItems 3
   */
  input: [number, number, number]
  /**
   * Number of channels of each block; at least one block.
   */
  channels: number[]
  /**
   * Number of outputs.
   */
  classes: number
}
/**
 * Fully connected layer over the last axis of `[features]` or `[length, features]`.
 */
export interface Linear {
  /**
   * Name of the layer; its tensors are `<name>.weight` and `<name>.bias`. Default: its position in the list.
   */
  name?: string
  /**
   * Number of outputs; must be ≥ 1.
   */
  outputs: number
  /**
   * Whether a bias is added. Default true.
   */
  bias?: boolean
  /**
   * Activation applied to the result. Default 'none'.
   */
  activation?: Activation
  /**
   * Start values of the layer's tensors. Default: uniform in ±1/√fan_in, for weight and bias alike.
   */
  init?: LayerInit
}
/**
 * Start values of a layer's tensors. A tensor that is not named keeps its default.
 */
export interface LayerInit {
  weight?: Initializer
  bias?: Initializer
}
export interface ConstantInit {
  /**
   * Value of every number; must be finite.
   */
  value: number
}
export interface UniformInit {
  /**
   * Largest absolute value; must be finite and ≥ 0.
   */
  bound: number
}
export interface NormalInit {
  /**
   * Standard deviation; must be finite and ≥ 0.
   */
  std: number
}
export interface XavierInit {
  /**
   * Factor of the standard deviation; must be finite and ≥ 0. Default 1.
   */
  gain?: number
}
export interface KaimingInit {
  /**
   * Factor of the standard deviation; must be finite and ≥ 0. Default √2, which suits layers that are followed by
   * relu.
   */
  gain?: number
}
/**
 * One-dimensional convolution (cross-correlation) over `[channels, length]`.
 */
export interface Conv1D {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
  /**
   * Number of output channels; must be ≥ 1.
   */
  channels: number
  /**
   * Kernel size; must be ≥ 1.
   */
  kernel: number
  /**
   * Distance between two positions of the kernel; must be ≥ 1. Default 1.
   */
  stride?: number
  /**
   * Number of zeros added on each side. Default 0.
   */
  padding?: number
  /**
   * Distance between two elements of the kernel; must be ≥ 1. Default 1.
   */
  dilation?: number
  /**
   * Number of groups of input and output channels, each of which is convolved separately; must divide both numbers
   * of channels. Default 1.
   */
  groups?: number
  /**
   * Whether a bias is added. Default true.
   */
  bias?: boolean
  /**
   * Start values of the layer's tensors. Default: uniform in ±1/√fan_in, for weight and bias alike.
   */
  init?: LayerInit
}
/**
 * Two-dimensional convolution (cross-correlation) over `[channels, height, width]`.
 */
export interface Conv2D {
  /**
   * Name of the layer; its tensors are `<name>.weight` and `<name>.bias`. Default: its position in the list.
   */
  name?: string
  /**
   * Number of output channels; must be ≥ 1.
   */
  channels: number
  /**
   * Kernel size, one number or `[height, width]`; must be ≥ 1.
   */
  kernel: Pair
  /**
   * Distance between two positions of the kernel; must be ≥ 1. Default 1.
   */
  stride?: Pair
  /**
   * Number of zeros added on each side. Default 0.
   */
  padding?: Pair
  /**
   * Distance between two elements of the kernel; must be ≥ 1. Default 1.
   */
  dilation?: Pair
  /**
   * Number of groups of input and output channels, each of which is convolved separately; must divide both numbers
   * of channels. Default 1.
   */
  groups?: number
  /**
   * Whether a bias is added. Default true.
   */
  bias?: boolean
  /**
   * Start values of the layer's tensors. Default: uniform in ±1/√fan_in, for weight and bias alike.
   */
  init?: LayerInit
}
/**
 * Batch normalization over the first axis (features or channels), with scale and shift. Training uses the statistics
 * of the batch and averages them into `running_mean` and `running_var`; evaluation uses these running statistics.
 */
export interface BatchNorm {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
  /**
   * Number added to the variance before the square root; must be > 0. Default 1e-5.
   */
  epsilon?: number
  /**
   * Share of the batch statistics in each update of the running statistics, from 0 to 1. Default 0.1.
   */
  momentum?: number
  /**
   * Activation applied to the result; 'relu' adds no cost. Default 'none'.
   */
  activation?: Activation
  /**
   * Start values of the layer's tensors. Default: weights of 1 and biases of 0.
   */
  init?: LayerInit
}
/**
 * Layer normalization over the last axis, with scale and shift.
 */
export interface LayerNorm {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
  /**
   * Number added to the variance before the square root; must be > 0. Default 1e-5.
   */
  epsilon?: number
  /**
   * Start values of the layer's tensors. Default: weights of 1 and biases of 0.
   */
  init?: LayerInit
}
/**
 * Root-mean-square normalization over the last axis, with scale.
 */
export interface RmsNorm {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
  /**
   * Number added to the mean square before the square root; must be > 0. Default 1e-6.
   */
  epsilon?: number
  /**
   * Start values of the layer's tensors. Default: weights of 1.
   */
  init?: LayerInit
}
/**
 * A trained vector per id. Rows of equal length `[length]` become `[length, width]`, one vector per id. If rows differ
 * in length, or if `pooling` is given, each row becomes `[width]`: its vectors are pooled into one (a bag of
 * embeddings). A row without ids becomes zeros.
 */
export interface Embedding {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
  /**
   * Number of different ids; must be ≥ 1. Ids run from 0 to vocabulary − 1.
   */
  vocabulary: number
  /**
   * Length of each vector; must be ≥ 1.
   */
  width: number
  /**
   * How the vectors of a row are pooled into one. Default: 'mean' if rows differ in length, otherwise no pooling.
   */
  pooling?: Pooling
  /**
   * Start values of the vectors. Default: uniform in ±1/width if the vectors are pooled, otherwise normal with a
   * standard deviation of 1.
   */
  init?: LayerInit
}
/**
 * Applies an activation function to every element. `linear` and other layers have it built in, as their option
 * `activation`.
 */
export interface Activation2 {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
  /**
   * The activation function.
   */
  function: Activation
}
/**
 * In training, each element becomes 0 with probability `rate`, and the other elements are divided by 1 − rate. The
 * mask depends only on seed, epoch, layer name and sample id, so splitting a batch does not change it.
 */
export interface Dropout {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
  /**
   * Probability that an element becomes 0; must be ≥ 0 and < 1.
   */
  rate: number
}
/**
 * The largest value of each window.
 */
export interface MaxPool {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
  /**
   * Window size, one number or `[height, width]`; must be ≥ 1.
   */
  kernel: Pair
  /**
   * Distance between two windows; must be ≥ 1. Default: the window size.
   */
  stride?: Pair
  /**
   * Padding on each side; must be at most half of the window size. Default 0.
   */
  padding?: Pair
}
/**
 * The mean of each window; padding counts as zeros.
 */
export interface AvgPool {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
  /**
   * Window size, one number or `[height, width]`; must be ≥ 1.
   */
  kernel: Pair
  /**
   * Distance between two windows; must be ≥ 1. Default: the window size.
   */
  stride?: Pair
  /**
   * Padding on each side; must be at most half of the window size. Default 0.
   */
  padding?: Pair
}
/**
 * The mean of each channel: `[channels, height, width]` becomes `[channels]`.
 */
export interface GlobalAvgPool {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
}
/**
 * The mean over the first axis: `[length, width]` becomes `[width]`.
 */
export interface TokenMean {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
}
/**
 * Flattens all axes of a sample into one, in row-major order.
 */
export interface Flatten {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
}
/**
 * Changes the shape of a sample; its numbers and their order stay the same.
 */
export interface Reshape {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
  /**
   * New shape of one sample, without the batch axis; it must have as many elements as the input.
   */
  shape: number[]
}
/**
 * Swaps two axes of a sample.
 */
export interface Transpose {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
  /**
   * The two axes, counted from 0 without the batch axis.
   *
   * @minItems 2
   * @maxItems 2
   */
  axes: [number, number]
}
/**
 * Keeps a part of one axis of a sample: the elements `start` to `end − 1`.
 */
export interface Slice {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
  /**
   * The axis, counted from 0 without the batch axis.
   */
  axis: number
  /**
   * Index of the first element, counted from 0.
   */
  start: number
  /**
   * Index after the last element; must be > `start`.
   */
  end: number
}
/**
 * A residual block: `activation(layers(x) + shortcut(x))`. Without a shortcut the input itself is added.
 */
export interface Residual {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
  /**
   * The layers of the block.
   */
  layers: LayerOptions[]
  /**
   * Layers applied to the input before it is added; needed if the shapes differ. Default: no layers.
   */
  shortcut?: LayerOptions[]
  /**
   * Activation applied to the sum. Default 'none'.
   */
  activation?: Activation
}
/**
 * Branches that all get the same input and whose outputs are joined. An empty branch returns its input.
 */
export interface Parallel {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
  /**
   * The branches, each a list of layers; at least one.
   */
  branches: LayerOptions[][]
  /**
   * How the outputs of the branches are joined. Default 'concat'.
   */
  join?: Join
  /**
   * Axis of 'concat', counted from 0 without the batch axis. Default 0.
   */
  axis?: number
}
/**
 * Inputs that are ids. With `{ ids: {} }` each row may have a different number of ids; with `{ ids: { length: 128 } }`
 * every row has 128.
 */
export interface IdsInput {
  ids: IdsLength
}
export interface IdsLength {
  /**
   * Number of ids in every row. Default: the number may differ from row to row.
   */
  length?: number
}
/**
 * The architecture of a model: either one preset, or `layers` together with `input`.
 */
export interface ModelOptions {
  /**
   * Fully connected layers with an activation between them.
   */
  mlp?: Mlp
  /**
   * Blocks of convolution, batch norm, relu and max pooling, followed by a linear layer.
   */
  convNet?: ConvNet
  /**
   * The layers, from the input to the logits.
   */
  layers?: LayerOptions[]
  /**
   * The form of one sample; required with `layers`, not allowed with a preset.
   */
  input?: Input
}
/**
 * Mean and standard deviation per channel (the first axis of a row), or one of each for all channels.
 */
export interface Normalization {
  /**
   * The mean, which is subtracted: one number per channel, or one for all channels.
   */
  mean: number[]
  /**
   * The standard deviation, by which the difference is divided: above 0, and as many numbers as in `mean`.
   */
  std: number[]
}
/**
 * Settings of mutual learning that all learners share.
 */
export interface MutualOptions {
  /**
   * When the learners' parameters change.
   */
  updates?: Updates
  /**
   * Weight of a frozen teacher, where all peers together have the weight 1; must be ≥ 0. Default: 1.
   */
  teacherWeight?: number
}
/**
 * The options of a new tokenizer.
 */
export interface TokenizerOptions {
  /**
   * How words are divided.
   */
  kind: TokenizerKind
  /**
   * The largest number of tokens, up to 1,000,000: five special tokens, the characters of the texts (for `bpe` the 256
   * bytes), and learned tokens. Word pieces and byte pairs have fewer if no pair of tokens occurs twice.
   */
  vocabulary: number
}
/**
 * A teacher that is the running average of the student's own parameters (mean teacher).
 */
export interface OwnAverage {
  /**
   * Share of the old average that is kept at each step; must be ≥ 0 and < 1. Default 0.999.
   */
  decay?: number
}
/**
 * A teacher made from the labels: it gives the label the probability 1 − share and spreads `share` evenly over all
 * classes.
 */
export interface SmoothedLabels {
  /**
   * Probability that is spread over all classes; must be ≥ 0 and < 1. Default 0.1.
   */
  share?: number
}
/**
 * One teacher as JavaScript passes it: exactly one kind of teacher, and a weight.
 */
export interface TeacherKinds {
  column?: Column
  average?: OwnAverage
  labelSmoothing?: SmoothedLabels
}
/**
 * Options of the re-weighting w_t.
 */
export interface ReweightingDiagnostic {
  /**
   * Weight λ of the teacher's part; cross entropy has weight 1 − λ. 0…1. Default 0.5.
   */
  weight?: number
  /**
   * Temperature applied to student and teacher logits in the teacher's part; must be > 0. Default 1.
   */
  temperature?: number
  /**
   * Number of groups into which the rows are divided by the teacher's confidence; 1…100,000. Default 5.
   */
  groups?: number
  /**
   * Whether the report contains w_t of every row. Default false.
   */
  eachRow?: boolean
}
/**
 * Options of the equivalent smoothing γ.
 */
export interface EquivalentSmoothingDiagnostic {
  /**
   * Temperature applied to the logits; must be > 0. Default 1.
   */
  temperature?: number
}
/**
 * Options of the entropy of a model's outputs.
 */
export interface EntropyDiagnostic {
  /**
   * Temperature applied to the logits; must be > 0. Default 1.
   */
  temperature?: number
}
/**
 * Options of the class correlations.
 */
export interface ClassCorrelationDiagnostic {
  /**
   * Temperature applied to the logits; must be > 0. A high temperature shows the relations between classes more
   * clearly. Default 1.
   */
  temperature?: number
  /**
   * The group of each class, such as its super-class. Default: the tree of classes is cut into `blocks` parts.
   */
  groups?: number[]
  /**
   * Number of parts into which the tree is cut; 1…number of classes. Cannot be combined with `groups`. Default: the
   * rounded square root of the number of classes.
   */
  blocks?: number
}
/**
 * Options of the projection.
 */
export interface ProjectionDiagnostic {
  /**
   * The three classes, all different. Default `[0, 1, 2]`.
   *
   * @minItems 3
   * @maxItems 3
   */
  classes?: [number, number, number]
}
/**
 * The geometry has no options.
 */
export interface GeometryDiagnostic {}
/**
 * Options of the calibration.
 */
export interface CalibrationDiagnostic {
  /**
   * Number of confidence bins of equal width between 0 and 1; 1…100,000. Default 15.
   */
  bins?: number
}
/**
 * The gain has no options.
 */
export interface GainDiagnostic {}
/**
 * Options of the mutual information.
 */
export interface MutualInformationDiagnostic {
  /**
   * The two classes whose logits are subtracted. Default `[0, 1]`.
   *
   * @minItems 2
   * @maxItems 2
   */
  classes?: [number, number]
  /**
   * The random changes of the rows. Default: images are shifted by up to 2 pixels.
   */
  augment?: Augment
  /**
   * Number of changed copies of each row; 2…2³¹. Default 8.
   */
  copies?: number
  /**
   * Number of rows to analyse, evenly spaced in the data; 2…2³¹. The time grows with its square. Default 500.
   */
  rows?: number
  /**
   * Seed of the random changes. Default 0.
   */
  seed?: number
}
/**
 * Which diagnostics, each with its options.
 */
export interface Diagnostics {
  /**
   * How strongly the teacher re-weights each row (w_t).
   */
  reweighting?: ReweightingDiagnostic
  /**
   * The amount of label smoothing that a model's outputs are equivalent to (γ).
   */
  equivalentSmoothing?: EquivalentSmoothingDiagnostic
  /**
   * How uncertain a model's outputs are.
   */
  entropy?: EntropyDiagnostic
  /**
   * Which classes a model considers similar.
   */
  classCorrelation?: ClassCorrelationDiagnostic
  /**
   * Penultimate activations, projected onto the plane of three class templates.
   */
  projection?: ProjectionDiagnostic
  /**
   * Whether the distances to the class templates are in the teacher's order of the wrong classes.
   */
  geometry?: GeometryDiagnostic
  /**
   * Confidence against accuracy, before and after temperature scaling.
   */
  calibration?: CalibrationDiagnostic
  /**
   * The accuracy of the distilled student compared with the control, in total and per class.
   */
  gain?: GainDiagnostic
  /**
   * How much information a difference of two logits carries about the row, under random changes of the row.
   */
  mutualInformation?: MutualInformationDiagnostic
}
export interface ReweightingReport {
  /**
   * w_t over all rows. A row is skipped if the student is so certain of its label that cross entropy has no gradient.
   */
  weights: Spread
  /**
   * Share of the rows with w_t below 0: the teacher lowers the student's confidence in their labels.
   */
  negative: number
  /**
   * The groups of rows, from the teacher's lowest confidence to the highest.
   */
  byConfidence: ConfidenceGroup[]
  /**
   * w_t of every row, in the order of the data; null for a skipped row.
   */
  eachRow?: number[]
}
/**
 * Mean, extremes and quantiles of one number per row.
 */
export interface Spread {
  /**
   * Count of the rows with a number; if it is 0, all statistics are 0.
   */
  rows: number
  /**
   * Count of the rows without a number, which are left out.
   */
  skipped: number
  mean: number
  lowest: number
  /**
   * 5 % of the numbers are below.
   */
  q5: number
  /**
   * 25 % of the numbers are below.
   */
  q25: number
  median: number
  /**
   * 25 % of the numbers are above.
   */
  q75: number
  /**
   * 5 % of the numbers are above.
   */
  q95: number
  highest: number
}
export interface ConfidenceGroup {
  /**
   * The teacher's lowest confidence in the label within the group.
   */
  from: number
  /**
   * The teacher's highest confidence in the label within the group.
   */
  to: number
  weights: Spread
}
/**
 * One report for each model that was given.
 */
export interface SidesOfEquivalentSmoothingReport {
  teacher?: EquivalentSmoothingReport
  student?: EquivalentSmoothingReport
  /**
   * The control: the same student, trained without a teacher.
   */
  control?: EquivalentSmoothingReport
}
export interface EquivalentSmoothingReport {
  /**
   * The amount of label smoothing that the model's outputs are equivalent to.
   */
  gamma: number
  /**
   * Mean probability of the label at this temperature: 1 − γ (K − 1) / K.
   */
  confidence: number
}
/**
 * One report for each model that was given.
 */
export interface SidesOfEntropyReport {
  teacher?: EntropyReport
  student?: EntropyReport
  /**
   * The control: the same student, trained without a teacher.
   */
  control?: EntropyReport
}
export interface EntropyReport {
  /**
   * Entropy of each row in nats.
   */
  nats: Spread
  /**
   * The mean entropy divided by ln K, the entropy of K equal probabilities.
   */
  share: number
}
/**
 * One report for each model that was given.
 */
export interface SidesOfClassCorrelationReport {
  teacher?: ClassCorrelationReport
  student?: ClassCorrelationReport
  /**
   * The control: the same student, trained without a teacher.
   */
  control?: ClassCorrelationReport
}
export interface ClassCorrelationReport {
  /**
   * `[classes][classes]`, in the order of the labels.
   */
  matrix: number[][]
  /**
   * The classes, ordered so that similar ones are side by side.
   */
  order: number[]
  /**
   * The block of each class, in the order of the labels.
   */
  groups: number[]
  /**
   * Mean correlation of two classes of the same block; 0 if every block has one class.
   */
  within: number
  /**
   * Mean correlation of two classes of different blocks; 0 if there is only one block.
   */
  between: number
  /**
   * `within − between`.
   */
  score: number
  /**
   * Classes whose probability is the same in all rows.
   */
  constant: number[]
}
/**
 * One report for each model that was given.
 */
export interface SidesOfProjectionReport {
  teacher?: ProjectionReport
  student?: ProjectionReport
  /**
   * The control: the same student, trained without a teacher.
   */
  control?: ProjectionReport
}
export interface ProjectionReport {
  /**
   * Coordinates of the templates of the three classes, in the order of `classes`; the first is at `[0, 0]`.
   *
   * @minItems 3
   * @maxItems 3
   */
  templates: [[number, number], [number, number], [number, number]]
  /**
   * Mean and spread of the points of each class, in the order of `classes`.
   */
  clusters: ProjectedCluster[]
  /**
   * One point for every row of the three classes.
   */
  points: ProjectedPoint[]
}
export interface ProjectedCluster {
  label: number
  rows: number
  x: number
  y: number
  /**
   * Root of the mean squared distance of the points to their mean.
   */
  deviation: number
}
export interface ProjectedPoint {
  /**
   * Position of the row in the data, from 0.
   */
  row: number
  label: number
  x: number
  y: number
}
export interface GeometryReport {
  /**
   * Share of the pairs of wrong classes whose distances are in the order of the teacher's probabilities; 0…1. Chance is
   * 0.5.
   */
  share: number
  /**
   * Number of pairs over all rows; pairs of equal probability are left out.
   */
  pairs: number
  /**
   * Smallest and largest length of a class template. The proposition assumes that all lengths are equal.
   *
   * @minItems 2
   * @maxItems 2
   */
  templateLengths: [number, number]
}
/**
 * One report for each model that was given.
 */
export interface SidesOfCalibrationReport {
  teacher?: CalibrationReport
  student?: CalibrationReport
  /**
   * The control: the same student, trained without a teacher.
   */
  control?: CalibrationReport
}
export interface CalibrationReport {
  /**
   * The model without temperature scaling.
   */
  before: CalibrationAt
  /**
   * The model with its logits divided by the temperature that was fitted on the validation rows; missing without
   * validation rows.
   */
  after?: CalibrationAt
}
export interface CalibrationAt {
  /**
   * The temperature that divides the logits.
   */
  temperature: number
  /**
   * Expected calibration error; 0…1.
   */
  error: number
  /**
   * Mean negative log-likelihood of the labels in nats.
   */
  loss: number
  /**
   * The bins, from the lowest confidence to the highest.
   */
  bins: CalibrationBin[]
}
export interface CalibrationBin {
  from: number
  to: number
  rows: number
  /**
   * Mean of the largest probability; 0 in an empty bin.
   */
  confidence: number
  /**
   * Share of the rows that are predicted correctly; 0 in an empty bin.
   */
  accuracy: number
}
export interface GainReport {
  /**
   * All rows together.
   */
  all: GainOf
  /**
   * Probability of a difference between `mended` and `spoilt` that is at least as large, if both students were equally
   * good (McNemar's exact test).
   */
  pValue: number
  /**
   * Each class, in order; a class without rows is left out.
   */
  classes: ClassGain[]
}
export interface GainOf {
  rows: number
  /**
   * Accuracy of the control, which was trained without a teacher.
   */
  alone: number
  /**
   * Accuracy of the distilled student.
   */
  distilled: number
  /**
   * `distilled − alone`.
   */
  gain: number
  /**
   * Accuracy of the teacher, if there is one.
   */
  teacher?: number
  /**
   * Number of rows that only the distilled student predicts correctly.
   */
  mended: number
  /**
   * Number of rows that only the control predicts correctly.
   */
  spoilt: number
}
export interface ClassGain {
  label: number
  /**
   * Name of the class, if the data or the student have names.
   */
  name?: string
  rows: number
  /**
   * Accuracy of the control, which was trained without a teacher.
   */
  alone: number
  /**
   * Accuracy of the distilled student.
   */
  distilled: number
  /**
   * `distilled − alone`.
   */
  gain: number
  /**
   * Accuracy of the teacher, if there is one.
   */
  teacher?: number
  /**
   * Number of rows that only the distilled student predicts correctly.
   */
  mended: number
  /**
   * Number of rows that only the control predicts correctly.
   */
  spoilt: number
}
/**
 * One report for each model that was given.
 */
export interface SidesOfMutualInformationReport {
  teacher?: MutualInformationReport
  student?: MutualInformationReport
  /**
   * The control: the same student, trained without a teacher.
   */
  control?: MutualInformationReport
}
export interface MutualInformationReport {
  /**
   * The estimate I^, in nats.
   */
  nats: number
  /**
   * ln N, the upper bound of the mutual information.
   */
  most: number
  /**
   * N, the number of rows that were analysed.
   */
  rows: number
}
/**
 * The result of each diagnostic, under its name.
 */
export interface Analysis {
  /**
   * Number of rows that were analysed; rows of weight 0 are left out.
   */
  rows: number
  /**
   * How strongly the teacher re-weights each row (w_t).
   */
  reweighting?: ReweightingReport
  /**
   * The amount of label smoothing that a model's outputs are equivalent to (γ).
   */
  equivalentSmoothing?: SidesOfEquivalentSmoothingReport
  /**
   * How uncertain a model's outputs are.
   */
  entropy?: SidesOfEntropyReport
  /**
   * Which classes a model considers similar.
   */
  classCorrelation?: SidesOfClassCorrelationReport
  /**
   * Penultimate activations, projected onto the plane of three class templates.
   */
  projection?: SidesOfProjectionReport
  /**
   * Whether the distances to the class templates are in the teacher's order of the wrong classes.
   */
  geometry?: GeometryReport
  /**
   * Confidence against accuracy, before and after temperature scaling.
   */
  calibration?: SidesOfCalibrationReport
  /**
   * The accuracy of the distilled student compared with the control, in total and per class.
   */
  gain?: GainReport
  /**
   * How much information a difference of two logits carries about the row, under random changes of the row.
   */
  mutualInformation?: SidesOfMutualInformationReport
  /**
   * If no diagnostics were chosen: those that the models and data do not allow, each with the reason.
   */
  leftOut: {
    [k: string]: string
  }
}

/** The keys of `TrainOptions`. */
export const trainOptionKeys: readonly string[] = [
  'losses',
  'generator',
  'optimizer',
  'schedule',
  'batchSize',
  'accumulate',
  'epochs',
  'steps',
  'seed',
  'shuffle',
  'dropLast',
  'augment',
  'clipNorm',
  'average',
  'freeze',
  'validateEvery',
  'earlyStop',
  'keep',
  'metrics',
  'metric',
  'reportEvery',
  'control',
  'combine',
  'permuteTeacher',
  'weightRowsByTeacher',
  'cacheTeacher',
  'proofs',
  'checkpoint',
  'threads',
  'niceness',
  'maxMemoryBytes',
  'backend',
]

/** The kinds of teachers that have options. */
export const teacherKinds: readonly string[] = [
  'column',
  'average',
  'labelSmoothing',
]
