export type { Pushed } from '../store/hub-push.ts';
export { modelCard } from './card.ts';
export { ONNX_INPUTS, type OnnxInput } from './inputs.ts';
export type { PictureInput } from './join.ts';
export {
  exportOnnx,
  type OnnxOptions,
  type QuantiseOptions,
} from './onnx-export.ts';
export type { OnnxExport, OnnxPort } from './onnx-trial.ts';
export { type PushClassifierOptions, type PushedClassifier, pushClassifier } from './push.ts';
export { lossInWords, type MeasuredLoss, type QuantisationLoss } from './quantised-tower.ts';
export { exportSite, exportSiteZip, type SiteExport } from './site.ts';
export type { SiteFile } from './site-folder.ts';
export { exportWeb, type WebExport, type WebOptions } from './web-page.ts';
