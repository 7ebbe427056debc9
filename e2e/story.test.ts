import { canRunSeats } from './platform/can-run.ts';
import { tellStory } from './platform/story.ts';
import { oneMachine, workersBehindLines } from './platform/story-stage.ts';

tellStory('local', canRunSeats('local'), () => oneMachine('local'));
tellStory('docker', canRunSeats('docker'), () => oneMachine('docker'));
tellStory('two-workers', canRunSeats('local'), workersBehindLines);
