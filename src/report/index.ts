export { renderReport } from './report.ts';
export { type Column, markdown, renderCsv, renderMarkdown, renderText, type Table } from './table.ts';
export type { Calibration, Curve, MethodScore, ReportData, ReportPrediction } from './types.ts';
