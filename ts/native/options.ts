export interface TrainOptions { losses: Record<string, unknown>; [key: string]: unknown }
export interface ModelOptions { [key: string]: unknown }
export const trainOptionKeys: readonly string[] = []
