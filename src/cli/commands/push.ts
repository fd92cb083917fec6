import { exampleCount } from '../../classifier/example-counts.ts';
import type { ClassifierData } from '../../classifier/types.ts';
import { flag, optional, text } from '../../options.ts';
import { leftOut } from '../../report/left-out.ts';
import { count } from '../../words.ts';
import { defineCommand, jsonOption } from '../command.ts';
import { evaluateOn, evaluationJson } from '../evaluate-on.ts';
import { bytes } from '../format.ts';
import { checkAllRead, PARTIAL_HINT } from '../images.ts';
import { withClassifier } from '../open-classifier.ts';
import { printJson } from '../print.ts';

export const pushCommand = defineCommand({
  args: ['<classifier>', '<repository>'],
  options: {
    public: flag({
      help: 'Let everyone read the repository if it is new. Without this option, a new repository is private.',
    }),
    data: optional(
      text({
        value: '<folder>',
        help: 'Labelled pictures to evaluate the classifier on, for the model card.',
      }),
    ),
    onnx: flag({ default: true, help: 'Add an ONNX model with the encoder.' }),
    site: flag({ help: 'Add a folder with the classifier and its encoder, which tip-adapter/web opens.' }),
    page: flag({ help: 'Add a page that classifies pictures without a network.' }),
    message: optional(text({ help: 'The title of the commit.' })),
    json: jsonOption,
  },
  computes: 'on-device',
  examples: [
    [
      'HF_TOKEN=hf_… tip-adapter push pets.safetensors me/pets',
      'Puts the classifier, an ONNX model and a model card on the Hugging Face hub, in a private repository.',
    ],
    [
      'tip-adapter push pets.safetensors me/pets --data test/ --public',
      'Gives the card the accuracy on these pictures. Everyone may read a new repository.',
    ],
  ],
  async check([_, repo]) {
    const { checkPush } = await import('../../store/hub-push.ts');
    checkPush(repo);
  },
  async run([path, repo], { data: source, json, ...options }, io) {
    const { pushClassifier } = await import('../../export/index.ts');
    const { signal } = io;
    const { pushed, evaluation } = await withClassifier(path, io, async (classifier) => {
      const evaluated = source === undefined ? undefined : await evaluateOn(classifier, source, io);
      io.note(contentText(classifier.data));
      const evaluation = evaluated?.evaluation;
      const evaluatedOn = evaluated?.dataset.name;
      const pushed = await pushClassifier(classifier, repo, { ...options, evaluation, evaluatedOn, signal });
      return { pushed, evaluation };
    });
    const { place, url, isNew, removed, files, withoutOnnx } = pushed;
    const size = files.reduce((sum, file) => sum + file.bytes, 0);
    const unread = evaluation?.failures.map(({ image }) => image) ?? [];
    if (withoutOnnx !== undefined) io.note(`There is no ONNX model: ${withoutOnnx}.`);
    if (removed.length > 0) io.note(`Removed from the earlier push: ${removed.join(', ')}`);
    if (isNew && !options.public)
      io.note('The new repository is private. Its settings on the hub can change that.');
    if (!isNew && options.public)
      io.note(`${repo} was there already; --public did not change who may read it.`);
    if (json) printJson(io, { ...pushed, ...(evaluation ? evaluationJson(evaluation) : { partial: false }) });
    else
      io.print([
        `${place}: ${count(files.length, 'file')}, ${bytes(size)}`,
        ...(evaluation ? leftOut(evaluation) : []),
        url,
      ]);
    checkAllRead(unread, {
      all: (evaluation?.total ?? 0) + unread.length,
      code: 'export/unreadable',
      hint: PARTIAL_HINT,
    });
  },
});

/** A sentence about the examples' names and pictures that the readers of a repository can see. */
function contentText(data: ClassifierData): string {
  const examples = count(exampleCount(data), 'example');
  if (data.examples.length === 0) return `The file has the sums of ${examples}, and no examples.`;
  const shown = data.examples.some(({ thumbnail }) => thumbnail) ? 'thumbnails, names' : 'names';
  return `The file has the ${shown} and features of ${examples}: everyone who may read the repository can see them.`;
}
