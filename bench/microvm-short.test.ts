import { whyNoMicrovms } from '@clarateach/seats/providers/microvm/testing';
import { checkBenchmark } from './testing-short.ts';

const reason = await whyNoMicrovms();

checkBenchmark('microvm', reason === undefined ? undefined : `NOT RUN: ${reason}`);
