/** Names the server that a run of many test files shares, by its URL; without it each file starts its own. */
export const SHARED_POSTGRES = 'CLARATEACH_TEST_POSTGRES';
