// node predict.js pets.safetensors photo.jpg …
import { load } from 'tip-adapter';

const [file, ...pictures] = process.argv.slice(2);
const classifier = await load(file);
const { predictions, failures } = await classifier.predict(pictures);
for (const { image, name, probability, rejected } of predictions)
  console.log(`${image}: ${rejected ? 'none of these' : name} (${(100 * probability).toFixed(1)}%)`);
for (const { image, error } of failures) console.error(`${image}: ${error.message}`);
await classifier.close();
