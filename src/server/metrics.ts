import * as prometheus from './prometheus.ts';

const SHARES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1];
const DISTANCES = [0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1, 2];
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export type Metrics = ReturnType<typeof createMetrics>;

/** The counters and histograms of a running server, which a meter also records. */
export function createMetrics(meter?: prometheus.Meter) {
  const counter = (name: string, help: string) => prometheus.counter(name, help, meter);
  const histogram = (name: string, help: string, bounds: readonly number[]) =>
    prometheus.histogram(name, help, bounds, meter);
  return {
    requests: counter('tip_adapter_requests_total', 'Requests answered, by route and status.'),
    seconds: histogram(
      'tip_adapter_request_seconds',
      'Seconds from the end of the headers to the answer.',
      SECONDS,
    ),
    pictures: counter('tip_adapter_pictures_total', 'Pictures accepted, by classifier.'),
    batches: histogram(
      'tip_adapter_batch_size',
      'Crops that were embedded in one batch.',
      [1, 2, 4, 8, 16, 64],
    ),
    answers: counter(
      'tip_adapter_answers_total',
      'Answers, by classifier and by whether they are "none of these".',
    ),
    probability: histogram(
      'tip_adapter_answer_probability',
      'Probability of the most probable class, by classifier.',
      SHARES,
    ),
    distance: histogram(
      'tip_adapter_example_distance',
      'Cosine distance between a picture and the nearest example, by classifier; measured for a part of the pictures under load.',
      DISTANCES,
    ),
    samples: counter('tip_adapter_samples_total', 'Pictures chosen to be saved, by outcome.'),
    reloads: counter('tip_adapter_reloads_total', 'Reloads of classifier files that other programs changed.'),
  };
}
