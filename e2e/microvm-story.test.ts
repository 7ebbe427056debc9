import { canRunSeats } from './platform/can-run.ts';
import { tellStory } from './platform/story.ts';
import { oneMachine } from './platform/story-stage.ts';

tellStory('firecracker', canRunSeats('firecracker'), () => oneMachine('firecracker'));
