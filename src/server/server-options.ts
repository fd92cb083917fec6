import { flag, integer, optional, positive, real, text, texts, type ValuesOf } from '../options.ts';

/** The options of a server, for the command line and for programs. */
export const serverOptions = {
  host: text({
    default: '127.0.0.1',
    value: '<address>',
    help: 'The address to listen on. If other machines can reach it, a token is needed.',
  }),
  port: integer({ default: 8080, max: 65_535, help: 'The port; 0 takes any free one.' }),
  token: optional(
    text({
      help: 'The bearer token that clients must send. The variable TIP_ADAPTER_TOKEN does not show it in lists of processes.',
    }),
  ),
  allowHost: texts({
    default: [],
    value: '<name>',
    help: 'A host name under which clients reach the server. Give several to allow several.',
  }),
  cors: texts({
    default: [],
    value: '<origin>',
    help: 'An origin whose pages may send requests, or * for all. Give several to allow several.',
  }),
  readOnly: flag({ help: 'Refuse to add or remove examples and classes.' }),
  queue: integer({
    default: 64,
    min: 1,
    help: 'Largest number of waiting pictures. Further ones are refused at once.',
  }),
  deadline: positive({
    default: 10,
    value: '<seconds>',
    help: 'Time within which a request is answered; a client may ask for less.',
  }),
  changeDeadline: positive({
    default: 300,
    value: '<seconds>',
    help: 'Time within which a change is made; the method may have to be fitted again.',
  }),
  maxBody: positive({ default: 32, value: '<MiB>', help: 'Largest body of a request.' }),
  maxPictures: integer({ default: 64, min: 1, help: 'Largest number of pictures in a request.' }),
  maxMegapixels: positive({ default: 50, value: '<n>', help: 'Largest picture, in megapixels.' }),
  samples: optional(
    text({
      value: '<folder>',
      help: 'Save a random share of the pictures with their answers in this folder, for later labelling.',
    }),
  ),
  sampleShare: real({ default: 0.01, min: 0, max: 1, help: 'Share of the pictures to save.' }),
  sampleSize: positive({
    default: 1024,
    value: '<MiB>',
    help: 'Largest size of the folder of saved pictures.',
  }),
} as const;

/** The checked values of `serverOptions`. */
export type ServerValues = ValuesOf<typeof serverOptions>;
