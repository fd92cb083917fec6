// tip-adapter export pets.safetensors --to site -o public/models/pets; npm run dev
import { useEffect, useRef, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { open, openCamera } from 'tip-adapter/web';

function Camera() {
  const place = useRef(null);
  const [answer, setAnswer] = useState('Loading');
  useEffect(() => {
    const stop = new AbortController();
    watch(place.current, setAnswer, stop.signal).catch((error) => {
      if (!stop.signal.aborted) setAnswer(error.message);
    });
    return () => stop.abort();
  }, []);
  return (
    <main>
      <div ref={place} />
      <p role="status">{answer}</p>
    </main>
  );
}

async function watch(place, tell, signal) {
  const pets = await open('/models/pets/', {
    signal,
    onDownload: ({ received, total }) => tell(`${Math.round((100 * received) / total)}% loaded`),
  });
  const camera = await openCamera();
  try {
    place.append(camera.video);
    for await (const { name, probability } of pets.predictLive(camera.video, { signal }))
      tell(`${name} ${(100 * probability).toFixed(0)}%`);
  } finally {
    camera.close();
    camera.video.remove();
    await pets.close();
  }
}

createRoot(document.getElementById('root')).render(<Camera />);
