// CLASSIFIER=pets.safetensors npm start; then: curl -F picture=@photo.jpg http://127.0.0.1:3000/predict
import multipart from '@fastify/multipart';
import Fastify from 'fastify';
import { DataError, load } from 'tip-adapter';

const classifier = await load(process.env.CLASSIFIER ?? 'pets.safetensors');
const app = Fastify();
await app.register(multipart, { limits: { fileSize: 32 * 2 ** 20 } });
app.addHook('onClose', () => classifier.close());

app.post('/predict', async (request, reply) => {
  const file = await request.file();
  if (!file) return reply.code(400).send({ error: 'Send a picture as a file of the form' });
  try {
    const { name, probability, rejected } = await classifier.predict(await file.toBuffer());
    return { name, probability, rejected };
  } catch (error) {
    // The picture is damaged or no picture. Other errors are faults of the server.
    if (error instanceof DataError) return reply.code(422).send({ error: error.message });
    throw error;
  }
});

console.log(await app.listen({ port: Number(process.env.PORT ?? 3000) }));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close());
