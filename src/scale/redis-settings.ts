/** User and password of Redis, and who hears of a lost connection. */
export interface RedisSettings {
  /** Has `TIP_ADAPTER_REDIS_USER` and `TIP_ADAPTER_REDIS_PASSWORD`. Default: the environment of this process. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Called when the connection is lost, with the reason, and when it is there again. */
  onConnection?(lost: string | undefined): void;
}
