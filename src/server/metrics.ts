import { counter, histogram } from './prometheus.ts';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export type Metrics = ReturnType<typeof createMetrics>;

/** The counters and histograms of a running server. */
export function createMetrics() {
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
    reloads: counter('tip_adapter_reloads_total', 'Reloads of classifier files that other programs changed.'),
  };
}
