// npm run esbuild (or webpack); tip-adapter export pets.safetensors --to site -o dist/models/pets; npx serve dist
import { open } from 'tip-adapter/web';

const answer = document.getElementById('answer');
const pets = open('models/pets/');

document.getElementById('file').onchange = async ({ target }) => {
  try {
    const { name, probability } = await (await pets).predict(target.files[0]);
    answer.textContent = `${name} ${probability.toFixed(6)}`;
  } catch (error) {
    answer.textContent = error.message;
  }
};
