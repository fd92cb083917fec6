import type { Command } from '../command.ts';
import { addCommand, removeCommand } from './change.ts';
import { demoCommand } from './demo.ts';
import { doctorCommand } from './doctor.ts';
import { encoderCommands } from './encoders.ts';
import { evalCommand } from './eval.ts';
import { explainCommand } from './explain.ts';
import { fitCommand } from './fit.ts';
import { infoCommand } from './info.ts';
import { predictCommand } from './predict.ts';

/** Every command, in the order in which a person meets them. */
export const commands: readonly Command[] = [
  demoCommand,
  fitCommand,
  predictCommand,
  evalCommand,
  explainCommand,
  addCommand,
  removeCommand,
  infoCommand,
  ...encoderCommands,
  doctorCommand,
];
