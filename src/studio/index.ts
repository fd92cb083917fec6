export { exportStudio, isUrl, type StudioExportOptions } from './export-studio.ts';
export { type Studio, type StudioOptions, startStudio } from './start.ts';
