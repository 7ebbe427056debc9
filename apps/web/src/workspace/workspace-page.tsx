import { useCallback, useState } from 'react';
import { Link, useNavigate, useParams } from 'react-router';
import { browserSeats } from '../join/browser-seats.ts';
import { paths } from '../paths.ts';
import { Logo } from '../ui/logo.tsx';
import { SeatLost } from './seat-lost.tsx';
import type { SeatLoss } from './seat-pass.ts';
import { WorkspaceShell } from './workspace-shell.tsx';
import '../styles/overlays.css';
import './workspace.css';
import './terminal/terminal.css';
import './files/files.css';
import './editor/editor.css';
import './preview/preview.css';
import './surroundings.css';

export function WorkspacePage() {
  const { workshopId = '' } = useParams();
  return <SavedWorkspace key={workshopId} workshopId={workshopId} />;
}

function SavedWorkspace({ workshopId }: { readonly workshopId: string }) {
  const [saved] = useState(() => browserSeats.find(workshopId));
  const [loss, setLoss] = useState<SeatLoss>();
  const navigate = useNavigate();
  const leave = useCallback(() => {
    const { code } = saved ?? {};
    navigate(paths.join(code));
  }, [navigate, saved]);

  if (!saved) return <NoSeat />;
  if (loss !== undefined) return <SeatLost loss={loss} saved={saved} onReturn={leave} />;
  return <WorkspaceShell saved={saved} onLost={setLoss} />;
}

function NoSeat() {
  return (
    <main className="message-page">
      <title>No seat here · ClaraTeach</title>
      <div className="message-card card">
        <Logo size={40} />
        <div>
          <h1>This browser has no seat here</h1>
          <p className="soft">
            Come in with the join code of the workshop. If you had a seat in another browser, your return code
            leads back to it.
          </p>
        </div>
        <Link className="button primary large" to={paths.join()}>
          Type the join code
        </Link>
      </div>
    </main>
  );
}
