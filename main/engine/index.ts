/** The engine's face: `Model.open`, `model.createSession`, `session.generate`. */
export { deviceList } from './devices.ts'
export { gpuProblem, loadAddon, loadEngine } from './load.ts'
export { Model, type ModelOptions, type ModelParts } from './model.ts'
export { type GenerateEvent } from './reply.ts'
export { Session, type GenerateOptions } from './session.ts'
export type { Addon, DeviceInfo, TokenRecord } from './addon.ts'
