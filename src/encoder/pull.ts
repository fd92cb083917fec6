export interface PullOptions {
  readonly signal?: AbortSignal;
}
