const { contextBridge, ipcRenderer } = require('electron');

contextBridge.exposeInMainWorld('pets', { predict: (bytes) => ipcRenderer.invoke('predict', bytes) });
