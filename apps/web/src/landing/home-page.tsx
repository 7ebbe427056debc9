import { SignedIn } from '../shell/instructor-page.tsx';
import { WorkshopsPage } from '../workshops/workshops-page.tsx';
import { Landing } from './landing.tsx';

export function HomePage() {
  return <SignedIn otherwise={<Landing />}>{(account) => <WorkshopsPage account={account} />}</SignedIn>;
}
