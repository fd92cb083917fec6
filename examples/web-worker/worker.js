import { open } from 'tip-adapter/web';

const pets = open(new URL('/models/pets/', location.origin));

self.onmessage = async ({ data: files }) => {
  const { predictions, failures } = await (await pets).predict(files);
  for (const { image, name, probability } of predictions)
    postMessage(`${image}: ${name} ${(100 * probability).toFixed(0)}%`);
  for (const { image, error } of failures) postMessage(`${image}: ${error.message}`);
};
