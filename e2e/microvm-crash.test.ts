import { crashes } from './platform/crashes.ts';

crashes('firecracker');
