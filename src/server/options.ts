import { flag, integer, optional, positive, text, texts, type ValuesOf } from '../options.ts';

/** What a server can be told, for the command line and for programs. */
export const serverOptions = {
  host: text({
    default: '127.0.0.1',
    value: '<address>',
    help: 'Address to listen on; others need a token.',
  }),
  port: integer({ default: 8080, max: 65_535, help: 'Port; 0 takes any free one.' }),
  token: optional(
    text({ help: 'Clients must send it as bearer; better given as TIP_ADAPTER_TOKEN, which no one sees.' }),
  ),
  allowHost: texts({
    default: [],
    value: '<name>',
    help: 'A further name that the server is asked by; may be repeated.',
  }),
  cors: texts({
    default: [],
    value: '<origin>',
    help: 'An origin whose pages may ask, or *; may be repeated.',
  }),
  readOnly: flag({ help: 'Refuse to add or remove examples and classes.' }),
  queue: integer({ default: 64, min: 1, help: 'Pictures that may wait; more are refused at once.' }),
  deadline: positive({
    default: 10,
    value: '<seconds>',
    help: 'Within this a request is answered; a client may ask for less.',
  }),
  changeDeadline: positive({
    default: 300,
    value: '<seconds>',
    help: 'The same for a change, which may have to fit the method again.',
  }),
  maxBody: positive({ default: 32, value: '<MiB>', help: 'Largest body of a request.' }),
  maxPictures: integer({ default: 64, min: 1, help: 'Most pictures in a request.' }),
  maxMegapixels: positive({ default: 50, value: '<n>', help: 'Largest picture.' }),
} as const;

export type ServerValues = ValuesOf<typeof serverOptions>;
