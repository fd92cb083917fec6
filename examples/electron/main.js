// The main process is Node, so it uses the package as a script does. In a bundled app, keep tip-adapter outside of the asar archive
// (asarUnpack: ['**/node_modules/{tip-adapter,sharp,@img,onnxruntime-*}/**']), because it starts processes from its files.
import { fileURLToPath } from 'node:url';
import { app, BrowserWindow, ipcMain } from 'electron';
import { load } from 'tip-adapter';

const classifier = load(process.env.CLASSIFIER ?? 'pets.safetensors');

ipcMain.handle('predict', async (_, bytes) => {
  const { name, probability } = await (await classifier).predict(new Uint8Array(bytes));
  return { name, probability };
});

await app.whenReady();
const window = new BrowserWindow({
  webPreferences: { preload: fileURLToPath(new URL('preload.cjs', import.meta.url)) },
});
await window.loadFile('index.html');
app.once('window-all-closed', async () => {
  await (await classifier).close();
  app.quit();
});
