/** This package's version, as in package.json: a constant, because a page has no package.json to read. */
export const version = '0.2.0';
