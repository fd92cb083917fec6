// tip-adapter export pets.safetensors --to site -o public/models/pets; npm run dev
const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
const answers = document.getElementById('answers');

document.getElementById('file').onchange = ({ target }) => worker.postMessage([...target.files]);
worker.onmessage = ({ data }) => {
  answers.append(Object.assign(document.createElement('li'), { textContent: data }));
};
