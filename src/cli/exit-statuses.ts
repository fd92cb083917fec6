/** The exit statuses of the program with their meanings. */
export const EXIT_STATUSES: readonly (readonly [status: number, meaning: string])[] = [
  [0, 'done'],
  [1, 'unexpected error'],
  [2, 'wrong usage, such as an unknown option or a value out of range'],
  [
    3,
    'wrong data, such as a missing folder; or a part of the data could not be read, and the result covers only the rest',
  ],
  [4, 'a classifier file or an encoder is wrong or missing'],
  [130, 'interrupted; finished work is kept, and the same command continues from it'],
];
