import { describe, expect, it, vi } from 'vitest';
import { matrix } from '../math/matrix.ts';
import { nearestDistance } from './drift.ts';
import { fittedAnimals, PREDICT, png, serve } from './serve.fixture.ts';

const animals = fittedAnimals();

describe('the distance to the nearest example', () => {
  it('is the cosine distance, whatever the lengths', () => {
    const nearest = nearestDistance(matrix(2, 2, Float32Array.of(10, 0, 0.5, 0.5)))!;
    expect(nearest(Float32Array.of(3, 3))).toBeCloseTo(0, 6);
    vi.spyOn(performance, 'now').mockReturnValue(1e12);
    expect(nearest(Float32Array.of(-1, 0))).toBeCloseTo(1 + Math.SQRT1_2, 6);
    vi.restoreAllMocks();
  });

  it('is measured for a part of the pictures, so that other requests are not delayed', () => {
    const rows = matrix(2000, 512, new Float32Array(2000 * 512).fill(1));
    const nearest = nearestDistance(rows)!;
    const measured = Array.from({ length: 20 }, () => nearest(new Float32Array(512).fill(1)));
    expect(measured[0]).toBeCloseTo(0, 5);
    expect(measured.filter((value) => value !== undefined).length).toBeLessThan(3);
    expect(nearestDistance(matrix(0, 4))).toBeUndefined();
    expect(nearestDistance(matrix(2 ** 14, 1024))).toBeUndefined();
  });
});

describe('drift', () => {
  it('shows in the metrics: answers "none of these", confidence, and distance to the examples', async () => {
    const server = await serve({ models: [await animals.copy('drift')] });
    const { json } = await server.ask(PREDICT, png(animals.cat));
    await server.ask(`${PREDICT}?reject=1`, png(animals.cat));
    const text = await (await fetch(`${server.address}/metrics`)).text();
    const read = (name: string) => Number(new RegExp(`^tip_adapter_${name} (.*)$`, 'm').exec(text)?.[1]);
    expect(read('answers_total\\{model="animals",rejected="true"\\}')).toBe(1);
    expect(read('answers_total\\{model="animals",rejected="false"\\}')).toBe(1);
    expect(read('answer_probability_sum\\{model="animals"\\}')).toBeCloseTo(
      2 * json.predictions[0].probability,
      4,
    );
    expect(read('example_distance_count\\{model="animals"\\}')).toBeGreaterThanOrEqual(1);
    const { contributions } = (await server.ask('/v1/models/animals/explain?top=1', png(animals.cat))).json;
    const distance =
      read('example_distance_sum\\{model="animals"\\}') / read('example_distance_count\\{model="animals"\\}');
    expect(distance).toBeCloseTo(1 - contributions[0].similarity, 3);
  });
});
