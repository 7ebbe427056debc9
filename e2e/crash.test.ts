import { crashes } from './platform/crashes.ts';

crashes('local');
crashes('docker');
