/** The work that changes a classifier, with the writing of its file. They are one part of the program, so that whoever could change it can also save it without a network. */
export { addLabelled, labelledList } from '../classifier/add.ts';
export { classifierBytes } from '../classifier/file-bytes.ts';
export { refitMethod } from '../classifier/refit.ts';
export { removeParts } from '../classifier/remove.ts';
