// curl --data-binary @photo.jpg http://127.0.0.1:3000/api/predict
import { DataError, load } from 'tip-adapter';

// The classifier is loaded at the first request and kept, also when the development server loads this file again.
const open = () => (globalThis.classifier ??= load(process.env.CLASSIFIER ?? 'pets.safetensors'));

export async function POST(request) {
  const classifier = await open();
  try {
    const { name, probability, rejected } = await classifier.predict(await request.blob());
    return Response.json({ name, probability, rejected });
  } catch (error) {
    if (error instanceof DataError) return Response.json({ error: error.message }, { status: 422 });
    throw error;
  }
}
