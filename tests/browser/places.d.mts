export const PLACES: readonly string[];
