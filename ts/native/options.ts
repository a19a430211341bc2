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
/**
 * What becomes of the probability outside the k classes.
 */
export type Missing = 'renormalize' | 'zero' | 'uniform' | 'bucket'
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
export type MetricChoice = 'accuracy' | 'loss' | 'agreement'
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
  | 'teacherFrozen'
  | 'reload'
  | 'checkpointWhole'

/**
 * The data's own column of teacher logits.
 */
export type Column = boolean

/**
 * What the student learns from: one key a loss. The total is the sum of weight × loss.
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
 * Cross-entropy between each row's label and the student.
 */
export interface CrossEntropy {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * Share of the label that is spread over all classes; at least 0, below 1. Default 0.
   */
  labelSmoothing?: number
  /**
   * What each row is multiplied by, by its label: one number of 0 or more a class. Default: all 1.
   */
  labelWeights?: number[]
}
/**
 * Forward Kullback–Leibler divergence KL(teacher ‖ student) between softened logits, times temperature².
 */
export interface Kl {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * What both sides' logits are divided by before the softmax; above 0. Default 1.
   */
  temperature?: Scheduled
  /**
   * Compares the z-scores of each row instead of its logits. Default false.
   */
  standardize?: boolean
}
/**
 * Reverse Kullback–Leibler divergence KL(student ‖ teacher) between softened logits, times temperature².
 */
export interface ReverseKl {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * What both sides' logits are divided by before the softmax; above 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Jensen–Shannon divergence between softened logits, times temperature²; between `kl` and `reverseKl`.
 */
export interface Jsd {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * The teacher's share of the mixture that both sides are compared with, from 0 (`kl`) to 1 (`reverseKl`).
   * Default 0.5.
   */
  beta?: number
  /**
   * What both sides' logits are divided by before the softmax; above 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Total variation distance between softened logits, from 0 to 1; without temperature².
 */
export interface Tvd {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * What both sides' logits are divided by before the softmax; above 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Divergence KL(teacher ‖ mixture) between softened logits, times temperature²; the mixture holds some of the teacher, which bounds it.
 */
export interface SkewKl {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * The teacher's share of the mixture; at least 0 (`kl`), below 1. Default 0.1.
   */
  alpha?: number
  /**
   * What both sides' logits are divided by before the softmax; above 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Divergence KL(student ‖ mixture) between softened logits, times temperature²; the mixture holds some of the student, which bounds it.
 */
export interface SkewReverseKl {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * The student's share of the mixture; at least 0 (`reverseKl`), below 1. Default 0.1.
   */
  alpha?: number
  /**
   * What both sides' logits are divided by before the softmax; above 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Decoupled distillation (DKD): confidence in the label and ranking of the other classes weighed apart, times
 * temperature².
 */
export interface Dkd {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * Weight of the part about the label; 0 or more. Default 1.
   */
  alpha?: number
  /**
   * Weight of the part about the other classes; 0 or more, and not 0 beside an alpha of 0. Default 8.
   */
  beta?: number
  /**
   * What both sides' logits are divided by before the softmax; above 0. Default 4.
   */
  temperature?: Scheduled
}
/**
 * Pearson correlation of softened distributions within rows and within classes (DIST), times temperature².
 */
export interface Dist {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * Weight of the correlation of each row over the classes; 0 or more. Default 1.
   */
  inter?: number
  /**
   * Weight of the correlation of each class over the rows of the batch; 0 or more, and not 0 beside an inter of 0.
   * Needs batches of two rows or more. Default 1.
   */
  intra?: number
  /**
   * What both sides' logits are divided by before the softmax; above 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Sum of absolute differences between sorted softened distributions (ULD); the teacher may have another number of
 * classes. Without temperature².
 */
export interface Uld {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * What both sides' logits are divided by before the softmax; above 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * The teacher's confidence in each row's label, without what it thinks of the other classes (KD-pt).
 */
export interface KdPt {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * What both sides' logits are divided by before the softmax; above 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * How alike the teacher's classes are to the label, by the weight of its last layer (KD-sim); without its answers.
 */
export interface KdSim {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * What the size of each cosine is raised to; above 0. Default 1.
   */
  power?: number
  /**
   * What the powers are divided by before the softmax: smaller is sharper; above 0. Default 1.
   */
  sharpness?: number
  /**
   * What the student's logits are divided by before the softmax; above 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * The teacher's confidence in the label mixed with how alike its classes are (KD-pt+sim), times temperature².
 */
export interface KdPtSim {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * The share of the confidence (`kdPt`), from 0 to 1; the rest is class relations (`kdSim`). Default 0.5.
   */
  mix?: number
  /**
   * What the size of each cosine is raised to; above 0. Default 1.
   */
  power?: number
  /**
   * What the powers are divided by before the softmax: smaller is sharper; above 0. Default 1.
   */
  sharpness?: number
  /**
   * What both sides' logits are divided by before the softmax; above 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * The k classes that the teacher holds most likely (KD-topk), times temperature².
 */
export interface KdTopk {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * How many classes of each row are kept; from 1 to the number of classes. Required.
   */
  k: number
  /**
   * What becomes of the probability outside the k classes. Default 'renormalize'.
   */
  missing?: Missing
  /**
   * Keeps the label's class in any case, in place of the least likely of the k; needs labels. Default false.
   */
  includeTarget?: boolean
  /**
   * What both sides' logits are divided by before the softmax; above 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Cross-entropy between several labels a row and the student, each class a coin of its own.
 */
export interface BinaryCrossEntropy {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
}
/**
 * Forward Kullback–Leibler divergence of several labels at once, each class a coin of its own, times temperature².
 */
export interface BinaryKl {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * What both sides' logits are divided by; above 0. Default 1.
   */
  temperature?: Scheduled
}
/**
 * Mean squared error between real numbers and the student's outputs.
 */
export interface Mse {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
}
/**
 * Mean squared error between the teacher's and the student's logits.
 */
export interface LogitMse {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
}
/**
 * The student's layers repeat the teacher's, number by number (FitNets).
 */
export interface Hint {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * Which layers are compared. Default: the embedding, what the last linear layer reads.
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
 * Triplet loss: the teacher's output is the anchor, the student's output for the same sample the positive, its output
 * for a sample of another class the negative (Oki et al. 2020). Samples of another class are drawn anew each epoch.
 */
export interface Triplet {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * How much farther the negative has to be than the positive; 0 or more. Default 5.
   */
  margin?: number
  /**
   * Which layers are compared. Default: the logits, as in the paper's code.
   */
  layers?: Layers
  /**
   * Trains a linear map from the student's width to the teacher's. Default: widths must be equal.
   */
  projection?: boolean
}
/**
 * Triplet loss within the batch: the teacher's output is the anchor, the student's for the same sample the positive,
 * the student's for samples of other classes the negatives.
 */
export interface TripletBatch {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * How much farther negatives have to be than the positive; 0 or more. Default 5.
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
   * Trains a linear map from the student's width to the teacher's. Default: widths must be equal.
   */
  projection?: boolean
}
/**
 * The student's vectors point where the teacher's point (DistilBERT): 1 − cosine.
 */
export interface Cosine {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * Which layers are compared. Default: the embedding, what the last linear layer reads.
   */
  layers?: Layers
  /**
   * Trains a linear map from the student's width to the teacher's. Default: widths must be equal.
   */
  projection?: boolean
}
/**
 * The student's hidden states follow the teacher's through the layers (patient distillation).
 */
export interface Patient {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
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
   * Trains a linear map from the student's width to the teacher's. Default: widths must be equal.
   */
  projection?: boolean
}
/**
 * The student looks where the teacher looks: squares of feature maps, averaged over the channels (attention transfer).
 */
export interface AttentionTransfer {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * Which feature maps are compared: layers whose output is `[channels, height, width]`. Losses of several are added.
   * Default: `'skip'`.
   */
  layers?: Layers
}
/**
 * The student's channels are active where the teacher's are, compared as sets (neuron selectivity transfer).
 */
export interface Nst {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * Which feature maps are compared: layers whose output is `[channels, height, width]`. Losses of several are added.
   * Default: `'skip'`.
   */
  layers?: Layers
}
/**
 * Samples that look alike to the teacher look alike to the student (similarity-preserving distillation).
 */
export interface Similarity {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * Which layers are compared. Default: the embedding, what the last linear layer reads.
   */
  layers?: Layers
}
/**
 * Samples are as far from one another in the student as in the teacher (relational distillation, distances). Distances are
 * measured by their mean, so a batch of two rows teaches nothing: set `dropLast` where the last batch may have one or two.
 */
export interface RkdDistance {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * Which layers are compared. Default: the embedding, what the last linear layer reads.
   */
  layers?: Layers
}
/**
 * Three samples make the same angle in the student as in the teacher (relational distillation, angles).
 */
export interface RkdAngle {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * Which layers are compared. Default: the embedding, what the last linear layer reads.
   */
  layers?: Layers
}
/**
 * Which samples are near a sample is equally probable in the student and in the teacher (probabilistic knowledge
 * transfer).
 */
export interface Pkt {
  /**
   * What the loss is multiplied by in the total; 0 or more. Default 1.
   */
  weight?: Scheduled
  /**
   * Added to lengths and probabilities; above 0. Default 1e-7.
   */
  eps?: number
  /**
   * Which layers are compared. Default: the embedding, what the last linear layer reads.
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
   * Step length; above 0. Default 0.01.
   */
  learningRate?: number
  /**
   * Share of the last step's direction that is kept; 0 ≤ momentum < 1. Default 0.
   */
  momentum?: number
  /**
   * Looks ahead along the momentum; needs momentum above 0. Default false.
   */
  nesterov?: boolean
  /**
   * Pull of the weights towards 0, added to the gradient; at least 0. Default 0.
   */
  weightDecay?: number
  /**
   * Lets biases and norms decay too. Default false.
   */
  decayAll?: boolean
}
export interface Adam {
  /**
   * Step length; above 0. Default 0.001.
   */
  learningRate?: number
  /**
   * Share of the mean of the gradients that is kept; 0 ≤ beta1 < 1. Default 0.9.
   */
  beta1?: number
  /**
   * Share of the mean of their squares that is kept; 0 ≤ beta2 < 1. Default 0.999.
   */
  beta2?: number
  /**
   * Keeps the division finite; above 0. Default 1e-8.
   */
  epsilon?: number
  /**
   * Pull of the weights towards 0, added to the gradient; at least 0. Default 0.
   */
  weightDecay?: number
  /**
   * Lets biases and norms decay too. Default false.
   */
  decayAll?: boolean
}
export interface AdamW {
  /**
   * Step length; above 0. Default 0.001.
   */
  learningRate?: number
  /**
   * Share of the mean of the gradients that is kept; 0 ≤ beta1 < 1. Default 0.9.
   */
  beta1?: number
  /**
   * Share of the mean of their squares that is kept; 0 ≤ beta2 < 1. Default 0.999.
   */
  beta2?: number
  /**
   * Keeps the division finite; above 0. Default 1e-8.
   */
  epsilon?: number
  /**
   * Share of the weights, times the learning rate, that each step takes away; at least 0. Default 0.01.
   */
  weightDecay?: number
  /**
   * Lets biases and norms decay too. Default false.
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
  equivalentSmoothing?: EquivalentSmoothing
  reweighting?: Reweighting
}
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
   * Rows of one batch; at least 1. Default: 64.
   */
  batchSize?: number
  /**
   * Batches whose gradients make one optimizer step; at least 1. Row losses without batch norm give what one big
   * batch gives. Default: 1.
   */
  accumulate?: number
  /**
   * Passes over the data. Default: 1 where `steps` is not given.
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
   * Metrics of the validation beside accuracy, loss and agreement: `{ calibrationError: { bins: 15 } }`.
   */
  metrics?: Metrics
  /**
   * What "best" means. Default: accuracy for one label a row, else the loss.
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
   * How several teachers are heard. Default: `losses`.
   */
  combine?: Combine
  /**
   * Shuffles what a teacher says of the wrong classes, for every row in each epoch anew (DKPP): how sure it is stays,
   * what it knows of classes goes. Default: false.
   */
  permuteTeacher?: boolean
  /**
   * Multiplies each row's weight by the largest of the teacher's probabilities (CWTM): rows count as much as the
   * teacher is sure of them. Default: false.
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
   * Name of the layer; its tensors are `<name>.weight` and `<name>.bias`. Default: its place in the list.
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
   * Name of the layer. Default: its place in the list.
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
   * Input and output channels are split into this many groups that do not see each other.
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
 * Two-dimensional convolution (cross-correlation, as everywhere) over `[channels, height, width]`.
 */
export interface Conv2D {
  /**
   * Name of the layer; its tensors are `<name>.weight` and `<name>.bias`. Default: its place in the list.
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
   * Input and output channels are split into this many groups that do not see each other.
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
   * Name of the layer. Default: its place in the list.
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
   * Name of the layer. Default: its place in the list.
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
   * Name of the layer. Default: its place in the list.
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
   * Name of the layer. Default: its place in the list.
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
   * Name of the layer. Default: its place in the list.
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
   * Name of the layer. Default: its place in the list.
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
   * Name of the layer. Default: its place in the list.
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
   * Name of the layer. Default: its place in the list.
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
   * Name of the layer. Default: its place in the list.
   */
  name?: string
}
/**
 * The mean over the first axis: `[length, width]` becomes `[width]`.
 */
export interface TokenMean {
  /**
   * Name of the layer. Default: its place in the list.
   */
  name?: string
}
/**
 * All axes of a sample become one, the last running fastest.
 */
export interface Flatten {
  /**
   * Name of the layer. Default: its place in the list.
   */
  name?: string
}
/**
 * The same numbers of a sample under other sizes, order unchanged.
 */
export interface Reshape {
  /**
   * Name of the layer. Default: its place in the list.
   */
  name?: string
  /**
   * New sizes of one sample, without the batch axis; their product is unchanged.
   */
  shape: number[]
}
/**
 * Two axes of a sample change places.
 */
export interface Transpose {
  /**
   * Name of the layer. Default: its place in the list.
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
   * Name of the layer. Default: its place in the list.
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
   * Name of the layer. Default: its place in the list.
   */
  name?: string
  /**
   * The layers of the block.
   */
  layers: LayerOptions[]
  /**
   * Layers on the way around it, where shapes differ. Default: none, the input is added as it is.
   */
  shortcut?: LayerOptions[]
  /**
   * Applied to the sum.
   */
  activation?: Activation
}
/**
 * Branches that all get the same input, joined at their end. An empty branch passes its input on.
 */
export interface Parallel {
  /**
   * Name of the layer. Default: its place in the list.
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
