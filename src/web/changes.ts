/** The functions that change a classifier and write its file. They are loaded together: a classifier that was changed can also be saved without a network. */
export { addLabelled, labelledList } from '../classifier/add.ts';
export { classifierBytes } from '../classifier/file-bytes.ts';
export { refitMethod } from '../classifier/refit.ts';
export { removeParts } from '../classifier/remove.ts';
