/** Types of all options. Made by generate-types.mjs from the Rust structs; not written by hand. */

/**
 * What stands in the JSON: losses, or the name of a preset.
 */
export type LossesOrPreset = Preset | LossesOptions
/**
 * Triplet loss for knowledge distillation as its authors released it: in 2020 cross entropy and triplet loss, in 2022
 * with the teacher's probabilities beside.
 */
export type Preset = 'tlkd2020' | 'tlkd2022'
/**
 * A number, or how it moves from optimizer step to optimizer step.
 */
export type Scheduled = number | Curve
/**
 * How a number moves.
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
 * `'logits'`, `'embedding'` (what the last linear layer reads), the name of a layer that both models have, or one name
 * each.
 */
export type LayerChoice = string | LayerPair
export type Negatives = 'hardest' | 'all'
export type Token = 'all' | 'first' | 'mean'
export type Remainder = 'refuse' | 'spread'
/**
 * How a parameter of the student is made: an object with one key.
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
 * How gradients change parameters.
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
 * Multiplies the optimizer's learning rate: an object with one key. Steps are optimizer steps, counted from 0;
 * `cosine`, `linear` and `oneCycle` run over the whole training.
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
 * The curve that follows a layer.
 */
export type Activation = 'none' | 'relu' | 'gelu' | 'geluTanh' | 'silu' | 'tanh' | 'sigmoid'
/**
 * One layer of a model: an object with one key, the kind of layer, and its options.
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
 * Start values of one tensor: an object with one key. All draws follow from the model's seed and the tensor's name.
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
 * A size for both axes, or `[height, width]`.
 */
export type Pair = number | [number, number]
/**
 * How the rows of a bag become one.
 */
export type Pooling = 'mean' | 'sum' | 'max'
/**
 * How branches are joined.
 */
export type Join = 'concat' | 'sum'
/**
 * What one sample is.
 */
export type Input = number[] | IdsInput
/**
 * When the parameters of learners that teach each other change.
 */
export type Updates = 'simultaneous' | 'alternating'
/**
 * The data's own column of teacher logits.
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
 * Cross-entropy between the labels, classes or probabilities of classes, and the student's probabilities.
 *
 * Choose it whenever rows have class labels, alone or together with a loss on a teacher.
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
   * Share of the label that is spread over all classes; at least 0, below 1. Default 0.
   */
  labelSmoothing?: number
  /**
   * Weight of each row by its label: a list of one number ≥ 0 per class, or `'balanced'`, which weighs each class by
   * labelled rows ÷ (classes × rows of the class) of the training data. Default: all 1.
   */
  labelWeights?: LabelWeights
}
/**
 * Forward Kullback–Leibler divergence KL(teacher ‖ student) of the softened distributions, times temperature².
 *
 * Choose it first: it is the usual loss of distillation, and a temperature of 2 to 8 shows how the teacher ranks the
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
 * Generalised Jensen–Shannon divergence of the softened distributions, times temperature²: between `kl` (beta 0)
 * and `reverseKl` (beta 1).
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
   * The teacher's share of the mixture that both sides are compared with, from 0 (`kl`) to 1 (`reverseKl`).
   * Default 0.5.
   */
  beta?: number
  /**
   * Temperature applied to student and teacher logits before the softmax; must be > 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Total variation distance of the softened distributions, from 0 to 1; it is not multiplied by temperature².
 *
 * Choose it when a few rows on which the teacher is wrong must not dominate: each row contributes at most 1.
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
 * Divergence KL(teacher ‖ mixture) of the softened distributions, times temperature²; the mixture holds the
 * share alpha of the teacher, which bounds the loss.
 *
 * Choose it instead of `kl` when the student gives almost no probability to classes that the teacher considers
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
   * The teacher's share of the mixture; at least 0 (`kl`), below 1. Default 0.1.
   */
  alpha?: number
  /**
   * Temperature applied to student and teacher logits before the softmax; must be > 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Divergence KL(student ‖ mixture) of the softened distributions, times temperature²; the mixture holds the
 * share alpha of the student, which bounds the loss.
 *
 * Choose it instead of `reverseKl` when the teacher gives classes no probability, or masks them.
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
   * The student's share of the mixture; at least 0 (`reverseKl`), below 1. Default 0.1.
   */
  alpha?: number
  /**
   * Temperature applied to student and teacher logits before the softmax; must be > 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Decoupled knowledge distillation (DKD): the divergence of the label's probability and that of the ranking of the
 * other classes, each with its own weight, times temperature².
 *
 * Choose it when the teacher is so confident that `kl` hardly transfers how it ranks the other classes.
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
   * Weight of the part about the other classes; must be ≥ 0, and > 0 where alpha is 0. Default 8.
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
 * Choose it when the teacher is much larger than the student, which cannot match its exact probabilities.
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
   * Weight of the correlation of each class over the rows of the batch; must be ≥ 0, and > 0 where inter is 0.
   * Needs batches of two rows or more. Default 1.
   */
  intra?: number
  /**
   * Temperature applied to student and teacher logits before the softmax; must be > 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Sum of absolute differences between the sorted softened distributions (ULD); the teacher may have another
 * number of classes. It is not multiplied by temperature².
 *
 * Choose it when teacher and student have different classes that cannot be matched.
 *
 * ```js
 * distill({ teacher, student, data, losses: { uld: {}, crossEntropy: {} } })
 * ```
 *
 * See also: `kl` where the classes are the same, `similarity`.
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
 * Divergence from the teacher's confidence in the label, with the rest spread evenly over the other classes
 * (KD-pt), times temperature².
 *
 * Choose it when the teacher's ranking of the wrong classes is unreliable, or to measure what its confidence
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
 * Divergence from the similarity of the teacher's classes, computed from the weight of its last layer (KD-sim),
 * times temperature²; the teacher's outputs are not used.
 *
 * Choose it when the relations between the classes are to be learned and the teacher's outputs are unreliable.
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
   * Exponent of the size of each cosine; must be > 0. Default 1.
   */
  power?: number
  /**
   * Divisor of the powers before the softmax: smaller is sharper; must be > 0. Default 1.
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
 * Choose it to transfer the teacher's confidence and its class relations without its ranking of each single row.
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
   * The share of the confidence (`kdPt`), from 0 to 1; the rest is class relations (`kdSim`). Default 0.5.
   */
  mix?: number
  /**
   * Exponent of the size of each cosine; must be > 0. Default 1.
   */
  power?: number
  /**
   * Divisor of the powers before the softmax: smaller is sharper; must be > 0. Default 1.
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
   * What happens to the probability outside the k classes; a `teacherTopK` column serves 'renormalize' alone. Default
   * 'renormalize'.
   */
  missing?: Missing
  /**
   * Keeps the label's class in any case, in place of the least likely of the k; needs labels. Default false.
   */
  includeTarget?: boolean
  /**
   * Temperature applied to student and teacher logits before the softmax; must be > 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Binary cross-entropy between the labels and the student, each class on its own: for several labels per row.
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
   * Weight of the labels that are true, against those that are not: one number ≥ 0 for all classes, or a list of one
   * per class; above 1 for rare labels. Default 1.
   */
  posWeight?: OneOrEach
}
/**
 * Kullback–Leibler divergence between teacher and student, each class on its own (sigmoid), times temperature²:
 * for several labels per row.
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
 * Choose it for a teacher of regression, or instead of `kl` at a very high temperature, to which it is equivalent
 * except for a shift of the logits.
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
 * Choose it when a layer of the student is to compute what a layer of the teacher computes.
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
   * Trains a linear map (on feature maps a 1 × 1 convolution) from the student's width to the teacher's. Default:
   * widths must be equal.
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
   * Name of the teacher's.
   */
  teacher: string
}
/**
 * Triplet loss with the teacher's output as the anchor: the positive is the student's output for the same sample,
 * the negative its output for a sample of another class, drawn anew in each epoch.
 *
 * Choose it when outputs or embeddings of different classes are to be far apart.
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
 * Triplet loss within the batch: the teacher's output is the anchor, the student's output for the same sample the
 * positive, its outputs for samples of other classes the negatives.
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
   * How much farther away negatives must be than the positive; must be ≥ 0. Default 5.
   */
  margin?: number
  /**
   * Which rows of another class count. Default: the nearest one.
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
 * Mean squared error between hidden states of length 1, layer by layer (patient distillation).
 *
 * Choose it when student and teacher are stacks of the same kind of layer, the teacher with more of them.
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
   * teacher, `'last'` compares them with those right below the teacher's last. Default `'skip'`.
   */
  layers?: Layers
  /**
   * Whether states are divided by their length. Default true.
   */
  normalize?: boolean
  /**
   * Which tokens of a sequence are compared. Default all.
   */
  token?: Token
  /**
   * Trains a linear map from the student's width to the teacher's. Default false: widths must be equal.
   */
  projection?: boolean
}
/**
 * Mean squared error between attention maps: squares of feature maps, averaged over the channels (attention
 * transfer).
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
   * Which feature maps are compared: layers whose output is `[channels, height, width]`. Losses of several are added.
   * Default: `'skip'`.
   */
  layers?: Layers
}
/**
 * Maximum mean discrepancy between the channels of feature maps, compared as sets (neuron selectivity transfer).
 *
 * Choose it for convolutional networks of equal map sizes, when the patterns matter to which channels respond.
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
   * Which feature maps are compared: layers whose output is `[channels, height, width]`. Losses of several are added.
   * Default: `'skip'`.
   */
  layers?: Layers
}
/**
 * Mean squared difference between the matrices of similarities within a batch (similarity-preserving distillation).
 *
 * Choose it when layers differ in width and are to agree about which samples are similar.
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
 * batch mean; with only two rows the loss is always 0: set `dropLast` where the last batch may have one or two rows.
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
 * Huber loss between the angles that each three samples of a batch form (relational distillation).
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
 * Choose it for retrieval: neighbourhoods are compared instead of coordinates, and widths may differ.
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
   * Added to lengths and probabilities; must be > 0. Default 1e-7.
   */
  eps?: number
  /**
   * Which layers are compared. Default: the embedding (the input of the last linear layer).
   */
  layers?: Layers
}
/**
 * How the student's parameters are made from the teacher's (Weight Distillation). Without rules layers are matched by
 * kind and place: each student layer comes from a run of adjacent teacher layers.
 */
export interface GeneratorOptions {
  /**
   * What to do where the count of the student's layers does not divide that of the teacher's.
   */
  remainder?: Remainder
  /**
   * Exceptions from the plan that the two models lead to; later ones win.
   */
  rules?: RuleFor[]
}
/**
 * An exception for some of the student's parameters.
 */
export interface RuleFor {
  /**
   * Which parameters of the student: a parameter, a layer or block, or a pattern with `*`.
   */
  student: string
  /**
   * What they are made from, in this order: layers or parameters of the teacher. Default: what the plan says.
   */
  teacher?: string[]
  /**
   * How they are made. Default: what the plan says.
   */
  rule?: RuleOptions
}
/**
 * A matrix or kernel: outputs, inputs and layers of the teacher are mixed, then `scale ⊙ tanh(·) + shift`. A vector
 * that the rule meets is made by `vector`.
 */
export interface Full {
  /**
   * A side that is not mixed, because its places mean the same in both models: the inputs of the first layer, the
   * rows of an embedding. It must be as wide as the teacher's.
   */
  keep?: Side
}
/**
 * A vector (bias, gain of a norm): the teacher's numbers and layers are mixed, then `scale ⊙ tanh(·) + shift`.
 */
export interface Vector {}
/**
 * Equal shapes, nothing is mixed: `scale ⊙ tanh(teacher) + shift`.
 */
export interface ScaleShift {}
/**
 * A matrix on each side whose width differs from the teacher's; no tanh, scale or shift. Equal shapes are `copy`.
 */
export interface Project {}
/**
 * Equal shapes: the numbers of the teacher's (first) layer.
 */
export interface Copy {
  /**
   * Whether they stay as they are while the generator is trained.
   */
  frozen?: boolean
}
/**
 * The first outputs and inputs of the teacher's (first) layer, trained from there on.
 */
export interface Truncate {}
/**
 * The student's own start values, trained as usual.
 */
export interface Fresh {}
export interface Sgd {
  /**
   * Learning rate; above 0. Default 0.01.
   */
  learningRate?: number
  /**
   * Share of the last step that is kept; 0 ≤ momentum < 1. Default 0.
   */
  momentum?: number
  /**
   * Nesterov's form of momentum; needs a momentum above 0. Default false.
   */
  nesterov?: boolean
  /**
   * Weight decay, added to the gradient; at least 0. Default 0.
   */
  weightDecay?: number
  /**
   * Whether biases and norms decay too. Default false.
   */
  decayAll?: boolean
}
export interface Adam {
  /**
   * Learning rate; above 0. Default 0.001.
   */
  learningRate?: number
  /**
   * Decay of the running mean of the gradients; 0 ≤ beta1 < 1. Default 0.9.
   */
  beta1?: number
  /**
   * Decay of the running mean of their squares; 0 ≤ beta2 < 1. Default 0.999.
   */
  beta2?: number
  /**
   * Added to the denominator; above 0. Default 1e-8.
   */
  epsilon?: number
  /**
   * Weight decay, added to the gradient; at least 0. Default 0.
   */
  weightDecay?: number
  /**
   * Whether biases and norms decay too. Default false.
   */
  decayAll?: boolean
}
export interface AdamW {
  /**
   * Learning rate; above 0. Default 0.001.
   */
  learningRate?: number
  /**
   * Decay of the running mean of the gradients; 0 ≤ beta1 < 1. Default 0.9.
   */
  beta1?: number
  /**
   * Decay of the running mean of their squares; 0 ≤ beta2 < 1. Default 0.999.
   */
  beta2?: number
  /**
   * Added to the denominator; above 0. Default 1e-8.
   */
  epsilon?: number
  /**
   * Weight decay: each step subtracts this share of the weights, times the learning rate; at least 0. Default 0.01.
   */
  weightDecay?: number
  /**
   * Whether biases and norms decay too. Default false.
   */
  decayAll?: boolean
}
export interface Constant {
  /**
   * Steps in which the factor rises in a straight line from 0 to 1.
   */
  warmupSteps?: number
}
export interface Step {
  /**
   * Steps between two falls; at least 1.
   */
  every: number
  /**
   * What the rate is multiplied with at each fall; above 0.
   */
  factor?: number
  /**
   * Steps in which the factor rises in a straight line from 0 to 1.
   */
  warmupSteps?: number
}
export interface Falling {
  /**
   * The factor at the last step; 0…1.
   */
  final?: number
  /**
   * Steps in which the factor rises in a straight line from 0 to 1.
   */
  warmupSteps?: number
}
export interface OneCycle {
  /**
   * Share of the training in which the rate rises; 0 < share < 1.
   */
  rise?: number
  /**
   * The first factor is 1 / this; above 0.
   */
  initialDivisor?: number
  /**
   * The last factor is the first divided by this; above 0.
   */
  finalDivisor?: number
}
export interface InverseSquareRoot {
  /**
   * Steps until the peak; at least 1.
   */
  warmupSteps: number
}
/**
 * Random changes of images `[channels, height, width]`, different for every sample and epoch.
 */
export interface Augment {
  /**
   * Cut the image out of a padded copy, at a random place.
   */
  crop?: Crop
  /**
   * Move the image by whole pixels; what comes in is 0.
   */
  shift?: Shift
  /**
   * Mirror the image.
   */
  flip?: Flip
  /**
   * Add normal noise to every number; works on rows of any shape.
   */
  noise?: Noise
}
export interface Crop {
  /**
   * Pixels added on each side before the cut, 1 or more.
   */
  padding: number
  /**
   * What the padding shows. Default `zeros`.
   */
  fill?: CropFill
}
export interface Shift {
  /**
   * Farthest move in each direction, in pixels, 1 or more.
   */
  pixels: number
}
export interface Flip {
  /**
   * Chance to swap left and right, 0 to 1. Default 0.
   */
  horizontal?: number
  /**
   * Chance to swap top and bottom, 0 to 1. Default 0.
   */
  vertical?: number
}
export interface Noise {
  /**
   * Standard deviation, above 0, in the units of the inputs.
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
   * Validations without improvement after which the run stops; at least 1.
   */
  patience: number
  /**
   * What counts as improvement: more than this; at least 0. Default: 0.
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
 * The share of rows that are predicted right, 0 to 1.
 */
export interface Accuracy {}
/**
 * The share of rows whose label is among the `k` most probable classes, 0 to 1.
 */
export interface TopKAccuracy {
  /**
   * How many classes may be named, from 1 to the number of classes. Default 5.
   */
  k?: number
}
/**
 * Mean negative log-likelihood of the labels, in nats, 0 or more.
 */
export interface CrossEntropy2 {}
/**
 * The mean over the classes of their F1, 0 to 1: a rare class counts as much as a frequent one.
 */
export interface MacroF1 {}
/**
 * Expected calibration error, 0 to 1: the mean distance between confidence and accuracy.
 */
export interface CalibrationError {
  /**
   * Bins of equal width between 0 and 1, 1 or more. Default 15.
   */
  bins?: number
}
/**
 * A table with one line a class: count, precision, recall, F1.
 */
export interface PerClass {}
/**
 * The share of rows of which every label is predicted right, 0 to 1, for several labels a row.
 */
export interface ExactMatch {
  /**
   * Probability above which a class is predicted, between 0 and 1. Default 0.5.
   */
  threshold?: number
}
/**
 * F1 over all classes of all rows together, 0 to 1, for several labels a row.
 */
export interface MicroF1 {
  /**
   * Probability above which a class is predicted, between 0 and 1. Default 0.5.
   */
  threshold?: number
}
/**
 * Mean negative log-likelihood of several labels a row, in nats a class, 0 or more.
 */
export interface BinaryCrossEntropy2 {}
/**
 * Mean squared distance between outputs and labels, 0 or more.
 */
export interface MeanSquaredError {}
/**
 * The share of rows where student and teacher predict the same class, 0 to 1.
 */
export interface Agreement {}
/**
 * Mean KL(teacher‖student) in nats, 0 or more.
 */
export interface TeacherKl {
  /**
   * Divides the logits of both, above 0. Default 1.
   */
  temperature?: number
}
/**
 * Mean squared distance between the student's outputs and the teacher's, 0 or more: for outputs that are vectors.
 */
export interface TeacherDistance {}
/**
 * The label smoothing that a teacher at this temperature is worth, 0 or more.
 */
export interface EquivalentSmoothing {
  /**
   * Divides the teacher's logits, above 0. Default 1.
   */
  temperature?: number
}
/**
 * How strongly the teacher re-weights each row: the gradient of distilling at the label's logit over that of cross
 * entropy alone; median and quantiles. In a run: by epoch, over the validation rows.
 */
export interface Reweighting {
  /**
   * Weight λ of the teacher's part beside 1 − λ of cross entropy, 0 to 1. Default 0.5.
   */
  weight?: number
  /**
   * Divides the logits of both in the teacher's part, above 0. Default 1.
   */
  temperature?: number
}
export interface CheckpointOptions {
  /**
   * The run folder; made if it is not there.
   */
  folder: string
  /**
   * Optimizer steps between two checkpoints; at least 1. Default: one after each epoch, and one at the end.
   */
  every?: number
  /**
   * How many are kept; at least 1. Default: 3.
   */
  keep?: number
  /**
   * Whether to go on from the newest checkpoint in the folder, if there is one. Default: false.
   */
  resume?: boolean
}
/**
 * Options of `train` and `distill` besides models and data.
 */
export interface TrainOptions {
  /**
   * What is minimised: the sum over the losses of weight · value. At least one weight above 0. Or the name of a preset,
   * a mixture as its authors released it.
   */
  losses: LossesOrPreset
  /**
   * Makes the student's parameters from the teacher's and trains what makes them (phase 1 of Weight Distillation); in
   * the end the student has them as plain numbers. `freeze`, `average` and `optimizer` then mean the generator's own
   * parameters, `layers.0.weight.wOut` and others. Default: the student's parameters are trained themselves.
   */
  generator?: GeneratorOptions
  /**
   * How parameters are changed. Default: adamW with its defaults.
   */
  optimizer?: OptimizerOptions
  /**
   * Multiplies the optimizer's learning rate. Default: constant.
   */
  schedule?: Schedule
  /**
   * Rows of one batch; 1…2³¹. Default: 64.
   */
  batchSize?: number
  /**
   * Batches whose gradients make one optimizer step; 1…2²⁰. Row losses without batch norm give what one big
   * batch gives. Default: 1.
   */
  accumulate?: number
  /**
   * Passes over the data; 1…2³¹. Default: 1 where `steps` is not given.
   */
  epochs?: number
  /**
   * Optimizer steps, instead of epochs.
   */
  steps?: number
  /**
   * Everything random follows from it: an integer of 0…2⁵³ − 1. Default: 0.
   */
  seed?: number
  /**
   * Whether rows come in a new order each epoch. Default: true.
   */
  shuffle?: boolean
  /**
   * Whether the last batch of an epoch is left out when it is smaller. Default: false.
   */
  dropLast?: boolean
  /**
   * Random changes of the inputs, keyed by sample and epoch.
   */
  augment?: Augment
  /**
   * Gradients are scaled down to this global norm where it is larger; above 0. Default: they are not.
   */
  clipNorm?: number
  /**
   * A running average of the parameters (EMA), which validation uses and the run keeps.
   */
  average?: AverageOptions
  /**
   * Parameters that stay as they are: names, layer names, or patterns with `*`.
   */
  freeze?: string[]
  /**
   * Optimizer steps between two validations. Default: one validation after each epoch.
   */
  validateEvery?: number
  /**
   * Stops when validation no longer improves.
   */
  earlyStop?: EarlyStopOptions
  /**
   * Which parameters the student has in the end: those of the last step, or of the best validation. Default: `last`.
   */
  keep?: Keep
  /**
   * Metrics of the validation in addition to accuracy, loss and agreement: `{ calibrationError: { bins: 15 } }`.
   */
  metrics?: Metrics
  /**
   * The metric that `keep: 'best'` and `earlyStop` compare validations by; its options are those under `metrics`.
   * Default: accuracy for one label per row, `loss` for other labels; without labels the agreement with the teacher,
   * or the distance to its outputs where no loss treats them as classes.
   */
  metric?: MetricChoice
  /**
   * Optimizer steps between two reports; at least 1. Between them nothing in JavaScript runs. Default: 50.
   */
  reportEvery?: number
  /**
   * Trains the same student from the same start with the same batches a second time, without a teacher, and reports
   * both. Where some rows of a data set have no label, it has batches of its own: as large, and every row has a label.
   * Doubles the student's cost. Default: false.
   */
  control?: boolean
  /**
   * How several teachers are combined. Default: `losses`.
   */
  combine?: Combine
  /**
   * Permutes the teacher's logits of the wrong classes, anew for every row in each epoch (DKPP): its confidence stays,
   * its class relations go. Default: false.
   */
  permuteTeacher?: boolean
  /**
   * Multiplies each row's weight by the teacher's largest probability (CWTM): rows count as much as the teacher is
   * confident. Default: false.
   */
  weightRowsByTeacher?: boolean
  /**
   * Whether the teacher is asked once about each row, before the first step, where nothing is augmented and rows come
   * more than once. Otherwise it is asked at every step. Default: true.
   */
  cacheTeacher?: boolean
  /**
   * What happens when a proof finds that the run is not what it looks like (docs/proofs.md lists the proofs): `warn`
   * puts it in the report and prints a warning, `strict` ends the run with `ERR_LIMBECK_PROOF_FAILED`, `off` runs no
   * proof. Default: `warn`.
   */
  proofs?: Proofs
  /**
   * Writes the whole state of the run to a folder, so that it can be resumed to the same bits.
   */
  checkpoint?: CheckpointOptions
  /**
   * Threads of the arithmetic; 1…1024. Default: one less than this process may use. Any number gives the same
   * bits.
   */
  threads?: number
  /**
   * How far the run's threads stand back behind the event loop, the threads of `fs` and `dns`, and other processes:
   * added to the niceness of this process; 0…19, on Linux alone. Costs nothing while a core is free; beside a busy
   * process on the same core a run gets a tenth at 10 and half at 0. The command line, which has no event loop to
   * spare, begins at 0. Any number gives the same bits. Default: 10.
   */
  niceness?: number
  /**
   * The run is refused where it would need more native memory than this; bytes. Default: no limit.
   */
  maxMemoryBytes?: number
  /**
   * Where the arithmetic runs. Default: `auto`.
   */
  backend?: Backend
}
/**
 * Multilayer perceptron. Its layers are `layers.0`, `layers.1`, … and `head`.
 */
export interface Mlp {
  /**
   * Inputs, hidden widths, outputs: `[784, 32, 10]`. At least two, each above 0.
   */
  sizes: number[]
  /**
   * Between the layers.
   */
  activation?: Activation
  /**
   * Dropout after each hidden layer; 0 ≤ rate < 1.
   */
  dropout?: number
}
/**
 * Small convolutional network. Per channel count a block `blocks.0`, `blocks.1`, … of 3×3 convolution (with bias),
 * batch norm, relu and max pooling by 2; then the linear layer `head`. With channels `[4, 8]` on 28 × 28 it has
 * 4,290 weights.
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
   * Channels of each block; at least one block.
   */
  channels: number[]
  /**
   * Count of outputs.
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
   * Count of outputs; at least 1.
   */
  outputs: number
  /**
   * Whether a bias is added.
   */
  bias?: boolean
  /**
   * Applied to the result.
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
   * Any finite number.
   */
  value: number
}
export interface UniformInit {
  /**
   * A finite number of 0 or more.
   */
  bound: number
}
export interface NormalInit {
  /**
   * Standard deviation; a finite number of 0 or more.
   */
  std: number
}
export interface XavierInit {
  /**
   * A finite number of 0 or more.
   */
  gain?: number
}
export interface KaimingInit {
  /**
   * A finite number of 0 or more. Default √2, for layers that relu follows.
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
   * Count of output channels; at least 1.
   */
  channels: number
  /**
   * Kernel size; at least 1.
   */
  kernel: number
  /**
   * Step between two positions; at least 1.
   */
  stride?: number
  /**
   * Zeros added on each side.
   */
  padding?: number
  /**
   * Distance between two kernel elements; at least 1.
   */
  dilation?: number
  /**
   * Input and output channels are split into this many groups, each convolved separately.
   */
  groups?: number
  /**
   * Whether a bias is added.
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
   * Count of output channels; at least 1.
   */
  channels: number
  /**
   * Kernel size, one number or `[height, width]`; at least 1.
   */
  kernel: Pair
  /**
   * Step between two positions; at least 1.
   */
  stride?: Pair
  /**
   * Zeros added on each side.
   */
  padding?: Pair
  /**
   * Distance between two kernel elements; at least 1.
   */
  dilation?: Pair
  /**
   * Input and output channels are split into this many groups, each convolved separately.
   */
  groups?: number
  /**
   * Whether a bias is added.
   */
  bias?: boolean
  /**
   * Start values of the layer's tensors. Default: uniform in ±1/√fan_in, for weight and bias alike.
   */
  init?: LayerInit
}
/**
 * Batch normalization over the first axis (features or channels), with scale and shift. Training uses the statistics
 * of the batch and follows them in `running_mean` and `running_var`; evaluation uses those.
 */
export interface BatchNorm {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
  /**
   * Added to the variance under the root; above 0.
   */
  epsilon?: number
  /**
   * Share of the new statistics in the running ones; 0…1.
   */
  momentum?: number
  /**
   * Applied to the result; relu costs nothing more.
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
   * Added under the root; above 0.
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
   * Added under the root; above 0.
   */
  epsilon?: number
  /**
   * Start values of the layer's tensors. Default: weights of 1.
   */
  init?: LayerInit
}
/**
 * A trained vector per id. Rows of equal length `[length]` become `[length, width]`, one vector per id. Rows of
 * different length, and all rows where `pooling` is given, become `[width]`: the vectors of a row are pooled into one
 * (a bag of embeddings). A row without ids becomes zeros.
 */
export interface Embedding {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
  /**
   * Count of different ids; ids are 0…vocabulary − 1.
   */
  vocabulary: number
  /**
   * Count of numbers per vector; at least 1.
   */
  width: number
  /**
   * How the vectors of a row become one. Default: 'mean' where rows differ in length, no pooling otherwise.
   */
  pooling?: Pooling
  /**
   * Start values of the vectors. Default: uniform in ±1/width where they are pooled, normal with a standard deviation
   * of 1 otherwise.
   */
  init?: LayerInit
}
/**
 * A function of every element, as a layer of its own; `linear` has it built in.
 */
export interface Activation2 {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
  /**
   * Which one.
   */
  function: Activation
}
/**
 * While training each element is 0 with probability `rate`, the others are divided by 1 − rate. The mask depends on
 * seed, epoch, layer name and sample id alone: splitting a batch changes nothing.
 */
export interface Dropout {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
  /**
   * Probability of 0; 0 ≤ rate < 1.
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
   * Window size, one number or `[height, width]`; at least 1.
   */
  kernel: Pair
  /**
   * Step between two windows. Default: the window size.
   */
  stride?: Pair
  /**
   * Added on each side; at most half of the window.
   */
  padding?: Pair
}
/**
 * The mean of each window, padding counted as zeros.
 */
export interface AvgPool {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
  /**
   * Window size, one number or `[height, width]`; at least 1.
   */
  kernel: Pair
  /**
   * Step between two windows. Default: the window size.
   */
  stride?: Pair
  /**
   * Added on each side; at most half of the window.
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
 * All axes of a sample become one, the last running fastest.
 */
export interface Flatten {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
}
/**
 * The same numbers of a sample under other sizes, order unchanged.
 */
export interface Reshape {
  /**
   * Name of the layer. Default: its position in the list.
   */
  name?: string
  /**
   * New sizes of one sample, without the batch axis; their product is unchanged.
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
 * A part of one axis of a sample: elements `start` to `end − 1`.
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
   * First element.
   */
  start: number
  /**
   * One after the last element; above `start`.
   */
  end: number
}
/**
 * A block: `activation(layers(x) + shortcut(x))`. Without a shortcut the input itself is added.
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
   * Layers applied to the input before it is added, needed where shapes differ. Default: none.
   */
  shortcut?: LayerOptions[]
  /**
   * Applied to the sum.
   */
  activation?: Activation
}
/**
 * Branches that all get the same input; their outputs are joined. An empty branch returns its input.
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
   * How they are joined.
   */
  join?: Join
  /**
   * Axis of `concat`, counted from 0 without the batch axis.
   */
  axis?: number
}
/**
 * `{ ids: {} }`: ids, of different count in each row; `{ ids: { length: 128 } }`: always 128.
 */
export interface IdsInput {
  ids: IdsLength
}
export interface IdsLength {
  /**
   * Count of ids in every row. Default: rows differ.
   */
  length?: number
}
/**
 * How to make a model: a preset, or `layers` with `input`. Exactly one of them.
 */
export interface ModelOptions {
  /**
   * Fully connected layers with an activation between them.
   */
  mlp?: Mlp
  /**
   * Blocks of convolution, batch norm, relu, max pooling; then a linear layer.
   */
  convNet?: ConvNet
  /**
   * The layers, from the input to the logits.
   */
  layers?: LayerOptions[]
  /**
   * What one sample is; needed with `layers`.
   */
  input?: Input
}
/**
 * Mean and standard deviation by channel (the first axis of a row), or one of each for all.
 */
export interface Normalization {
  /**
   * Subtracted; one number a channel, or one for all.
   */
  mean: number[]
  /**
   * Divides; above 0, as many as means.
   */
  std: number[]
}
/**
 * What learners that teach each other have in common.
 */
export interface MutualOptions {
  /**
   * When the learners' parameters change.
   */
  updates?: Updates
  /**
   * How much a frozen teacher counts, where all peers together count 1; 0 or more.
   */
  teacherWeight?: number
}
/**
 * A teacher that is the running average of the student's own parameters (mean teacher).
 */
export interface OwnAverage {
  /**
   * Share of the old average that is kept at each step; 0 ≤ decay < 1.
   */
  decay?: number
}
/**
 * A teacher that knows the labels alone: 1 − share on the label, and share spread over all classes.
 */
export interface SmoothedLabels {
  /**
   * What is spread over all classes; 0 ≤ share < 1.
   */
  share?: number
}
/**
 * One teacher as it crosses from JavaScript: exactly one of its kinds, and a weight.
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
   * Weight λ of the teacher's part beside 1 − λ of cross entropy, 0 to 1. Default 0.5.
   */
  weight?: number
  /**
   * Divides the logits of both in the teacher's part, above 0. Default 1.
   */
  temperature?: number
  /**
   * Into how many parts rows are cut by the teacher's confidence, 1 or more. Default 5.
   */
  groups?: number
  /**
   * Whether every row's number stands in the report. Default false.
   */
  eachRow?: boolean
}
/**
 * Options of the equivalent smoothing γ.
 */
export interface EquivalentSmoothingDiagnostic {
  /**
   * Divides the logits, above 0. Default 1.
   */
  temperature?: number
}
/**
 * Options of the entropy of answers.
 */
export interface EntropyDiagnostic {
  /**
   * Divides the logits, above 0. Default 1.
   */
  temperature?: number
}
/**
 * Options of the class correlations.
 */
export interface ClassCorrelationDiagnostic {
  /**
   * Divides the logits, above 0: relations show at a high one. Default 1.
   */
  temperature?: number
  /**
   * The group of each class, such as its super-class. Default: the tree of classes cut into `blocks`.
   */
  groups?: number[]
  /**
   * Into how many parts the tree is cut, 1 to the classes; not beside `groups`. Default: the root of their number.
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
 * Options of the geometry: none.
 */
export interface GeometryDiagnostic {}
/**
 * Options of the calibration.
 */
export interface CalibrationDiagnostic {
  /**
   * Bins of equal width between 0 and 1, 1 or more. Default 15.
   */
  bins?: number
}
/**
 * Options of the gain: none.
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
   * How rows are changed. Default: images are shifted by up to 2 pixels.
   */
  augment?: Augment
  /**
   * Changed copies of each row, 2 or more. Default 8.
   */
  copies?: number
  /**
   * Rows that are looked at, evenly spaced in the data, 2 or more: the effort grows with their square. Default 500.
   */
  rows?: number
  /**
   * Decides the changes. Default 0.
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
   * The label smoothing that a model's answers are worth (γ).
   */
  equivalentSmoothing?: EquivalentSmoothingDiagnostic
  /**
   * How uncertain a model's answers are.
   */
  entropy?: EntropyDiagnostic
  /**
   * Which classes a model finds alike.
   */
  classCorrelation?: ClassCorrelationDiagnostic
  /**
   * Penultimate activations on the plane of three class templates.
   */
  projection?: ProjectionDiagnostic
  /**
   * Whether nearness to class templates follows the teacher's order of wrong classes.
   */
  geometry?: GeometryDiagnostic
  /**
   * Confidence against accuracy, before and after temperature scaling.
   */
  calibration?: CalibrationDiagnostic
  /**
   * The distilled student against the one that learnt alone, class by class.
   */
  gain?: GainDiagnostic
  /**
   * What a difference of two logits tells of the row, under random changes of it.
   */
  mutualInformation?: MutualInformationDiagnostic
}
export interface ReweightingReport {
  /**
   * w_t over all rows; rows whose student is so sure that cross entropy has no gradient are skipped.
   */
  weights: Spread
  /**
   * The share of the rows with w_t below 0: the teacher holds them back.
   */
  negative: number
  /**
   * From the least confident rows to the most.
   */
  byConfidence: ConfidenceGroup[]
  /**
   * w_t of every row, in the order of the data; null where it was skipped.
   */
  eachRow?: number[]
}
/**
 * Mean, extremes and quantiles of numbers, one a row.
 */
export interface Spread {
  /**
   * How many numbers there were. Without any the others are 0.
   */
  rows: number
  /**
   * Rows that have no such number and were left out.
   */
  skipped: number
  mean: number
  lowest: number
  /**
   * A twentieth of the numbers is below.
   */
  q5: number
  /**
   * A quarter of the numbers is below.
   */
  q25: number
  median: number
  /**
   * A quarter of the numbers is above.
   */
  q75: number
  /**
   * A twentieth of the numbers is above.
   */
  q95: number
  highest: number
}
export interface ConfidenceGroup {
  /**
   * The teacher's least confidence in the label.
   */
  from: number
  /**
   * Its largest.
   */
  to: number
  weights: Spread
}
/**
 * The same for each model that was given.
 */
export interface SidesOfEquivalentSmoothingReport {
  teacher?: EquivalentSmoothingReport
  student?: EquivalentSmoothingReport
  /**
   * The student that learnt alone.
   */
  control?: EquivalentSmoothingReport
}
export interface EquivalentSmoothingReport {
  /**
   * The label smoothing that the answers are worth.
   */
  gamma: number
  /**
   * Mean probability of the label at this temperature: 1 − γ (K − 1) / K.
   */
  confidence: number
}
/**
 * The same for each model that was given.
 */
export interface SidesOfEntropyReport {
  teacher?: EntropyReport
  student?: EntropyReport
  /**
   * The student that learnt alone.
   */
  control?: EntropyReport
}
export interface EntropyReport {
  /**
   * In nats, one number a row.
   */
  nats: Spread
  /**
   * The mean as a share of ln K, the entropy of knowing nothing.
   */
  share: number
}
/**
 * The same for each model that was given.
 */
export interface SidesOfClassCorrelationReport {
  teacher?: ClassCorrelationReport
  student?: ClassCorrelationReport
  /**
   * The student that learnt alone.
   */
  control?: ClassCorrelationReport
}
export interface ClassCorrelationReport {
  /**
   * `[classes][classes]`, in the order of the labels.
   */
  matrix: number[][]
  /**
   * The classes with those that are alike side by side.
   */
  order: number[]
  /**
   * The block of each class, in the order of the labels.
   */
  groups: number[]
  /**
   * Mean correlation of two classes of one block; 0 where every block has one class.
   */
  within: number
  /**
   * Mean correlation of two classes of different blocks; 0 where there is one block.
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
 * The same for each model that was given.
 */
export interface SidesOfProjectionReport {
  teacher?: ProjectionReport
  student?: ProjectionReport
  /**
   * The student that learnt alone.
   */
  control?: ProjectionReport
}
export interface ProjectionReport {
  /**
   * Where the templates of the three classes lie, in the order of `classes`: the first at `[0, 0]`.
   *
   * @minItems 3
   * @maxItems 3
   */
  templates: [[number, number], [number, number], [number, number]]
  /**
   * Mean and spread of each class's points, in the order of `classes`.
   */
  clusters: ProjectedCluster[]
  /**
   * Every row of the three classes.
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
   * Place of the row in the data.
   */
  row: number
  label: number
  x: number
  y: number
}
export interface GeometryReport {
  /**
   * The share of ordered pairs of wrong classes where distance and probability agree, 0 to 1; by chance 0.5.
   */
  share: number
  /**
   * How many pairs that is, all rows together.
   */
  pairs: number
  /**
   * Least and largest length of a class template: the proposition takes them for equal.
   *
   * @minItems 2
   * @maxItems 2
   */
  templateLengths: [number, number]
}
/**
 * The same for each model that was given.
 */
export interface SidesOfCalibrationReport {
  teacher?: CalibrationReport
  student?: CalibrationReport
  /**
   * The student that learnt alone.
   */
  control?: CalibrationReport
}
export interface CalibrationReport {
  /**
   * The model as it is.
   */
  before: CalibrationAt
  /**
   * The model with its logits divided by the temperature that was fitted on the validation rows; left out where there
   * are none.
   */
  after?: CalibrationAt
}
export interface CalibrationAt {
  /**
   * Divides the logits.
   */
  temperature: number
  /**
   * Expected calibration error, 0 to 1.
   */
  error: number
  /**
   * Mean negative log-likelihood of the labels, in nats.
   */
  loss: number
  /**
   * From the lowest confidence to the highest.
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
   * Share of the rows that are predicted right; 0 in an empty bin.
   */
  accuracy: number
}
export interface GainReport {
  /**
   * All rows together.
   */
  all: GainOf
  /**
   * Chance of a difference as large as that between `mended` and `spoilt` rows, were both students equally good.
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
   * Accuracy of the student that learnt alone.
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
   * Accuracy of the teacher, where there is one.
   */
  teacher?: number
  /**
   * Rows that only the distilled student predicts right.
   */
  mended: number
  /**
   * Rows that only the student alone predicts right.
   */
  spoilt: number
}
export interface ClassGain {
  label: number
  /**
   * Its name, where the data or the student know names.
   */
  name?: string
  rows: number
  /**
   * Accuracy of the student that learnt alone.
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
   * Accuracy of the teacher, where there is one.
   */
  teacher?: number
  /**
   * Rows that only the distilled student predicts right.
   */
  mended: number
  /**
   * Rows that only the student alone predicts right.
   */
  spoilt: number
}
/**
 * The same for each model that was given.
 */
export interface SidesOfMutualInformationReport {
  teacher?: MutualInformationReport
  student?: MutualInformationReport
  /**
   * The student that learnt alone.
   */
  control?: MutualInformationReport
}
export interface MutualInformationReport {
  /**
   * The estimate I^, in nats.
   */
  nats: number
  /**
   * ln N, the most that there can be.
   */
  most: number
  /**
   * N, the rows that were looked at.
   */
  rows: number
}
/**
 * What the diagnostics say, each under its name.
 */
export interface Analysis {
  /**
   * Rows that were looked at; those of weight 0 are left out.
   */
  rows: number
  /**
   * How strongly the teacher re-weights each row (w_t).
   */
  reweighting?: ReweightingReport
  /**
   * The label smoothing that a model's answers are worth (γ).
   */
  equivalentSmoothing?: SidesOfEquivalentSmoothingReport
  /**
   * How uncertain a model's answers are.
   */
  entropy?: SidesOfEntropyReport
  /**
   * Which classes a model finds alike.
   */
  classCorrelation?: SidesOfClassCorrelationReport
  /**
   * Penultimate activations on the plane of three class templates.
   */
  projection?: SidesOfProjectionReport
  /**
   * Whether nearness to class templates follows the teacher's order of wrong classes.
   */
  geometry?: GeometryReport
  /**
   * Confidence against accuracy, before and after temperature scaling.
   */
  calibration?: SidesOfCalibrationReport
  /**
   * The distilled student against the one that learnt alone, class by class.
   */
  gain?: GainReport
  /**
   * What a difference of two logits tells of the row, under random changes of it.
   */
  mutualInformation?: SidesOfMutualInformationReport
  /**
   * Where all were asked for: those that these models and data cannot give, and why.
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
