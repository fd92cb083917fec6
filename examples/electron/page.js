document.getElementById('file').onchange = async ({ target }) => {
  const { name, probability } = await window.pets.predict(await target.files[0].arrayBuffer());
  document.getElementById('answer').textContent = `${name} ${(100 * probability).toFixed(0)}%`;
};
