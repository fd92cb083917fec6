'use client';
import { useState } from 'react';

export default function Page() {
  const [answer, setAnswer] = useState('');
  async function ask(event) {
    const response = await fetch('/api/predict', { method: 'POST', body: event.target.files[0] });
    const { name, probability, error } = await response.json();
    setAnswer(error ?? `${name} ${(100 * probability).toFixed(0)}%`);
  }
  return (
    <main>
      <input type="file" accept="image/*" onChange={ask} />
      <p>{answer}</p>
    </main>
  );
}
