export { Dataset, type Normalization, type SplitOptions } from './dataset.js'
export type { Columns } from './columns.js'
export type { TeacherLogits, TeacherTopK } from './teacher-columns.js'
export type { InputColumns, Inputs, NamedNumbers, Numbers, RaggedIds } from './inputs.js'
export type { ByteReading, ColumnOptions } from './meaning.js'
export { Tokenizer, type TrainTokenizerOptions } from './tokenizer.js'
export type { EncodedTexts } from './texts.js'
export { Model } from './model/model.js'
export type { CreateOptions, GeneratorPlan, GeneratorPlanRow, LayerSummary, ModelSummary, Parameter } from './model/types.js'
export type { Prediction } from './prediction.js'
export type { SecondModel, DrainOptions, FallbackOptions, PredictOptions, ServeOptions, ShadowOptions } from './serve/options.js'
export { Service } from './serve/service.js'
export type { ServedPrediction } from './serve/call.js'
export type { Quantiles } from './serve/quantiles.js'
export type { ServiceStats } from './serve/stats.js'
export { train, type TrainOptions } from './train.js'
export { distill, type DistillOptions } from './distill.js'
export { distillChain, type ChainOptions, type ChainOutcome, type HopLabel } from './regimes/distill-chain.js'
export {
  assistantPaths,
  nearestAssistant,
  searchPaths,
  type PathLabel,
  type PathOptions,
  type PathOutcome,
} from './regimes/assistants.js'
export {
  bornAgain,
  BornAgain,
  type BornAgainOptions,
  type BornAgainOutcome,
  type BornAgainVariant,
  type GenerationLabel,
} from './regimes/born-again.js'
export { distillWeights, type PhaseLabel, type WeightsOptions, type WeightsOutcome } from './regimes/distill-weights.js'
export {
  distillMutually,
  type LearnerOptions,
  type MutualReport,
  type MutualRunOptions,
} from './regimes/distill-mutually.js'
export type { RegimeOptions, StageOptions } from './regimes/options.js'
export { Sequence, type RegimeReport, type StageOutcome } from './regimes/sequence.js'
export { Ensemble } from './ensemble.js'
export { Run } from './run/run.js'
export type { Recipe, RunOptions } from './run/options.js'
export type { AnyTeacher, OneTeacher, WeightedTeacher } from './teachers.js'
export { Teacher, type Answer, type TeacherBatch, type TeacherOptions } from './teacher.js'
export { BatchStream, type Batches, type BatchSource } from './stream.js'
export { analyse, type AnalyseOptions, type AnalysisOf } from './analysis.js'
export type { Best, Evaluation, Finding, Measure, Origin, RunSummary, StepReport, LearnerReport, LearnerSummary } from './report.js'
export { doctor, memory, trimMemory, type Memory } from './doctor.js'
export { LimbeckError, errorCodes, type ErrorCode } from './errors.js'
export { readCsv, streamCsv, type CsvKind, type CsvOptions } from './readers/csv.js'
export { readIdx, type IdxArray } from './readers/idx.js'
export { readJsonLines, streamJsonLines, type JsonKind, type JsonLinesOptions } from './readers/json-lines.js'
export type { Source } from './readers/source.js'
export type * from './native/options.js'
